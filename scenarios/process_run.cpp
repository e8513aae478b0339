// See process_run.h: the workload, played against the writer.
#include "scenarios/process_run.h"

#include <algorithm>

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr auto kAnswerWithin = 5s;  // `started`, `stopped`
constexpr auto kFlushSlack = 1000ms;
constexpr auto kSwitchWithin = 300ms;  // a writer that knows no switch, or no second stop, says nothing
constexpr auto kAckWithin = 300ms;     // for an event that follows an acknowledgement
constexpr auto kNap = 2ms;             // the longest sleep between two looks at the writer

}  // namespace

bool ProcessRun::over() const {
  return cancelled_.load() || child_->ended() || driver_->output_ended();
}

std::size_t ProcessRun::step_at(std::uint64_t percent) const {
  return std::max<std::size_t>(1, steps_.size() * percent / 100);
}

void ProcessRun::play_until(std::size_t end) {
  for (; next_step_ < std::min(end, steps_.size()); ++next_step_) {
    const Step& step = steps_[next_step_];
    if (played_since_) {
      const auto due = *played_since_ + paused_for_ + std::chrono::microseconds(step.at_us);
      for (auto now = Clock::now(); now < due; now = Clock::now()) {
        if (over()) return;
        std::this_thread::sleep_for(std::min<Clock::duration>(due - now, kNap));
      }
    }
    if (over()) return;
    play_step(step);
  }
}

void ProcessRun::play_step(const Step& step) {
  const auto now = Clock::now();
  switch (step.kind) {
    case Step::Kind::start:
      session_ = step.session;
      driver_->start(step.session);
      ++starts_;
      if (step.waits) driver_->wait_for(Statement::Kind::started, starts_, now + kAnswerWithin);
      if (!played_since_) played_since_ = Clock::now();
      break;
    case Step::Kind::publish:
      publish(step);
      break;
    case Step::Kind::await_ack:
      seen_.wait_acked(driver_->sent(), now + kAckWithin);
      break;
    case Step::Kind::flush:
      driver_->flush(step.session, kFlushDeadline.count());
      driver_->wait_any_of({Statement::Kind::flushed, Statement::Kind::flush_failed}, ++flushes_,
                           now + kFlushDeadline + kFlushSlack);
      break;
    case Step::Kind::stop:
      driver_->wait_for(Statement::Kind::stopped, stops_, now + kAnswerWithin);  // one at a time
      driver_->stop(step.session,
                    std::chrono::duration_cast<std::chrono::milliseconds>(kAnswerWithin).count());
      ++stops_;
      if (step.waits) driver_->wait_for(Statement::Kind::stopped, stops_, now + kAnswerWithin);
      break;
    case Step::Kind::stop_again:
      driver_->stop_again(step.session,
                          std::chrono::duration_cast<std::chrono::milliseconds>(kAnswerWithin).count());
      if (driver_->wait_for(Statement::Kind::stopped, stops_ + 1, now + kSwitchWithin)) ++stops_;
      break;
    case Step::Kind::storage:
      driver_->wait_answered(now + kAnswerWithin);
      driver_->storage(step.on);
      driver_->wait_for(Statement::Kind::storage, ++switches_, now + kSwitchWithin);
      break;
  }
}

void ProcessRun::publish(const Step& step) {
  driver_->publish(step.session, step.publisher, step.shape, Clock::now() + kPublishWithin);
}

void ProcessRun::publish_filler(std::chrono::microseconds pause) {
  publish(filler_step(drawn_.workloads[0], session_, filler_prng_));
  std::this_thread::sleep_for(pause);
}

void ProcessRun::keep_publishing(Clock::time_point until) {
  while (next_step_ < steps_.size() && !over() && Clock::now() < until) play_until(next_step_ + 1);
  while (!over() && Clock::now() < until) publish_filler(1ms);
}

}  // namespace s2::scenarios
