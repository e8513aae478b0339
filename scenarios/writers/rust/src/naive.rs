//! The naive form: the client's producer, as its documentation shows it. An event is accepted when the producer took it.
//! Batching, retries and errors are left to the client, with its defaults. It knows one session at a time, and nothing of
//! SIGTERM.
use std::{cell::Cell, error::Error, rc::Rc};

use s2_sdk::{
    S2Basin,
    batching::{BatchLimits, BatchingConfig},
    producer::{Producer, ProducerConfig},
    types::{AppendRecord, RetryConfig},
};
use serde_json::json;
use tokio::task::{LocalSet, spawn_local};

use crate::{Lines, Request, Settings, connect, envelope, next_request, reject, say};

struct Session {
    name: String,
    producer: Producer,
    waiting: Rc<Cell<usize>>, // submitted and not acknowledged
    durable: Rc<Cell<u64>>,
}

struct Naive {
    settings: Settings,
    basin: S2Basin,
    session: Option<Session>,
    seq: u64,
}

pub async fn run(settings: Settings, mut lines: Lines) -> Result<i32, Box<dyn Error>> {
    let mut writer = Naive { settings, basin: connect(RetryConfig::new())?, session: None, seq: 0 };
    say(json!({"ready": true}));
    let work = async {
        while let Some(request) = next_request(&mut lines).await {
            writer.handle(request).await?;
        }
        writer.stop().await;
        Ok(0)
    };
    LocalSet::new().run_until(work).await
}

impl Naive {
    async fn handle(&mut self, request: Request) -> Result<(), Box<dyn Error>> {
        match request.op.as_str() {
            "start" => {
                self.stop().await;
                let name = request.session.unwrap_or_default();
                let limits = BatchLimits::new().with_max_batch_records(self.settings.max_records)?;
                let batching = BatchingConfig::new().with_linger(self.settings.linger).with_limits(limits);
                let stream = self.basin.stream(self.settings.stream_of(&name)?);
                say(json!({"started": name}));
                self.session = Some(Session {
                    name,
                    producer: stream.producer(ProducerConfig::new().with_batching(batching)),
                    waiting: Rc::default(),
                    durable: Rc::default(),
                });
            }
            "publish" => self.publish(request).await,
            "flush" => {
                let Some(session) = &self.session else { return Ok(()) };
                match session.producer.flush().await {
                    Ok(()) => say(json!({"flushed": {"through": self.seq}, "session": session.name})),
                    Err(error) => {
                        eprintln!("flush: {error}");
                        let (durable, pending) = (session.durable.get(), session.waiting.get());
                        say(
                            json!({"flush_failed": {"durable_through": durable, "pending": pending}, "session": session.name}),
                        );
                    }
                }
            }
            "stop" => self.stop().await,
            _ => {}
        }
        Ok(())
    }

    async fn publish(&mut self, request: Request) {
        let (Some(session), Some(event)) = (&self.session, &request.event) else {
            return reject(request.n, "no session");
        };
        if session.waiting.get() >= self.settings.capacity {
            return reject(request.n, "too many wait");
        }
        let seq = self.seq + 1;
        let record = match AppendRecord::new(envelope("", &session.name, seq, event)) {
            Ok(record) => record,
            Err(error) => return reject(request.n, error),
        };
        let ticket = match session.producer.submit(record).await {
            Ok(ticket) => ticket,
            Err(error) => return reject(request.n, error),
        };
        self.seq = seq;
        say(json!({"published": request.n, "seq": seq}));
        let (name, waiting, durable) = (session.name.clone(), session.waiting.clone(), session.durable.clone());
        waiting.set(waiting.get() + 1);
        spawn_local(async move {
            let stored = ticket.await;
            waiting.set(waiting.get() - 1);
            match stored {
                Ok(_) if seq > durable.get() => {
                    durable.set(seq);
                    say(json!({"acked": seq, "session": name}));
                }
                Ok(_) => {}
                Err(error) => eprintln!("event {seq} was not stored: {error}"),
            }
        });
    }

    async fn stop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if let Err(error) = session.producer.close().await {
            eprintln!("close: {error}");
        }
        tokio::task::yield_now().await; // for the tickets
        say(json!({"stopped": {"through": session.durable.get()}, "session": session.name}));
    }
}
