//! The careful form: nothing accepted is lost without a word.
//!
//! Each stream has a ring of events, oldest first; those in front are on their way, one append at a time, the rest wait. A
//! full ring drops the oldest that waits, and says so. Every append is conditional on the stream's end (match_seq_num), so
//! a retry cannot store twice: where S2 answers that the end is elsewhere, what stands there tells whether an earlier
//! attempt was stored after all, or who else writes. The writer that began last owns the stream; the other steps down.
//! At the end (SIGTERM, end of input) the rings drain until a deadline, and what is left is reported as lost.
//!
//! Here: the requests and the end. stream.rs: how a stream's events are stored. All of it runs on one thread, and no
//! borrow of the state outlives an await.
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
    error::Error,
    rc::Rc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::{Notify, oneshot},
    task::{JoinSet, LocalSet, spawn_local},
    time::{Instant, timeout_at},
};

use crate::{Lines, Request, Settings, envelope, next_request, reject, say, stream};

const FLUSH_WITHIN: Duration = Duration::from_secs(2);
const MAX_RECORD: usize = (1 << 20) - 8; // S2's limit, without what a record costs by itself

pub struct Event {
    pub seq: u64,
    pub session: Rc<str>,
    pub body: Vec<u8>,
    pub at: Instant,
}

#[derive(Default)]
struct Session {
    stream: String,
    open: bool,
    durable: u64,                         // everything up to here is stored, or was reported as dropped
    holed: bool,                          // something was lost: durable rises no more
    asked: Option<oneshot::Receiver<()>>, // the flush or stop before: answers come in the order of the asking
}

#[derive(Default)]
pub struct Stream {
    pub ring: VecDeque<Rc<Event>>,
    pub flying: usize, // so many in front are on their way
    pub hurry: u64,    // up to here nothing lingers
    pub taken: bool,   // by a later writer
    pub wake: Rc<Notify>,
}

#[derive(Default)]
pub struct State {
    seq: u64,
    off: bool,
    lost: bool,
    newest: String,
    sessions: HashMap<String, Session>,
    pub streams: HashMap<String, Stream>,
    pub deadline: Option<Instant>, // of the shutdown, once it has begun
}

pub struct Writer {
    pub settings: Settings,
    pub id: String, // of this process: begins with the time of its start
    pub state: RefCell<State>,
    pub changed: Notify,  // events have left a ring
    pub draining: Notify, // the shutdown has begun
}

pub async fn run(settings: Settings, mut lines: Lines) -> Result<i32, Box<dyn Error>> {
    let id = format!("{:016x}-{:08x}", std::time::UNIX_EPOCH.elapsed()?.as_nanos(), std::process::id());
    let (changed, draining) = (Notify::new(), Notify::new());
    let writer = Rc::new(Writer { settings, id, state: RefCell::default(), changed, draining });
    let mut terminated = signal(SignalKind::terminate())?;
    say(json!({"ready": true}));
    let work = async {
        let mut answers = JoinSet::new();
        let (mut input, mut ending) = (true, false);
        loop {
            let mut end = false;
            select! {
                request = next_request(&mut lines), if input => match request {
                    Some(request) => writer.handle(request, &mut answers),
                    None => (input, end) = (false, true),
                },
                _ = terminated.recv(), if !ending => end = true,
                _ = answers.join_next(), if !answers.is_empty() => {}
            }
            if end && !ending {
                ending = true;
                writer.begin_shutdown(&mut answers);
            }
            if ending && answers.is_empty() {
                return i32::from(writer.state.borrow().lost);
            }
        }
    };
    Ok(LocalSet::new().run_until(work).await)
}

impl Writer {
    fn handle(self: &Rc<Self>, request: Request, answers: &mut JoinSet<()>) {
        let state = &mut *self.state.borrow_mut();
        let name = request.session.clone().unwrap_or_else(|| state.newest.clone());
        match request.op.as_str() {
            "start" => self.start(state, name),
            "publish" => self.publish(state, &request, &name),
            "storage" => {
                state.off = !request.on;
                say(json!({"storage": request.on}));
            }
            "flush" if state.sessions.contains_key(&name) => {
                let writer = self.clone();
                let until = Instant::now() + request.within(FLUSH_WITHIN);
                state.in_turn(&name.clone(), answers, async move |cutoff| writer.flush(&name, cutoff, until).await);
            }
            "stop" => {
                let Some(session) = state.sessions.get_mut(&name).filter(|s| s.open) else { return };
                session.open = false;
                let writer = self.clone();
                let until = Instant::now() + leave_time(request.within(self.settings.budget));
                state.in_turn(&name.clone(), answers, async move |cutoff| writer.stop(&name, cutoff, until).await);
            }
            _ => {}
        }
    }

    fn start(self: &Rc<Self>, state: &mut State, name: String) {
        let target = match self.settings.stream_of(&name) {
            Ok(target) => target,
            Err(error) => return eprintln!("session {name}: {error}"),
        };
        let session = state.sessions.entry(name.clone()).or_default();
        session.stream = target.to_string();
        session.open = true;
        if !state.streams.contains_key(&session.stream) {
            state.streams.insert(session.stream.clone(), Stream::default());
            spawn_local(stream::run(self.clone(), target));
        }
        say(json!({"started": name}));
        state.newest = name;
    }

    fn publish(&self, state: &mut State, request: &Request, name: &str) {
        let Some(session) = state.sessions.get(name).filter(|s| s.open) else {
            return reject(request.n, "no session");
        };
        let Some(event) = &request.event else { return reject(request.n, "no event") };
        let stream = state.streams.get_mut(&session.stream).expect("a session has a stream");
        if state.deadline.is_some() {
            return reject(request.n, "shutting down");
        }
        if stream.taken {
            return reject(request.n, stream::TAKEN);
        }
        let seq = state.seq + 1;
        let body = envelope(&self.id, name, seq, event);
        if body.len() > MAX_RECORD {
            return reject(request.n, "larger than S2 takes");
        }
        state.seq = seq;
        say(json!({"published": request.n, "seq": seq}));
        if state.off {
            return;
        }
        if stream.ring.len() - stream.flying >= self.settings.capacity {
            let oldest = stream.ring.remove(stream.flying).expect("a full ring has an oldest");
            say(json!({"dropped": {"from": oldest.seq, "to": oldest.seq}, "session": &*oldest.session}));
        }
        stream.ring.push_back(Rc::new(Event { seq, session: name.into(), body, at: Instant::now() }));
        stream.wake.notify_one();
    }

    /// Waits, at most until then, for the session's events up to the cut-off to leave the ring. Those that are left. A
    /// shutdown's deadline is a deadline here, too.
    async fn unsaved(&self, name: &str, cutoff: u64, mut until: Instant) -> Vec<Rc<Event>> {
        loop {
            let changed = self.changed.notified();
            let left: Vec<_> = {
                let state = self.state.borrow();
                until = state.deadline.map_or(until, |deadline| deadline.min(until));
                let ring = &state.streams[&state.sessions[name].stream].ring;
                ring.iter().filter(|e| &*e.session == name && e.seq <= cutoff).cloned().collect()
            };
            if left.is_empty() || Instant::now() >= until {
                return left;
            }
            let _ = timeout_at(until, changed).await;
        }
    }

    async fn flush(&self, name: &str, cutoff: u64, until: Instant) {
        let left = self.unsaved(name, cutoff, until).await.len();
        let session = &self.state.borrow().sessions[name];
        if left > 0 || session.holed {
            say(json!({"flush_failed": {"durable_through": session.durable, "pending": left}, "session": name}));
        } else {
            say(json!({"flushed": {"through": cutoff}, "session": name}));
        }
    }

    /// Answers what is durable by its deadline. What is not is tried on, for as long as the process lives.
    async fn stop(&self, name: &str, cutoff: u64, until: Instant) {
        self.unsaved(name, cutoff, until).await;
        let durable = self.state.borrow().sessions[name].durable;
        say(json!({"stopped": {"through": durable}, "session": name}));
    }

    fn begin_shutdown(self: &Rc<Self>, answers: &mut JoinSet<()>) {
        let state = &mut *self.state.borrow_mut();
        let deadline = Instant::now() + leave_time(self.settings.budget);
        state.deadline = Some(deadline);
        self.draining.notify_waiters();
        self.changed.notify_waiters();
        for name in state.sessions.keys().cloned().collect::<Vec<_>>() {
            let writer = self.clone();
            state.in_turn(&name.clone(), answers, async move |cutoff| writer.end(&name, cutoff, deadline).await);
        }
    }

    /// The session's part of a shutdown. What it gives up may be on its way, and be stored all the same.
    async fn end(&self, name: &str, cutoff: u64, deadline: Instant) {
        let left = self.unsaved(name, cutoff, deadline).await;
        let state = &mut *self.state.borrow_mut();
        state.lose(&left, "not stored in time");
        let given: HashSet<u64> = left.iter().map(|e| e.seq).collect();
        let session = state.sessions.get_mut(name).expect("it is being ended");
        let stream = state.streams.get_mut(&session.stream).expect("a session has a stream");
        stream.flying -= stream.ring.iter().take(stream.flying).filter(|e| given.contains(&e.seq)).count();
        stream.ring.retain(|e| !given.contains(&e.seq));
        if std::mem::take(&mut session.open) {
            say(json!({"stopped": {"through": session.durable}, "session": name}));
        }
    }

    /// What is on its way leaves the ring: stored, or lost for a reason.
    pub fn settle(&self, stream: &str, lost: Option<&str>) {
        let state = &mut *self.state.borrow_mut();
        let stream = state.streams.get_mut(stream).expect("it is being settled");
        let gone: Vec<_> = stream.ring.drain(..std::mem::take(&mut stream.flying)).collect();
        if let Some(reason) = lost {
            state.lose(&gone, reason);
        } else {
            let mut acked: HashMap<&str, u64> = HashMap::new();
            for event in &gone {
                acked.insert(&event.session, event.seq);
            }
            for (name, seq) in acked {
                let session = state.sessions.get_mut(name).expect("an event has a session");
                if !session.holed {
                    session.durable = seq;
                    say(json!({"acked": seq, "session": name}));
                }
            }
        }
        self.changed.notify_waiters();
    }
}

impl State {
    /// Answers a flush or a stop behind those that were asked for before.
    fn in_turn(&mut self, name: &str, answers: &mut JoinSet<()>, work: impl AsyncFnOnce(u64) + 'static) {
        let cutoff = self.seq;
        let session = self.sessions.get_mut(name).expect("it was asked");
        let stream = self.streams.get_mut(&session.stream).expect("a session has a stream");
        stream.hurry = cutoff;
        stream.wake.notify_one();
        let (done, next) = oneshot::channel();
        let before = session.asked.replace(next);
        answers.spawn_local(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            work(cutoff).await;
            drop(done);
        });
    }

    /// Reports events as lost, in ranges without holes.
    fn lose(&mut self, events: &[Rc<Event>], reason: &str) {
        for range in events.chunk_by(|a, b| a.session == b.session && a.seq + 1 == b.seq) {
            let name = &*range[0].session;
            self.lost = true;
            self.sessions.get_mut(name).expect("an event has a session").holed = true;
            let (from, to) = (range[0].seq, range[range.len() - 1].seq);
            say(json!({"lost": {"from": from, "to": to, "reason": reason}, "session": name}));
        }
    }
}

/// Of the time for an answer, what its work may take.
fn leave_time(whole: Duration) -> Duration {
    whole * 9 / 10
}
