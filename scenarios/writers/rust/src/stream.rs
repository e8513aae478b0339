//! One stream of the careful form: batches leave its ring one at a time, each tried until its fate is known. The client's
//! own retries are off: what an attempt left behind has to be looked at before the next.
use std::{error::Error, num::NonZeroU32, rc::Rc, time::Duration};

use s2_sdk::{
    S2Stream,
    error::{AppendConditionFailed, AppendError, ReadError, RequestError},
    types::{AppendInput, AppendRecord, AppendRecordBatch, ReadFrom, ReadInput, ReadStart, RetryConfig, StreamName},
};
use serde::Deserialize;
use tokio::{
    select,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    careful::{Event, Writer},
    connect,
};

pub const TAKEN: &str = "a later writer has the stream";
const MAX_BATCH: usize = 1 << 20; // metered bytes: 8 and the body for each record
const FIRST_TIMEOUT: Duration = Duration::from_millis(500); // of an attempt; each further one has twice the time
const LAST_TIMEOUT: Duration = Duration::from_secs(4); // the client ends one after 5 s by itself
const FIRST_PAUSE: Duration = Duration::from_millis(25); // between attempts, likewise
const LAST_PAUSE: Duration = Duration::from_secs(1);
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

enum Fate {
    Stored,
    Moved, // not stored; the stream ends elsewhere than was thought
    Taken,
    Refused(String), // for good
    Unknown(String), // stored or not: the next attempt finds out
}

struct Link {
    writer: Rc<Writer>,
    name: StreamName,
    stream: S2Stream,
    end: Option<u64>, // of the stream, once known
}

/// Stores what comes into a stream's ring, for as long as the process lives.
pub async fn run(writer: Rc<Writer>, name: StreamName) {
    let stream = dial(&name).expect("the writer connected with the same settings before");
    let mut link = Link { writer, name, stream, end: None };
    loop {
        let batch = link.next_batch().await;
        link.store(&batch).await;
    }
}

fn dial(name: &StreamName) -> Result<S2Stream, Box<dyn Error>> {
    Ok(connect(RetryConfig::new().with_max_attempts(NonZeroU32::MIN))?.stream(name.clone()))
}

impl Link {
    /// Waits until a batch is full, has lingered, or is in a hurry.
    async fn next_batch(&self) -> Vec<Rc<Event>> {
        let settings = &self.writer.settings;
        loop {
            let (wake, due) = {
                let state = &mut *self.writer.state.borrow_mut();
                let stream = state.streams.get_mut(self.name.as_ref()).expect("it runs");
                let mut size = 0;
                let fits = |event: &&Rc<Event>| {
                    size += 8 + event.body.len();
                    size <= MAX_BATCH
                };
                let batch: Vec<_> = stream.ring.iter().take(settings.max_records).take_while(fits).cloned().collect();
                let due = batch.first().map(|oldest| oldest.at + settings.linger);
                let full = batch.len() == settings.max_records || batch.len() < stream.ring.len();
                let hurries = batch.first().is_some_and(|oldest| oldest.seq <= stream.hurry);
                if full || hurries || due.is_some_and(|due| due <= Instant::now()) {
                    stream.flying = batch.len();
                    return batch;
                }
                (stream.wake.clone(), due)
            };
            select! {
                _ = wake.notified() => {}
                _ = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// Tries until the batch is stored, refused for good, or not this writer's to store any more.
    async fn store(&mut self, batch: &[Rc<Event>]) {
        for attempt in 0.. {
            let why = match self.attempt(batch, attempt).await {
                Fate::Stored => return self.writer.settle(self.name.as_ref(), None),
                Fate::Refused(reason) => return self.writer.settle(self.name.as_ref(), Some(&reason)),
                Fate::Taken => {
                    if let Some(stream) = self.writer.state.borrow_mut().streams.get_mut(self.name.as_ref()) {
                        stream.taken = true;
                        stream.flying = stream.ring.len();
                    }
                    return self.writer.settle(self.name.as_ref(), Some(TAKEN));
                }
                Fate::Moved => continue,
                Fate::Unknown(why) => why,
            };
            eprintln!("stream {}, attempt {}: {why}", self.name, attempt + 1);
            let pause = grown(FIRST_PAUSE, attempt, LAST_PAUSE);
            if self.writer.state.borrow().deadline.is_some() {
                sleep(pause.min(DRAIN_PAUSE)).await;
            } else {
                select! {
                    _ = sleep(pause) => {}
                    _ = self.writer.draining.notified() => {}
                }
            }
        }
    }

    /// One attempt, within its time. What hangs when the shutdown begins has had it.
    async fn attempt(&mut self, batch: &[Rc<Event>], attempt: u32) -> Fate {
        let mut limit = grown(FIRST_TIMEOUT, attempt, LAST_TIMEOUT);
        if let Some(deadline) = self.writer.state.borrow().deadline {
            limit = limit.min(deadline.saturating_duration_since(Instant::now()) / 3);
        }
        let (writer, began) = (self.writer.clone(), Instant::now());
        let hurried = async {
            writer.draining.notified().await;
            sleep_until(began + FIRST_TIMEOUT).await;
        };
        let fate = select! {
            fate = timeout(limit, self.append(batch)) => fate.ok(),
            _ = hurried => None,
        };
        fate.unwrap_or_else(|| {
            // A network that was cut leaves a connection that is dead and does not look it; the client would use it again.
            if let Ok(fresh) = dial(&self.name) {
                self.stream = fresh;
            }
            Fate::Unknown("no answer in time".into())
        })
    }

    async fn append(&mut self, batch: &[Rc<Event>]) -> Fate {
        let end = match self.end {
            Some(end) => end,
            None => match self.survey(ReadFrom::TailOffset(1), &[]).await {
                Fate::Moved => self.end.unwrap_or_default(),
                other => return other,
            },
        };
        let records = batch.iter().map(|event| AppendRecord::new(event.body.clone())).collect::<Result<Vec<_>, _>>();
        let input = match records.and_then(AppendRecordBatch::try_from_iter) {
            Ok(records) => AppendInput::new(records).with_match_seq_num(end),
            Err(invalid) => return Fate::Refused(invalid.to_string()),
        };
        match self.stream.append(input).await {
            Ok(ack) => {
                self.end = Some(ack.end.seq_num);
                Fate::Stored
            }
            Err(AppendError::ConditionFailed(AppendConditionFailed::SeqNumMismatch(tail))) => {
                // Before its end: the stream was made anew.
                let from = if tail < end { ReadFrom::TailOffset(1) } else { ReadFrom::SeqNum(end) };
                self.survey(from, batch).await
            }
            Err(error) => match error.request_error() {
                Some(refused) if matches!(status(refused), Some(400 | 413 | 422)) => Fate::Refused(error.to_string()),
                _ => Fate::Unknown(error.to_string()),
            },
        }
    }

    /// Reads who wrote to the stream and where it ends. Stored: the batch's first event stands there, and with it, by the
    /// atomicity of appends, all of them.
    async fn survey(&mut self, from: ReadFrom, batch: &[Rc<Event>]) -> Fate {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Owner {
            writer: String,
            seq: u64,
        }
        let records = match self.stream.read(ReadInput::new().with_start(ReadStart::new().with_from(from))).await {
            Ok(read) => read.records,
            Err(ReadError::ReadUnwritten(tail)) => {
                self.end = Some(tail.seq_num);
                return Fate::Moved;
            }
            Err(ReadError::Request(error)) if status(&error) == Some(404) => {
                self.end = Some(0); // no stream yet: the append makes it
                return Fate::Moved;
            }
            Err(error) => return Fate::Unknown(error.to_string()),
        };
        for record in records {
            let owner: Owner = serde_json::from_slice(&record.body).unwrap_or_default(); // or none of ours
            if owner.writer > self.writer.id {
                return Fate::Taken;
            }
            if owner.writer == self.writer.id && batch.first().is_some_and(|first| first.seq == owner.seq) {
                self.end = Some(record.seq_num + batch.len() as u64);
                return Fate::Stored;
            }
            self.end = Some(record.seq_num + 1);
        }
        Fate::Moved
    }
}

fn status(error: &RequestError) -> Option<u16> {
    error.server_error().map(|server| server.status.as_u16())
}

fn grown(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(last)
}
