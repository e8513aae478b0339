//! The work of writer-bench on the official Rust client: what it is handed goes to one stream as fast as it is
//! acknowledged, for some seconds behind a warm-up of one.
//!
//!   rust-producer WORK SECONDS RECORD-BYTES EMULATOR-PID URL      prints one JSON object on one line
//!
//! WORK `events`: the work of the writer: events are checked and marshalled to the writer's envelopes, one by one, and
//! go record by record through the client's batching producer, as its documentation advises for throughput, with an
//! acknowledgement for each. `records`: the same with records of RECORD-BYTES that are there already. `session`: the
//! layer below, an append session that is given whole batches of those. Batches have 1000 records and 5 ms of linger,
//! nothing is compressed; 16,384 records at most are unacknowledged, as in writer-bench.
//!
//! Figures: records acknowledged a second; seconds of this process's cores, and of the emulator's, a million records.
use std::{
    env,
    error::Error,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use s2_sdk::{
    S2, S2Stream,
    append_session::AppendSessionConfig,
    batching::{BatchLimits, BatchingConfig},
    producer::ProducerConfig,
    types::{AppendInput, AppendRecord, AppendRecordBatch, BasinName, S2Config, S2Endpoints, StreamName},
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{sync::mpsc, task::JoinHandle};

type Failure = Box<dyn Error + Send + Sync>;

const BATCH_RECORDS: usize = 1000;
const LINGER: Duration = Duration::from_millis(5);
const OUTSTANDING: usize = 16_384;
const UNACKED_BYTES: u32 = 16 * 1024 * 1024; // as much as the other's producer has in flight
const WARM_UP: Duration = Duration::from_secs(1);
const DATA_BYTES: usize = 200; // of an event's `data`, as in writer-bench
const TICKS: f64 = 100.0; // a second, of /proc/PID/stat

fn text(number: u64, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    text += &format!("{{\"number\":{number},\"text\":\"");
    text.extend(std::iter::repeat_n('x', bytes - text.len() - 2));
    text += "\"}";
    text
}

fn record(number: u64, bytes: usize) -> Result<AppendRecord, Failure> {
    Ok(AppendRecord::new(text(number, bytes))?)
}

/// What a publisher hands in.
struct Event {
    kind: String,
    source_kind: String,
    source_event: String,
    url: String,
    data: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    capture_session_id: &'a str,
    seq: u64,
    event: EnvelopeEvent<'a>,
}

#[derive(Serialize)]
struct EnvelopeEvent<'a> {
    ts: u128,
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    source: Source<'a>,
    detail_level: &'a str,
    url: &'a str,
    data: &'a RawValue,
    truncated: bool,
}

#[derive(Serialize)]
struct Source<'a> {
    kind: &'a str,
    event: &'a str,
    metadata: &'a RawValue,
}

fn event(number: u64) -> Event {
    Event {
        kind: "network_response".into(),
        source_kind: "bench".into(),
        source_event: "Network.responseReceived".into(),
        url: "https://example.test/a/page".into(),
        data: text(number, DATA_BYTES),
    }
}

fn envelope(event: Event, seq: u64) -> Result<AppendRecord, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let data = RawValue::from_string(event.data)?; // is it JSON?
    let metadata: &RawValue = serde_json::from_str("{}")?;
    let body = serde_json::to_vec(&Envelope {
        capture_session_id: "bench",
        seq,
        event: EnvelopeEvent {
            ts: now.as_micros(),
            kind: &event.kind,
            category: event.kind.split('_').next().unwrap_or_default(),
            source: Source { kind: &event.source_kind, event: &event.source_event, metadata },
            detail_level: "",
            url: &event.url,
            data: &data,
            truncated: false,
        },
    })?;
    Ok(AppendRecord::new(body)?.with_timestamp(now.as_millis() as u64))
}

/// Seconds of cores that a process has had.
fn core_seconds(process: &str) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("what /proc tells has no name in it")?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// What is acknowledged, and what it costs, from the end of the warm-up on.
struct Meter {
    stored: Arc<AtomicU64>,
    emulator: String,
    begin: Instant,
    end: Instant,
    measured: Option<(Instant, u64, f64, f64)>,
}

struct Figures {
    per_second: f64,
    own_cores: f64, // seconds a million records
    emulators_cores: f64,
}

impl Meter {
    fn new(seconds: u64, emulator: &str) -> Self {
        let begin = Instant::now() + WARM_UP;
        let end = begin + Duration::from_secs(seconds);
        Self { stored: Arc::default(), emulator: emulator.into(), begin, end, measured: None }
    }

    fn goes_on(&mut self) -> Result<bool, Failure> {
        let now = Instant::now();
        if now >= self.begin && self.measured.is_none() {
            self.measured =
                Some((now, self.stored.load(Relaxed), core_seconds("self")?, core_seconds(&self.emulator)?));
        }
        Ok(now < self.end)
    }

    fn figures(&self) -> Result<Figures, Failure> {
        let (since, before, own, emulators) = self.measured.ok_or("nothing was measured")?;
        let records = (self.stored.load(Relaxed) - before) as f64;
        Ok(Figures {
            per_second: records / since.elapsed().as_secs_f64(),
            own_cores: (core_seconds("self")? - own) / records * 1e6,
            emulators_cores: (core_seconds(&self.emulator)? - emulators) / records * 1e6,
        })
    }
}

async fn by_producer(
    stream: S2Stream,
    mut meter: Meter,
    next: impl Fn(u64) -> Result<AppendRecord, Failure>,
) -> Result<Figures, Failure> {
    let limits = BatchLimits::new().with_max_batch_records(BATCH_RECORDS)?;
    let batching = BatchingConfig::new().with_linger(LINGER).with_limits(limits);
    let config = ProducerConfig::new().with_batching(batching).with_max_unacked_bytes(UNACKED_BYTES)?;
    let producer = stream.producer(config);
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
    let mut number = 0;
    while meter.goes_on()? {
        for _ in 0..64 {
            number += 1;
            tickets.send(producer.submit(next(number)?).await?).await?;
        }
    }
    let figures = meter.figures()?;
    drop(tickets);
    waiter.await??;
    producer.close().await?;
    Ok(figures)
}

async fn by_append_session(stream: S2Stream, mut meter: Meter, bytes: usize) -> Result<Figures, Failure> {
    let session = stream.append_session(AppendSessionConfig::new().with_max_unacked_bytes(UNACKED_BYTES)?);
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
    let mut number = 0;
    while meter.goes_on()? {
        let mut records = Vec::with_capacity(BATCH_RECORDS);
        for _ in 0..BATCH_RECORDS {
            number += 1;
            records.push(record(number, bytes)?);
        }
        tickets.send(session.submit(AppendInput::new(AppendRecordBatch::try_from_iter(records)?)).await?).await?;
    }
    let figures = meter.figures()?;
    drop(tickets);
    waiter.await??;
    session.close().await?;
    Ok(figures)
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [work, seconds, bytes, emulator, url] = arguments.as_slice() else {
        return Err("usage: rust-producer events|records|session SECONDS RECORD-BYTES EMULATOR-PID URL".into());
    };
    let (seconds, bytes): (u64, usize) = (seconds.parse()?, bytes.parse()?);
    if seconds == 0 || bytes < 64 {
        return Err("SECONDS is at least 1, RECORD-BYTES at least 64".into());
    }
    let endpoints = S2Endpoints::for_endpoint(url)?;
    let basin: BasinName = "bench-writer-basin".parse()?;
    let basin = S2::new(S2Config::new("any-token").with_endpoints(endpoints))?.basin(basin);
    let stream = basin.stream("rust-producer".parse::<StreamName>()?);
    let meter = Meter::new(seconds, emulator);
    const FIRST: u64 = 1_000_000_000; // numbers of one width
    let figures = match work.as_str() {
        "events" => by_producer(stream, meter, |n| envelope(event(FIRST + n), n)).await?,
        "records" => by_producer(stream, meter, |n| record(FIRST + n, bytes)).await?,
        "session" => by_append_session(stream, meter, bytes).await?,
        _ => return Err("WORK is events, records or session".into()),
    };
    let per_million = "core_seconds_per_million";
    println!(
        "{{\"{work}\":{{\"per_second\":{:.0},\"{per_million}\":{:.2},\"emulators_{per_million}\":{:.2}}}}}",
        figures.per_second, figures.own_cores, figures.emulators_cores
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
