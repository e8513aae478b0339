//! The work of writer-bench on the official Rust client: records of one size go to one stream as fast as they are
//! acknowledged, for some seconds behind a warm-up of one.
//!
//!   rust-producer SECONDS RECORD-BYTES URL      prints one JSON object on one line
//!
//! Two figures, each in a stream of its own: `producer`, the client's batching producer, as its documentation advises
//! for throughput: record by record, an acknowledgement for each; and `append_session`, the layer below, given whole
//! batches. Batches have 1000 records and 5 ms of linger; 16,384 records at most are unacknowledged, as in writer-bench.
use std::{
    env,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use s2_sdk::{
    S2, S2Stream,
    append_session::AppendSessionConfig,
    batching::{BatchLimits, BatchingConfig},
    producer::ProducerConfig,
    types::{AppendInput, AppendRecord, AppendRecordBatch, BasinName, S2Config, S2Endpoints, StreamName},
};
use tokio::{sync::mpsc, task::JoinHandle};

type Failure = Box<dyn Error + Send + Sync>;

const BATCH_RECORDS: usize = 1000;
const LINGER: Duration = Duration::from_millis(5);
const OUTSTANDING: usize = 16_384;
const UNACKED_BYTES: u32 = 16 * 1024 * 1024; // as much as the other's producer has in flight
const WARM_UP: Duration = Duration::from_secs(1);

fn record(number: u64, bytes: usize) -> Result<AppendRecord, Failure> {
    let mut body = Vec::with_capacity(bytes);
    body.extend_from_slice(format!("{{\"number\":{number},\"text\":\"").as_bytes());
    body.resize(bytes - 2, b'x');
    body.extend_from_slice(b"\"}");
    Ok(AppendRecord::new(body)?)
}

/// Records acknowledged a second, from the end of the warm-up on.
struct Meter {
    stored: Arc<AtomicU64>,
    begin: Instant,
    end: Instant,
    measured: Option<(Instant, u64)>,
}

impl Meter {
    fn new(seconds: u64) -> Self {
        let begin = Instant::now() + WARM_UP;
        Self { stored: Arc::default(), begin, end: begin + Duration::from_secs(seconds), measured: None }
    }

    fn goes_on(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.begin && self.measured.is_none() {
            self.measured = Some((now, self.stored.load(Relaxed)));
        }
        now < self.end
    }

    fn per_second(&self) -> f64 {
        let (since, before) = self.measured.expect("the warm-up is over");
        (self.stored.load(Relaxed) - before) as f64 / since.elapsed().as_secs_f64()
    }
}

async fn by_producer(stream: S2Stream, seconds: u64, bytes: usize) -> Result<f64, Failure> {
    let limits = BatchLimits::new().with_max_batch_records(BATCH_RECORDS)?;
    let batching = BatchingConfig::new().with_linger(LINGER).with_limits(limits);
    let config = ProducerConfig::new().with_batching(batching).with_max_unacked_bytes(UNACKED_BYTES)?;
    let producer = stream.producer(config);
    let mut meter = Meter::new(seconds);
    let (tickets, mut taken) = mpsc::channel(OUTSTANDING);
    let stored = meter.stored.clone();
    let waiter: JoinHandle<Result<(), Failure>> = tokio::spawn(async move {
        while let Some(ticket) = taken.recv().await {
            let ticket: s2_sdk::producer::RecordSubmitTicket = ticket;
            ticket.await?;
            stored.fetch_add(1, Relaxed);
        }
        Ok(())
    });
    let mut number = 1_000_000_000;
    while meter.goes_on() {
        for _ in 0..64 {
            number += 1;
            tickets.send(producer.submit(record(number, bytes)?).await?).await?;
        }
    }
    let rate = meter.per_second();
    drop(tickets);
    waiter.await??;
    producer.close().await?;
    Ok(rate)
}

async fn by_append_session(stream: S2Stream, seconds: u64, bytes: usize) -> Result<f64, Failure> {
    let session = stream.append_session(AppendSessionConfig::new().with_max_unacked_bytes(UNACKED_BYTES)?);
    let mut meter = Meter::new(seconds);
    let (tickets, mut taken) = mpsc::channel(OUTSTANDING / BATCH_RECORDS);
    let stored = meter.stored.clone();
    let waiter: JoinHandle<Result<(), Failure>> = tokio::spawn(async move {
        while let Some(ticket) = taken.recv().await {
            let ticket: s2_sdk::append_session::BatchSubmitTicket = ticket;
            ticket.await?;
            stored.fetch_add(BATCH_RECORDS as u64, Relaxed);
        }
        Ok(())
    });
    let mut number = 1_000_000_000;
    while meter.goes_on() {
        let mut records = Vec::with_capacity(BATCH_RECORDS);
        for _ in 0..BATCH_RECORDS {
            number += 1;
            records.push(record(number, bytes)?);
        }
        tickets.send(session.submit(AppendInput::new(AppendRecordBatch::try_from_iter(records)?)).await?).await?;
    }
    let rate = meter.per_second();
    drop(tickets);
    waiter.await??;
    session.close().await?;
    Ok(rate)
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [seconds, bytes, url] = arguments.as_slice() else {
        return Err("usage: rust-producer SECONDS RECORD-BYTES URL".into());
    };
    let (seconds, bytes): (u64, usize) = (seconds.parse()?, bytes.parse()?);
    if seconds == 0 || bytes < 64 {
        return Err("SECONDS is at least 1, RECORD-BYTES at least 64".into());
    }
    let endpoints = S2Endpoints::for_endpoint(url)?;
    let basin: BasinName = "bench-writer-basin".parse()?;
    let basin = S2::new(S2Config::new("any-token").with_endpoints(endpoints))?.basin(basin);
    let stream = |name: &str| -> Result<S2Stream, Failure> { Ok(basin.stream(name.parse::<StreamName>()?)) };
    let producer = by_producer(stream("rust-producer")?, seconds, bytes).await?;
    let session = by_append_session(stream("rust-session")?, seconds, bytes).await?;
    println!(
        "{{\"writer_steady_peer\":{{\"record_bytes\":{bytes},\"batch_records\":{BATCH_RECORDS},\
         \"producer_records_per_second\":{producer:.0},\"append_session_records_per_second\":{session:.0}}}}}"
    );
    Ok(())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run()));
    if let Err(error) = result {
        eprintln!("rust-producer: {error}");
        std::process::exit(3);
    }
}
