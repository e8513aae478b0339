// See process_run.h: the classes of teardown, each as a script of what the harness does to the writer, the
// network and the service.
#include <fmt/format.h>

#include "scenarios/clock.h"
#include "scenarios/fault_plan.h"
#include "scenarios/process_run.h"
#include "scenarios/quantity.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr auto kKillFiresWithin = 5s;   // an armed instant; the publishers go on meanwhile
constexpr auto kNextAnswerWithin = 2s;  // of what was published: the next one, while the writer reads on
constexpr auto kFaultsFireWithin = 5s;  // where the end waits for them
constexpr auto kFaultsLookedAtEvery = 5ms;
constexpr auto kLastFlushSlack = 2000ms;
constexpr auto kDiesWithin = 500ms;  // a process that has closed its output
constexpr auto kPublishesOnAfterStop = 50ms;
constexpr int kAskedOfAZombie = 12;  // events

microseconds us(const Range& fixed) {
  return microseconds(fixed.lo);
}

}  // namespace

EndBy ProcessRun::end_or(EndBy usual) const {
  return drawn_.teardown.ends.empty() ? usual : drawn_.teardown.ends[0];
}

// The publishers of this workload go on while the end is asked for.
bool ProcessRun::goes_on() const {
  return drawn_.workloads[0].kind == WorkloadKind::through_shutdown;
}

void ProcessRun::tear_down() {
  const std::size_t at = step_at(drawn_.teardown.at.lo);
  switch (drawn_.teardown.kind) {
    case Teardown::stop:
    case Teardown::term:
    case Teardown::term_short:
      play_until(at);
      if (drawn_.teardown.once_faulted) await_faults();
      end_gracefully(drawn_.teardown.kind == Teardown::stop ? end_or(EndBy::stop) : EndBy::term);
      break;
    case Teardown::kill:
      kill_in_time();
      break;
    case Teardown::flush_then_kill:
      flush_then_kill();
      break;
    case Teardown::cut_heal:
      cut_and_heal();
      break;
    case Teardown::cut_kill:
      cut_and_end();
      break;
    case Teardown::server_drain:
      drain_service();
      break;
    case Teardown::overflow:
      overflow();
      break;
    case Teardown::pause:
      pause();
      break;
    case Teardown::respawn:
      respawn();
      break;
    case Teardown::zombie:
      zombie();
      break;
    case Teardown::browser_delete:
      delete_browser();
      break;
    case Teardown::fork:
      fork();
      break;
  }
}

// The session's end gets what the writer takes for its own: the whole of it must not be spent there.
std::chrono::milliseconds ProcessRun::stop_deadline() const {
  const Range& grace = drawn_.teardown.grace;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      us(drawn_.config.shutdown_budget.value_or(grace)));
}

// Asks for the end and gives it the scenario's grace; then SIGKILL.
void ProcessRun::end_gracefully(EndBy how) {
  // A writer that crashes closes its output first. Asking it for its end then would make the crash look asked
  // for.
  if (driver_->output_ended() && child_->wait_until(Clock::now() + kDiesWithin)) return;
  if (how == EndBy::kill) return kill_now("at the end");
  const auto grace = us(drawn_.teardown.grace);
  switch (how) {
    case EndBy::stop:
      driver_->stop(session_, stop_deadline().count());
      if (goes_on()) keep_publishing(Clock::now() + kPublishesOnAfterStop);
      await_read();
      driver_->wait_for(Statement::Kind::stopped, ++stops_, Clock::now() + grace);
      driver_->close_input();  // a request of its own, with a grace of its own
      break;
    case EndBy::term:
      if (!goes_on()) await_read();
      child_->term();
      if (goes_on()) {
        const auto deadline = Clock::now() + grace;
        keep_publishing(deadline);
        return kill_if_alive(deadline);
      }
      break;
    case EndBy::end_of_input:
    case EndBy::kill:
      driver_->close_input();
      await_read();
      break;
  }
  kill_if_alive(Clock::now() + grace);
}

// A stop and the end of its input reach a writer behind what was published before: their grace begins when it
// has answered that, however slow the machine, as long as it goes on answering (kReadsWithinNs at most).
void ProcessRun::await_read() {
  const auto bound = Clock::now() + std::chrono::nanoseconds(kReadsWithinNs);
  while (!over() && Clock::now() < bound) {
    const std::uint64_t left = driver_->unanswered();
    if (driver_->wait_answered(std::min(bound, Clock::now() + kNextAnswerWithin))) return;
    if (driver_->unanswered() >= left) return;  // it answers no more
  }
}

void ProcessRun::kill_if_alive(Clock::time_point deadline) {
  while (!child_->wait_until(std::min(deadline, Clock::now() + 50ms))) {
    if (Clock::now() < deadline && !cancelled_.load()) continue;
    const bool planned =
        drawn_.teardown.kind == Teardown::term_short || drawn_.teardown.kind == Teardown::cut_kill;
    if (planned) {
      kill_now("grace " + print_duration(us(drawn_.teardown.grace)));
    } else {
      child_->kill_and_reap();
    }
    return;
  }
}

void ProcessRun::kill_now(const std::string& instant) {
  const std::int64_t t_ns = now_ns();
  const bool was_alive = child_->kill_and_reap();
  const std::lock_guard lock(kill_mutex_);
  ledger_.kill.instant = instant;
  ledger_.kill.fired = was_alive;
  ledger_.kill.t_ns = t_ns;
}

void ProcessRun::kill_after(microseconds delay, const std::string& instant) {
  killer_ = std::jthread([this, delay, instant](const std::stop_token& stop) {
    const auto due = Clock::now() + delay;
    while (Clock::now() < due) {
      if (stop.stop_requested() || cancelled_.load()) return;
      std::this_thread::sleep_for(std::min<Clock::duration>(due - Clock::now(), 2ms));
    }
    kill_now(instant);
  });
}

void ProcessRun::kill_in_time() {
  const Instant instant = *instant_of(drawn_);
  if (instant.kind == InstantKind::wall) {
    play_until(1);  // the session is there; time counts from here
    kill_after(microseconds(instant.value), print(instant));
  }
  keep_publishing(Clock::now() + kKillFiresWithin);
  if (killer_.joinable()) killer_.join();
  if (protocol_time(instant.kind)) {
    const std::lock_guard lock(kill_mutex_);
    ledger_.kill = {print(instant), true, seen_.fired(), seen_.fired_ns()};
  }
}

// The handshake is a flush, or a stop: a VM goes away as soon as either is answered.
void ProcessRun::flush_then_kill() {
  play_until(step_at(drawn_.teardown.at.lo));
  if (end_or(EndBy::kill) == EndBy::stop) {
    driver_->stop(session_, stop_deadline().count());
    await_read();
    driver_->wait_for(Statement::Kind::stopped, ++stops_, Clock::now() + stop_deadline() + kLastFlushSlack);
    return kill_now("after the stop");
  }
  driver_->flush(session_, kFlushDeadline.count());
  const auto answered = [&](Clock::time_point deadline) {
    return driver_->wait_any_of({Statement::Kind::flushed, Statement::Kind::flush_failed}, flushes_ + 1,
                                deadline);
  };
  // Publishers do not wait for a flush.
  const auto deadline = Clock::now() + kFlushDeadline + kLastFlushSlack;
  while (next_step_ < steps_.size() && !answered(Clock::now()) && !over()) play_until(next_step_ + 1);
  while (!answered(std::min(deadline, Clock::now() + 50ms)) && !over() && Clock::now() < deadline) {
  }
  ++flushes_;
  if (drawn_.teardown.wall.lo == 0) return kill_now("after the flush");
  kill_after(us(drawn_.teardown.wall),
             "wall " + print_duration(us(drawn_.teardown.wall)) + " after the flush");
  keep_publishing(Clock::now() + kKillFiresWithin);
  killer_.join();
}

void ProcessRun::cut_network() {
  const CutHow how = drawn_.teardown.cuts[0];
  if (how == CutHow::refused) {  // every outcome is told
    ledger_.faults.push_back({"token refused", false, now_ns(), -1});
    return service_->set_faults(refused_token_plan());
  }
  ledger_.faults.push_back({fmt::format("network cut ({})", name(how)), true, now_ns(), -1});
  if (!network_) {
    return service_->cut(how == CutHow::reset ? emulator::CutKind::reset : emulator::CutKind::silent);
  }
  if (auto done = network_->cut(); !done) ledger_.invalid = done.error();
}

void ProcessRun::heal_network() {
  if (drawn_.teardown.cuts[0] == CutHow::refused) {
    service_->set_faults("[]");
  } else if (!network_) {
    service_->heal();
  } else if (auto done = network_->heal(); !done) {
    ledger_.invalid = done.error();
  }
  ledger_.faults.back().end_ns = now_ns();
}

void ProcessRun::cut_and_heal() {
  play_until(step_at(drawn_.teardown.at.lo));
  cut_network();
  const auto heals = Clock::now() + us(drawn_.teardown.lasts);
  while (next_step_ < steps_.size() && Clock::now() < heals && !over()) play_until(next_step_ + 1);
  while (Clock::now() < heals && !over())
    std::this_thread::sleep_for(std::min<Clock::duration>(heals - Clock::now(), 5ms));
  heal_network();
  play_until(steps_.size());
  await_stored();
  end_gracefully(end_or(EndBy::stop));
}

void ProcessRun::cut_and_end() {
  play_until(step_at(drawn_.teardown.at.lo));
  cut_network();
  ledger_.faults_ended = false;
  const auto until = Clock::now() + us(drawn_.teardown.lasts);
  while (next_step_ < steps_.size() && Clock::now() < until && !over()) play_until(next_step_ + 1);
  while (Clock::now() < until && !over()) publish_filler(5ms);
  end_gracefully(end_or(EndBy::kill));
}

// S2 restarts; or, where the scenario has faults, answers with errors for a while.
void ProcessRun::drain_service() {
  play_until(step_at(drawn_.teardown.at.lo));
  if (drawn_.teardown.lasts.lo > 0) {
    const std::int64_t begin = now_ns();
    const auto downtime = std::chrono::duration_cast<std::chrono::milliseconds>(us(drawn_.teardown.lasts));
    service_->drain(downtime);
    ledger_.faults.push_back(
        {"server drain", true, begin, begin + std::chrono::nanoseconds(downtime).count()});
  }
  play_until(steps_.size());
  await_stored();
  end_gracefully(end_or(EndBy::stop));
}

void ProcessRun::overflow() {
  play_until(steps_.size());
  driver_->wait_answered(Clock::now() + kNextAnswerWithin);
  end_gracefully(end_or(EndBy::stop));
}

void ProcessRun::pause() {
  play_until(step_at(drawn_.teardown.at.lo));
  const auto began = Clock::now();
  child_->pause();
  std::this_thread::sleep_for(us(drawn_.teardown.lasts));
  child_->resume();
  paused_for_ += Clock::now() - began;
  play_until(steps_.size());
  await_stored();
  end_gracefully(end_or(EndBy::stop));
}

// The process dies, its host lives: another takes over the session.
void ProcessRun::respawn() {
  play_until(step_at(drawn_.teardown.at.lo));
  std::this_thread::sleep_for(us(drawn_.teardown.wall));
  child_->kill_and_reap();
  if (!succeed()) return;
  play_until(steps_.size());
  await_stored();
  end_gracefully(end_or(EndBy::stop));
}

// Paused, succeeded, and resumed when the successor has stored something: two processes, one session. The
// older one is asked for more, and to end.
void ProcessRun::zombie() {
  play_until(step_at(drawn_.teardown.at.lo));
  child_->pause();
  if (!succeed()) return;
  const std::string session = session_;
  Life& old = earlier_.back();
  publish_filler(0us);
  await_stored();
  std::this_thread::sleep_for(us(drawn_.teardown.wall));
  old.child->resume();
  for (int i = 0; i < kAskedOfAZombie && !over(); ++i) {
    const Step step = filler_step(drawn_.workloads[0], session, filler_prng_);
    old.driver->publish(session, step.publisher, step.shape, Clock::now() + kNextAnswerWithin);
    if (next_step_ < steps_.size()) play_until(next_step_ + 1);
  }
  play_until(steps_.size());
  await_stored();
  old.driver->close_input();
  if (!old.child->wait_until(Clock::now() + us(drawn_.teardown.grace))) old.child->kill_and_reap();
  end_gracefully(end_or(EndBy::stop));
}

// TeardownSpec::once_faulted. A grace that is short by the clock would be over before a slow machine has made
// a writer send its first append.
void ProcessRun::await_faults() {
  const auto bound = Clock::now() + kFaultsFireWithin;
  while (!over() && Clock::now() < bound) {
    if (fired_faults(drawn_.faults, service_->faults()).missing.empty()) return;
    if (goes_on()) {
      keep_publishing(std::min(bound, Clock::now() + kFaultsLookedAtEvery));
      continue;
    }
    const bool answered = driver_->wait_answered(Clock::now() + kFaultsLookedAtEvery);
    if (answered && seen_.wait_committed(to_be_stored(), Clock::now() + kFaultsLookedAtEvery)) return;
  }
}

std::vector<std::uint64_t> ProcessRun::to_be_stored() const {
  std::vector<std::uint64_t> accepted;
  for (const Publication& made : driver_->publications()) {
    if (made.acceptance == Acceptance::accepted && made.storage_on) accepted.push_back(made.n);
  }
  return accepted;
}

void ProcessRun::await_stored() {
  const auto deadline = Clock::now() + us(drawn_.heal_bound);
  driver_->wait_answered(std::min(deadline, Clock::now() + kNextAnswerWithin));
  const std::vector<std::uint64_t> accepted = to_be_stored();
  while (!seen_.wait_committed(accepted, std::min(deadline, Clock::now() + 100ms))) {
    if (over() || Clock::now() >= deadline) return;
  }
}

}  // namespace s2::scenarios
