// The ring program of tests/bench/sim_bench.cpp under shuttle's random scheduler: three producers, one consumer,
// a queue of four, the same mutex and the same two condition variables.
//
//   shuttle-ring EXECUTIONS EACH     prints one JSON object, by the seconds that its thread has had a core
use shuttle::scheduler::{RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::{thread, Config, FailurePersistence, Runner};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

const PRODUCERS: usize = 3;
const CAPACITY: usize = 4;

struct Ring {
    queue: Mutex<VecDeque<usize>>,
    not_empty: Condvar,
    not_full: Condvar,
}

fn run_ring(each: usize) {
    let ring = Arc::new(Ring {
        queue: Mutex::new(VecDeque::new()),
        not_empty: Condvar::new(),
        not_full: Condvar::new(),
    });
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|k| {
            let ring = ring.clone();
            thread::spawn(move || {
                for i in 0..each {
                    let mut queue = ring.queue.lock().unwrap();
                    while queue.len() == CAPACITY {
                        queue = ring.not_full.wait(queue).unwrap();
                    }
                    queue.push_back(k * 1000 + i);
                    ring.not_empty.notify_one();
                }
            })
        })
        .collect();
    for _ in 0..PRODUCERS * each {
        let mut queue = ring.queue.lock().unwrap();
        while queue.is_empty() {
            queue = ring.not_empty.wait(queue).unwrap();
        }
        queue.pop_front();
        ring.not_full.notify_one();
    }
    for producer in producers {
        producer.join().unwrap();
    }
}

// Counts the points at which shuttle asks who goes next.
static POINTS: AtomicUsize = AtomicUsize::new(0);
struct Counted(RandomScheduler);
impl Scheduler for Counted {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }
    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yields: bool) -> Option<TaskId> {
        POINTS.store(POINTS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.0.next_task(runnable, current, yields)
    }
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

// All of shuttle's threads are coroutines of the one that runs it.
fn core_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("/proc/thread-self/schedstat");
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().expect("nanoseconds");
    nanoseconds / 1e9
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [executions, each] = numbers[..] else {
        eprintln!("shuttle-ring: usage: shuttle-ring EXECUTIONS EACH");
        std::process::exit(2);
    };
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    let begin = core_seconds();
    Runner::new(Counted(RandomScheduler::new(executions)), config).run(move || run_ring(each));
    let seconds = core_seconds() - begin;
    let rate = executions as f64 / seconds;
    let points = POINTS.load(Ordering::Relaxed) as f64 / executions as f64;
    println!("{{\"points\": {points:.0}, \"executions_per_s\": {rate:.0}, \"ns_per_point\": {:.1}}}", 1e9 / rate / points);
}
