//! An event writer on the official Rust client.
//!
//! It speaks the harness's stdio driver: JSON Lines in, JSON Lines out. Two forms, chosen by a flag:
//!
//!   --naive    (default) the client's producer, as its documentation shows it: naive.rs
//!   --careful  a bounded ring, conditional appends, a drain with a budget, a report of what is lost: careful.rs
//!
//! This file reads the environment and the requests.
mod careful;
mod naive;
mod stream;

use std::{env, error::Error, io::Write, time::Duration};

use s2_sdk::{
    S2, S2Basin,
    types::{RetryConfig, S2Config, S2Endpoints, StreamName},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

pub struct Settings {
    pub capacity: usize,
    pub linger: Duration,
    pub max_records: usize,
    pub budget: Duration,
    stream: Option<String>,
}

impl Settings {
    fn from_env() -> Self {
        let text = |name| env::var(name).ok().filter(|text: &String| !text.is_empty());
        let number = |name, fallback| text(name).and_then(|n| n.parse().ok()).filter(|&n| n > 0).unwrap_or(fallback);
        let time = |name, fallback| text(name).and_then(|d| duration(&d)).unwrap_or(Duration::from_millis(fallback));
        Self {
            capacity: number("S2_WRITER_RING_CAPACITY", 1024),
            linger: time("S2_BATCHER_LINGER", 100),
            max_records: number("S2_BATCHER_MAX_RECORDS", 50).min(1000),
            budget: time("S2_WRITER_SHUTDOWN_BUDGET", 10_000),
            stream: text("S2_STREAM"),
        }
    }

    /// The stream of a capture session.
    pub fn stream_of(&self, session: &str) -> Result<StreamName, Box<dyn Error>> {
        Ok(self.stream.as_deref().unwrap_or(session).parse()?)
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (amount, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let micros = match unit {
        "us" => 1,
        "ms" | "" => 1000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        _ => return None,
    };
    Some(Duration::from_micros(amount.parse::<u64>().ok()? * micros))
}

/// A client of its own, with connections of its own.
pub fn connect(retry: RetryConfig) -> Result<S2Basin, Box<dyn Error>> {
    let mut config = S2Config::new(env::var("S2_ACCESS_TOKEN")?).with_retry(retry);
    if env::var("S2_ACCOUNT_ENDPOINT").is_ok() {
        config = config.with_endpoints(S2Endpoints::from_env()?);
    }
    Ok(S2::new(config)?.basin(env::var("S2_BASIN")?.parse()?))
}

#[derive(Deserialize)]
pub struct Request {
    pub op: String,
    pub session: Option<String>,
    #[serde(default)]
    pub n: u64,
    pub event: Option<Box<RawValue>>, // as it came: not every text that JSON can carry is one that Rust can
    pub deadline_ms: Option<u64>,
    #[serde(default)]
    pub on: bool,
}

impl Request {
    pub fn within(&self, fallback: Duration) -> Duration {
        self.deadline_ms.map_or(fallback, Duration::from_millis)
    }
}

/// What a stored record holds.
#[derive(Serialize)]
pub struct Envelope<'a> {
    pub writer: &'a str,
    pub capture_session_id: &'a str,
    pub seq: u64,
    pub ts: u64,
    pub event: &'a RawValue,
}

pub fn envelope(writer: &str, session: &str, seq: u64, event: &RawValue) -> Vec<u8> {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    serde_json::to_vec(&Envelope { writer, capture_session_id: session, seq, ts: since.as_micros() as u64, event })
        .expect("an envelope is always JSON")
}

/// One line on stdout, and out at once. Nobody there to read it: then nobody is told.
pub fn say(answer: Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{answer}").and_then(|()| out.flush());
}

pub fn reject(n: u64, reason: impl ToString) {
    say(json!({"rejected": n, "reason": reason.to_string()}));
}

pub type Lines = tokio::io::Lines<BufReader<tokio::io::Stdin>>;

/// The next request; nothing at the end of the input. Safe to cancel.
pub async fn next_request(lines: &mut Lines) -> Option<Request> {
    loop {
        match lines.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(request) => return Some(request),
                Err(error) => eprintln!("not a request: {error}"),
            },
            Ok(None) => return None,
            Err(error) => {
                eprintln!("stdin: {error}");
                return None;
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env();
    let lines = BufReader::new(stdin()).lines();
    let code = match env::args().nth(1).as_deref() {
        None | Some("--naive") => naive::run(settings, lines).await?,
        Some("--careful") => careful::run(settings, lines).await?,
        Some(other) => {
            eprintln!("'{other}' is neither --naive nor --careful");
            2
        }
    };
    std::process::exit(code); // a read of stdin may still be waiting
}
