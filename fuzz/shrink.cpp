// Shrinks a failing schedule. See explore.h.
#include <algorithm>
#include <utility>

#include "fuzz/core_clock.h"
#include "fuzz/explore.h"

namespace s2::fuzz {
namespace {

// Deviations, and preemptions among them, above which a schedule counts as long: then one with few changes of
// priority is looked for first.
constexpr std::size_t kLong = 12;
constexpr std::size_t kManyPreemptions = 4;
constexpr unsigned kMostDepth = 5;  // of those changes

// A strategy with the draws of one execution: it varies the order, and nothing that the program draws.
class WithDraws final : public Strategy {
 public:
  WithDraws(std::unique_ptr<Strategy> inner, std::uint64_t draw_seed)
      : inner_(std::move(inner)), draw_seed_(draw_seed), draws_(draw_seed) {}
  const char* name() const override { return inner_->name(); }
  void begin(std::uint64_t seed) override {
    inner_->begin(seed);
    draws_ = Prng(draw_seed_);
  }
  std::size_t choose(const sim::Choices& choices) override { return inner_->choose(choices); }
  bool wants_every_point() const override { return inner_->wants_every_point(); }
  void touches(std::uint32_t object) override { inner_->touches(object); }
  bool end(const sim::Execution& execution) override { return inner_->end(execution); }
  std::uint64_t draw(std::uint64_t below) override { return draws_.below(below); }
  std::uint64_t draw_seed() const override { return draw_seed_; }
  unsigned spurious_wakeups(unsigned most) override { return inner_->spurious_wakeups(most); }

 private:
  const std::unique_ptr<Strategy> inner_;
  const std::uint64_t draw_seed_;
  Prng draws_;
};

class Shrinker {
 public:
  Shrinker(const Failure& failure, const ShrinkOptions& options, const Program& program)
      : options_(options), program_(program), same_(options.same) {
    shrunk_.failure = failure;
    if (!same_) {
      const std::string head = failure.why.substr(0, failure.why.find(':'));
      same_ = [ending = failure.ending, head](const sim::Execution& execution) {
        return execution.ending == ending &&
               (ending != sim::Ending::failed || execution.why.substr(0, execution.why.find(':')) == head);
      };
    }
  }

  Shrunk shrink() {
    restart_clock();
    take_away_all();
    for (unsigned depth = 2; depth <= kMostDepth && is_long(); ++depth) {
      restart_clock();
      search_by_priorities(depth);
      restart_clock();
      take_away_all();
    }
    restart_clock();
    search_fewest();
    restart_clock();
    while (take_away(false)) {
    }
    shrunk_.executions = executions_;
    return std::move(shrunk_);
  }

 private:
  void take_away_all() {
    while (take_away(true)) {
    }
    while (take_away(false)) {
    }
  }
  bool is_long() const {
    const Schedule& schedule = shrunk_.failure.schedule;
    return schedule.deviations.size() > kLong || schedule.preemptions() > kManyPreemptions;
  }
  std::vector<Deviation>& deviations() { return shrunk_.failure.schedule.deviations; }
  void restart_clock() {
    begin_ = CoreClock::now();
    spent_ = 0;
  }
  bool out_of_means() const {
    return spent_ >= options_.max_executions || CoreClock::now() - begin_ >= options_.max_time;
  }

  // Takes the schedule if it fails in the same way.
  bool try_schedule(const Schedule& schedule) {
    ++executions_;
    ++spent_;
    Schedule made;
    const sim::Execution execution = replay(schedule, options_.world, program_, false, &made);
    if (!same_(execution)) return false;
    // What was followed is never more, unless another deviation made it meaningful again.
    if (made.deviations.size() > schedule.deviations.size()) made = schedule;
    keep(execution, made);
    return true;
  }
  void keep(const sim::Execution& execution, const Schedule& schedule) {
    shrunk_.failure.ending = execution.ending;
    shrunk_.failure.why = execution.why;
    shrunk_.failure.trace_hash = execution.trace_hash;
    shrunk_.failure.schedule = schedule;
  }

  // One pass over the deviations, in chunks that halve; from the end, because what follows the failure's
  // cause goes first. With `preemptions_first` only what lowers their number is taken.
  bool take_away(bool preemptions_first) {
    bool any = false;
    for (std::size_t chunk = std::max<std::size_t>(1, deviations().size() / 2); chunk >= 1; chunk /= 2) {
      for (std::size_t end = deviations().size(); end != 0 && !out_of_means();) {
        const std::size_t first = end > chunk ? end - chunk : 0;
        Schedule fewer = shrunk_.failure.schedule;
        fewer.deviations.erase(fewer.deviations.begin() + static_cast<std::ptrdiff_t>(first),
                               fewer.deviations.begin() + static_cast<std::ptrdiff_t>(end));
        const bool matters =
            !preemptions_first || fewer.preemptions() < shrunk_.failure.schedule.preemptions();
        if (matters && try_schedule(fewer)) any = true;
        end = std::min(first, deviations().size());
      }
    }
    return any;
  }

  // Schedules of few changes of priority: the first that fails with fewer preemptions, or as many and fewer
  // deviations, than are left.
  void search_by_priorities(unsigned depth) {
    const std::uint64_t draw_seed = shrunk_.failure.schedule.draw_seed;
    WithDraws strategy(make_pct(depth), draw_seed);
    Tape tape(strategy);
    const sim::WorldOptions world = options_.world(tape);
    for (std::uint64_t seed = 1; !out_of_means(); ++seed) {
      tape.begin(mixed(seed));
      ++executions_;
      ++spent_;
      const sim::Execution execution = sim::run(world, program_);
      strategy.end(execution);
      if (!same_(execution)) continue;
      TapePlayer player(tape.indices(), draw_seed, tape.spurious());
      const sim::Execution again = sim::run(options_.world(player), program_);
      const auto length = [](const Schedule& one) {
        return std::pair(one.preemptions(), one.deviations.size());
      };
      if (!same_(again) || length(player.made()) >= length(shrunk_.failure.schedule)) continue;
      keep(again, player.made());
      return;
    }
  }

  // All schedules with 0, 1, ... preemptions, as far as the means reach.
  void search_fewest() {
    const auto most = static_cast<unsigned>(shrunk_.failure.schedule.preemptions());
    if (most == 0) {
      shrunk_.fewest = true;
      return;
    }
    const auto dfs = make_dfs({.preemptions = most - 1,
                               .rising = true,
                               .draw_seed = shrunk_.failure.schedule.draw_seed,
                               .reduced = options_.guarded});
    Tape tape(*dfs);
    const sim::WorldOptions world = options_.world(tape);
    for (bool more = true; more;) {
      if (out_of_means()) return;
      tape.begin(0);
      ++executions_;
      ++spent_;
      const sim::Execution execution = sim::run(world, program_);
      more = dfs->end(execution);
      if (!same_(execution)) continue;
      TapePlayer player(tape.indices(), shrunk_.failure.schedule.draw_seed, tape.spurious());
      const sim::Execution again = sim::run(options_.world(player), program_);
      keep(again, player.made());
      break;
    }
    // What was tried has no spurious wake-up in it.
    shrunk_.fewest = !shrunk_.failure.schedule.wakes_for_no_reason();
  }

  const ShrinkOptions& options_;
  const Program& program_;
  std::function<bool(const sim::Execution&)> same_;
  Shrunk shrunk_;
  std::uint64_t executions_ = 0, spent_ = 0;
  CoreClock::time_point begin_;
};

}  // namespace

Shrunk shrink(const Failure& failure, const ShrinkOptions& options, const Program& program) {
  return Shrinker(failure, options, program).shrink();
}

}  // namespace s2::fuzz
