// The writer's world: lets a shape happen; see writer_world.h. What is drawn: writer_shape.cpp.
#include "fuzz/writer_world.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "fuzz/strategy.h"
#include "fuzz/writer_journal.h"
#include "fuzz/writer_net.h"
#include "sim/world.h"

namespace s2::fuzz {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Over all worlds of this process.
std::atomic<std::uint64_t> branches_judged{0}, sends_cut{0}, events_accepted{0}, appends_stored_before{0},
    deaths{0};

// A hundred times what an execution has: then it does not end. Bytes of a big event in pieces make many
// points.
constexpr std::uint64_t kMostPoints = 100'000, kMostPointsOfBytes = 30'000'000;
constexpr milliseconds kTooLate{2000};  // behind a deadline, when nothing on the network was slow

// The ledger, and whoever waits for it to be settled.
class Listener final : public writer::DurabilityListener {
 public:
  explicit Listener(WriterLedger& ledger) : ledger_(ledger) {}
  void acked(const writer::SessionIdentity& session, std::uint64_t through) override {
    ledger_.acked(session, through);
    changed();
  }
  void dropped(const writer::SessionIdentity& session, std::uint64_t from, std::uint64_t to) override {
    ledger_.dropped(session, from, to);
    changed();
  }
  void lost(const writer::SessionIdentity& session, std::uint64_t from, std::uint64_t to,
            const std::string& reason) override {
    ledger_.lost(session, from, to, reason);
    changed();
  }
  void wait_settled() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ledger_.dead() || ledger_.pending() == 0; });
  }
  void died() {
    ledger_.died();
    changed();
  }

 private:
  void changed() {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

  WriterLedger& ledger_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

using scenarios::ByteFault;

// While the writer lives.
bool are_harmless(const std::vector<ByteFault>& faults) {
  return std::all_of(faults.begin(), faults.end(),
                     [](const ByteFault& each) { return each.kind == ByteFault::Kind::gone; });
}

// Nothing goes wrong on the network while the writer lives, and no event waits for room.
bool is_punctual(const WriterShape& shape) {
  return shape.faults.empty() && shape.refused_opens == 0 && shape.in_flight_records > kFewInFlight &&
         shape.latency.count() == 0 && are_harmless(shape.byte_faults);
}

// At most one connection broke or fell silent, and the next one works: that leaves time for another attempt.
bool is_light(const WriterShape& shape) {
  if (shape.latency * 20 >= shape.budget) return false;
  auto faults = shape.faults.size();
  for (const ByteFault& each : shape.byte_faults) {
    if (each.kind == ByteFault::Kind::silence || each.closed.count() > 0) return false;
    if (each.kind != ByteFault::Kind::gone) ++faults;
  }
  return faults <= 1 && shape.refused_opens == 0 && shape.in_flight_records > kFewInFlight;
}

// The part of a budget that there is up to the end of a step, in thousandths.
constexpr int share_through(writer::ShutdownStep step) {
  int sum = 0;
  for (const writer::ShutdownRow& row : writer::kShutdownTable) {
    sum += row.budget;
    if (row.step == step) break;
  }
  return sum;
}

// S2 is slow and no more than that, and all is answered before the acks must be there: each stream's fence,
// then what goes at once, or one record behind the other where no more are on their way.
bool is_slow_in_time(const WriterShape& shape) {
  if (shape.latency.count() == 0 || !shape.faults.empty() || shape.refused_opens > 0) return false;
  if (!are_harmless(shape.byte_faults)) return false;
  constexpr int kRoundsAtOnce = 6;
  const auto streams =
      std::min(kMaxStreams, shape.sessions + shape.acts.size());  // a fence and a marker each
  const auto one_by_one = shape.publishers * shape.events + 2 * shape.acts.size() + 2 * streams;
  const int rounds = shape.in_flight_records > kFewInFlight ? kRoundsAtOnce : static_cast<int>(one_by_one);
  return shape.latency * rounds + kPunctual <
         shape.budget * share_through(writer::ShutdownStep::await_acks) / 1000;
}

// An append was refused for good: it is lost, and told so.
bool loses_an_append(const WriterShape& shape) {
  return std::any_of(shape.faults.begin(), shape.faults.end(), [](const scenarios::PlannedFault& each) {
    return each.fault == scenarios::DirectFault::token_refused;
  });
}

// Time as it passes while nobody is hurried.
class Stopwatch {
 public:
  std::chrono::nanoseconds elapsed() const { return (sim::now() - began_) - (sim::hurried() - hurried_); }
  milliseconds elapsed_ms() const { return std::chrono::duration_cast<milliseconds>(elapsed()); }

 private:
  const std::chrono::nanoseconds began_ = sim::now(), hurried_ = sim::hurried();
};

// A directory of this process for the journal's files, empty, gone with the object.
class JournalDirectory {
 public:
  JournalDirectory() : path_(journal_directory_of(::getpid())) { std::filesystem::remove_all(path_); }
  ~JournalDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  JournalDirectory(const JournalDirectory&) = delete;
  JournalDirectory& operator=(const JournalDirectory&) = delete;
  std::string path() const { return path_.string(); }
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (int epoch = 0; epoch < static_cast<int>(kMaxStreams); ++epoch) {
      std::ifstream file(path_ /
                         (epoch == 0 ? "console.jsonl" : fmt::format("console.epoch-{}.jsonl", epoch)));
      for (std::string line; std::getline(file, line);) lines.push_back(line);
    }
    return lines;
  }

 private:
  const std::filesystem::path path_;
};

class WriterRun {
 public:
  WriterRun(const WriterShape& shape, WriterWay way)
      : shape_(shape),
        way_(way),
        ledger_(shape.ring_events, shape.linger, is_punctual(shape)),
        listener_(ledger_),
        network_(make_network(shape, way, ledger_, [this] { listener_.died(); })) {
    if (shape_.journal) directory_.emplace();
  }

  void run() {
    if (!make_writer()) return;
    for (std::size_t i = 0; i < shape_.sessions; ++i) start(i);
    for (std::size_t i = 0; i < shape_.publishers; ++i) publishers_.emplace_back([this, i] { publish(i); });
    for (const Act act : shape_.acts) {
      if (!ledger_.dead()) perform(act);
    }
    if (shape_.yields) std::this_thread::yield();
    if (shape_.join_first) join();
    if (shape_.settle) listener_.wait_settled();
    if (!ledger_.dead()) end();
    join();
    writer_.reset();
    if (ledger_.dead()) network_->let_all_land();
    network_.reset();
    deaths += ledger_.dead() ? 1 : 0;
    sends_cut += ledger_.cut();
    branches_judged += ledger_.branches() + (ledger_.dead() ? 1 : 0);
    appends_stored_before += ledger_.stored_before();
  }

 private:
  bool make_writer() {
    writer::ProducerOptions producer;
    producer.linger = shape_.linger;
    producer.max_batch_records = shape_.batch_records;
    producer.max_in_flight_records = shape_.in_flight_records;
    producer.epoch_token = "epoch-0";
    writer::WriterOptions options;
    options.ring.events = static_cast<std::int64_t>(shape_.ring_events);
    options.batch_records = shape_.batch_records;
    options.new_epoch = [n = 0]() mutable { return fmt::format("epoch-{}", ++n); };
    if (directory_) options.journal_dir = directory_->path();
    auto made = writer::Writer::make(
        options, [&](writer::ProducerListener& listener) { return network_->producers(producer, listener); },
        listener_, [](std::string_view) {});
    if (!made) {
      sim::fail("setup: " + made.error());
      return false;
    }
    writer_ = std::move(*made);
    return true;
  }

  void start(std::size_t stream) {
    if (sim::tracing()) sim::note("starts " + stream_name(stream));
    if (const auto started = writer_->start(stream_name(stream)); !started)
      return sim::fail("I7 false_failure: a session could not be started: " + started.error());
    ledger_.session_starts(stream);
    active_ |= 1U << stream;
  }

  void publish(std::size_t publisher) {
    sim::name_thread(fmt::format("publisher{}", publisher + 1));
    for (std::uint64_t i = 0; i < shape_.events && !ledger_.dead(); ++i) {
      if (shape_.between.count() > 0) std::this_thread::sleep_for(shape_.between);
      const std::size_t now = identity_,
                        stream = now != kMaxStreams ? now : (publisher + i) % shape_.sessions;
      publish_one(stream, shape_.big_event && publisher == 0 && i == 0,
                  shape_.unstorable_event && publisher == 0 && i + 1 == shape_.events);
    }
  }

  void publish_one(std::size_t stream, bool big, bool unstorable) {
    const std::uint64_t n = ledger_.offered({stream, unstorable});
    writer::Event event;
    event.type = "console_log";
    event.source.metadata_json = fmt::format(R"({{"n":{}}})", n);
    event.data_json = "1";
    // Long addresses: nothing has to be parsed for them.
    if (big)
      event.url = std::string(writer::kMaxEnvelopeBytes - 10'000, 'x'),
      event.data_json = '"' + std::string(60'000, 'x') + '"';
    if (unstorable) event.url = std::string(wire::kMaxBatchMeteredBytes, 'x');
    const auto published = writer_->publish(stream_name(stream), event);
    if (published) {
      ledger_.accepted(n, published->seq);
      ++events_accepted;
    } else {
      ledger_.rejected(n);
    }
  }

  void perform(Act act) {
    switch (act) {
      case Act::flush: {
        sim::note("asks for a flush");
        const std::uint64_t began = ledger_.accepted_so_far();
        const Stopwatch watch;
        const writer::FlushAnswer answer = writer_->flush(Clock::now() + shape_.budget);
        ledger_.flush_answered(began, answer);
        if (!answer.flushed && nothing_is_slow())
          sim::fail("I6 false_failure: a flush failed, and nothing was slow");
        judge_time("I6", "a flush", watch);
        return;
      }
      case Act::restart: {
        if (!stop(first())) return;
        start(first());
        publish_one(first(), false, false);
        return;
      }
      case Act::storing_off_and_on:
        store(false);
        publish_one(first(), false, false);
        store(true);
        publish_one(first(), false, false);
        return;
      case Act::storing_off:
        store(false);
        publish_one(first(), false, false);
        return;
      case Act::pause:
        std::this_thread::sleep_for(milliseconds(1) * sim::choose(300));
        return;
      case Act::inherit:
      case Act::leave:
        identify(act == Act::inherit);
        return;
      case Act::astray:
        if (identity_ != kMaxStreams || shape_.sessions == kMaxStreams) return;
        publish_one(shape_.sessions, false, false);
        if (writer_->end(stream_name(shape_.sessions), Clock::now() + shape_.budget))
          sim::fail("I9 wrong_stream: a session that never began was ended");
        return;
    }
  }

  // The session that is active in any case.
  std::size_t first() const { return identity_ == kMaxStreams ? 0 : identity_.load(); }

  // Goes on as the next session that nobody had, as long as there is one.
  void identify(bool inherit) {
    const std::size_t next = identity_ == kMaxStreams ? shape_.sessions : identity_ + 1;
    if (next >= kMaxStreams) return;
    if (sim::tracing())
      sim::note("goes on as " + stream_name(next) + (inherit ? ", inherits" : ", leaves all"));
    const Stopwatch watch;
    ledger_.session_starts(next);
    identity_ = next;  // what is published from now on is held, or the old session's last
    const auto identified =
        writer_->identify({.session = stream_name(next), .stream = {}, .inherit = inherit});
    if (!identified)
      return sim::fail("I7 false_failure: an identity could not be taken: " + identified.error());
    ended_ &= inherit ? ~active_ : 0;  // no marker where the identity ended the session, or all was left
    active_ = 1U << next;
    if (!inherit) ledger_.left(next, identified->after, way_ == WriterWay::direct);
    judge_time("I8", "a change of identity", watch);
  }

  void store(bool on) {
    ledger_.storing_changes(on);
    if (const auto set = writer_->set_storing(on); !set)
      sim::fail("I7 false_failure: storing cannot be switched: " + set.error());
    ledger_.storing_changed();
    storing_ = on;
  }

  milliseconds time_for_an_end() const { return shape_.no_time ? milliseconds(0) : shape_.budget; }

  bool stop(std::size_t stream) {
    const auto deadline = Clock::now() + time_for_an_end();
    if (sim::tracing()) sim::note("stops " + stream_name(stream));
    ledger_.may_set_markers(1);
    const std::uint64_t began = ledger_.accepted_so_far();
    const Stopwatch watch;
    const auto end = writer_->end(stream_name(stream), deadline);
    if (!end) return false;
    active_ &= ~(1U << stream);
    if (storing_) ended_ |= 1U << stream;
    const writer::Stopped stopped = writer_->await_end(*end, deadline);
    ledger_.stopped(began, stream, stopped);
    if (!stopped.complete && !shape_.no_time && nothing_is_slow())
      sim::fail("I7 false_failure: a stop is said to be incomplete, and nothing was slow");
    judge_time("I8", "a stop", watch);
    return true;
  }

  void end() {
    if (shape_.teardown == Teardown::destroy) {
      sim::note("the writer is destroyed");
      ledger_.may_set_markers(kMaxStreams);
      // Nothing is promised but that it ends, and that what is said is true.
      join();
      writer_.reset();
      return;
    }
    if (shape_.teardown == Teardown::stop_then_shutdown) {
      for (std::size_t i = 0; i < kMaxStreams; ++i) {
        if ((active_ >> i & 1U) != 0) stop(i);
      }
    }
    const std::uint32_t active = active_;
    ledger_.may_set_markers(kMaxStreams);
    const std::uint64_t attempts = network_->attempts(), given_up = ledger_.given_up();
    const auto began = sim::now();
    sim::note("the shutdown begins");
    const Stopwatch watch;
    const writer::ShutdownReport report =
        writer_->shutdown(time_for_an_end(), [](writer::Deadline) { return true; });
    const auto whole = sim::now() - began;
    if (ledger_.dead()) return;
    judge_time("I8", "the shutdown", watch);
    // One that is too big for S2 is given up whenever its turn comes; a slow service is waited for.
    if (unhurried() && shape_.latency * 2 < shape_.budget && !shape_.no_time && !shape_.unstorable_event &&
        !loses_an_append(shape_) && ledger_.given_up() > given_up && network_->attempts() == attempts)
      sim::fail("I4 lost: events were given up at the shutdown without one more attempt");
    join();
    if (storing_) ended_ |= active;
    if (ledger_.dead()) return;
    const bool light = unhurried() && (is_light(shape_) || is_slow_in_time(shape_));
    ledger_.judge_end(
        {.time_left = !shape_.no_time && !loses_an_append(shape_) && (light || had_time_left(report, whole)),
         .unsaved = report.unsaved,
         .ended = storing_ ? ended_ : 0});
    const bool files_done = std::all_of(report.steps.begin(), report.steps.end(), [](const auto& outcome) {
      return outcome.step != writer::ShutdownStep::files || outcome.done;
    });
    if (directory_ && files_done && shape_.ring_events == kRoomyRing)
      ledger_.judge_journal(directory_->lines());
  }

  // Then a flush and a stop have every reason to succeed.
  bool nothing_is_slow() const {
    return !ledger_.dead() && is_punctual(shape_) && unhurried() && !shape_.unstorable_event;
  }

  // By its deadline in any case; at once where nothing is slow.
  void judge_time(const char* invariant, const char* what, const Stopwatch& watch) const {
    if (ledger_.dead()) return;
    const bool at_once = is_punctual(shape_) && unhurried();
    if (watch.elapsed() > (at_once ? milliseconds(kPunctual) : shape_.budget + kTooLate))
      sim::fail(fmt::format("{} late: {} took {} ms of {} ms{}", invariant, what, watch.elapsed_ms().count(),
                            shape_.budget.count(), at_once ? ", and nothing was slow" : ""));
  }

  // Whether no step can have met its deadline: then nothing excuses what was given up. A drain goes on while
  // the acks are awaited.
  bool had_time_left(const writer::ShutdownReport& report, std::chrono::nanoseconds whole) const {
    auto spent = std::chrono::duration_cast<milliseconds>(whole) + milliseconds(1);  // between the steps
    for (const writer::ShutdownOutcome& step : report.steps) spent -= step.took;
    for (std::size_t i = 0; i < report.steps.size(); ++i) {
      spent += report.steps[i].took;
      const writer::ShutdownRow& row = writer::kShutdownTable[i];
      const auto through =
          row.step == writer::ShutdownStep::drain ? writer::ShutdownStep::await_acks : row.step;
      if (row.budget != 0 && spent >= shape_.budget * share_through(through) / 1000) return false;
    }
    return true;
  }

  void join() {
    for (std::thread& publisher : publishers_) publisher.join();
    publishers_.clear();
  }

  const WriterShape shape_;
  const WriterWay way_;
  WriterLedger ledger_;
  Listener listener_;
  std::optional<JournalDirectory> directory_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<writer::Writer> writer_;
  std::uint32_t active_ = 0, ended_ = 0;            // sessions, a bit each
  std::atomic<std::size_t> identity_{kMaxStreams};  // the session that all go on with; none yet
  bool storing_ = true;
  std::vector<std::thread> publishers_;
};

}  // namespace

void run_writer(const WriterShape& shape, WriterWay way) {
  WriterRun(shape, way).run();
}

void run_writer(const WriterLimits& limits) {
  run_writer(draw_shape(limits), limits.way);
}

sim::WorldOptions writer_world(sim::Chooser& chooser) {
  return {.chooser = chooser, .max_points = kMostPoints, .spurious_wakeups = kMostSpurious};
}

sim::WorldOptions still_world(sim::Chooser& chooser) {
  return {.chooser = chooser, .max_points = kMostPoints, .clock_step = std::chrono::nanoseconds(0)};
}

sim::WorldOptions writer_http2_world(sim::Chooser& chooser) {
  return {.chooser = chooser, .max_points = kMostPointsOfBytes, .spurious_wakeups = kMostSpurious};
}

WriterCounts writer_counts() {
  return {branches_judged, sends_cut, events_accepted, appends_stored_before, deaths};
}

}  // namespace s2::fuzz
