// See process_run.h: class `fork`. The writer is checkpointed while it records (checkpoint.h), and its
// checkpoint restored twice. Each branch is told first thing who it is, one of them that it inherits; each
// publishes events of its own, and ends.
#include <fmt/format.h>

#include "scenarios/clock.h"
#include "scenarios/process_run.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr auto kQuietWithin = 5s;             // the source has answered everything
constexpr auto kSilentWithin = 2s;            // its output ends with it
constexpr auto kIdentifiedWithin = 20s;       // from the start of a restore, on a busy machine
constexpr auto kKnowsItWithin = 2s;           // a process that was not forked
constexpr std::size_t kEventsOfABranch = 10;  // at least

std::string name_of(int epoch) {
  return fmt::format("branch-{}", epoch);
}

}  // namespace

bool ProcessRun::answers_identity() {
  bool answered = false;
  try {
    if (start()) {
      driver_->identify(run_ + "-identity", "", false);
      answered = driver_->wait_for(Statement::Kind::identified, 1, Clock::now() + kKnowsItWithin);
    }
  } catch (const std::exception& error) {
    ledger_.invalid = error.what();
  }
  finish();
  return answered && ledger_.invalid.empty();
}

// What is in the pipes between harness and writer is in no checkpoint: they are empty when it is taken.
std::optional<Checkpoint> ProcessRun::checkpoint_source() {
  auto made = ScratchDirectory::make(Scratch::fork);
  if (!made) {
    ledger_.invalid = made.error();
    return std::nullopt;
  }
  checkpoint_dir_ = std::move(*made);
  auto taken = take_checkpoint(*child_, checkpoint_dir_->path());
  if (!taken) {
    ledger_.invalid = taken.error();
    return std::nullopt;
  }
  driver_->wait_output_end(Clock::now() + kSilentWithin);
  return std::move(*taken);
}

std::optional<ProcessRun::Life> ProcessRun::start_branch(const Checkpoint& checkpoint, int epoch,
                                                         bool inherits) {
  Branch branch;
  branch.epoch = epoch;
  branch.inherits = inherits;
  branch.session = fmt::format("{}-{}", session_, name_of(epoch));
  if (!ledger_.fixed_stream.empty())
    branch.stream = fmt::format("{}-{}", ledger_.fixed_stream, name_of(epoch));
  branch.taken_ns = child_->facts().kill_ns;
  Pipes pipes;
  auto child = restore(checkpoint, name_of(epoch), pipes);
  if (!child) {
    ledger_.invalid = child.error();
    return std::nullopt;
  }
  Life life{std::move(*child), std::make_unique<WriterDriver>(pipes, run_, numbers_)};
  life.driver->identify(branch.session, branch.stream, inherits);
  ledger_.branches.push_back(std::move(branch));
  return life;
}

// False: there was nothing restored. A branch that is there and does not answer is the judge's.
bool ProcessRun::await_identity(const Checkpoint& checkpoint, int epoch, const Life& life) {
  const auto said = {Statement::Kind::identified, Statement::Kind::not_identified};
  if (life.driver->wait_any_of(said, 1, Clock::now() + kIdentifiedWithin)) return true;
  ledger_.invalid = why_not_restored(checkpoint, name_of(epoch));
  return ledger_.invalid.empty();
}

// Both publish the rest of the workload, each in its own session, side by side.
void ProcessRun::play_branches(const std::vector<Life>& branches) {
  const auto publish = [&](const Step& step) {
    for (std::size_t i = 0; i < branches.size(); ++i) {
      branches[i].driver->publish(ledger_.branches[i].session, step.publisher, step.shape,
                                  Clock::now() + kPublishWithin);
    }
  };
  std::size_t published = 0;
  for (; next_step_ < steps_.size() && !cancelled_.load(); ++next_step_) {
    if (steps_[next_step_].kind != Step::Kind::publish) continue;
    publish(steps_[next_step_]);
    ++published;
  }
  for (; published < kEventsOfABranch && !cancelled_.load(); ++published)
    publish(filler_step(drawn_.workloads[0], session_, filler_prng_));
}

void ProcessRun::fork() {
  play_until(step_at(drawn_.teardown.at.lo));
  driver_->wait_answered(Clock::now() + kQuietWithin);
  std::this_thread::sleep_for(std::chrono::microseconds(drawn_.teardown.wall.lo));
  if (over()) return;  // it ended by itself: the judge's
  const auto checkpoint = checkpoint_source();
  if (!checkpoint) return;
  const int heir = Prng::forked(request_.seed, "heir").chance(50) ? 1 : 2;
  std::vector<Life> branches;
  for (const int epoch : {1, 2}) {
    auto life = start_branch(*checkpoint, epoch, epoch == heir);
    if (!life) return;
    branches.push_back(std::move(*life));
  }
  bool all = true;
  for (const int epoch : {1, 2})
    all = await_identity(*checkpoint, epoch, branches[static_cast<std::size_t>(epoch) - 1]) && all;
  if (all) play_branches(branches);
  for (Life& life : branches) {
    earlier_.push_back({std::move(child_), std::move(driver_)});
    child_ = std::move(life.child);
    driver_ = std::move(life.driver);
    session_ = ledger_.branches[earlier_.size() - 1].session;
    starts_ = flushes_ = stops_ = switches_ = 0;
    if (all) end_gracefully(end_or(EndBy::stop));
  }
}

}  // namespace s2::scenarios
