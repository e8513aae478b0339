// Strategies: who goes next, for many executions of one program. One a file; explore.h runs them.
//
// A strategy belongs to one OS thread. Values that the program draws (sim::choose, getrandom) come from a
// seed of their own, the execution's draw seed, so that a schedule and the draws can be kept and changed
// apart.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "fuzz/prng.h"
#include "sim/world.h"

namespace s2::fuzz {

// In one execution of three, one in so many points with a pending timer, signal or spurious wake-up takes it
// although a thread could go on; in another, four times fewer; in the third none, so that time passes only
// when all sleep.
inline constexpr std::uint64_t kRareOneIn = 16;
// So many in one execution: a program that begins anew after each time-out would never come to its end.
inline constexpr unsigned kMostRare = 256;

// In one execution of so many, spurious wake-ups are offered, one or two: who waits in no loop shows itself
// by the first, and each point costs a choice until it has come. Depth first leaves them out: at every point
// every waiter would be one alternative more.
inline constexpr std::uint64_t kSpuriousOneIn = 16;
inline constexpr unsigned kMostSpurious = 2;

class Strategy : public sim::Chooser {
 public:
  virtual const char* name() const = 0;
  // Before an execution. Everything that is chosen in it comes from the seed, and from executions before it.
  virtual void begin(std::uint64_t seed) = 0;
  // After it. False: there is nothing left that this strategy would try.
  virtual bool end(const sim::Execution& execution) = 0;
  // What the program's draws come from; a strategy that walks a tree keeps it the same for all executions.
  virtual std::uint64_t draw_seed() const = 0;
};

// Draws, and what most strategies do with seeds.
class SeededStrategy : public Strategy {
 public:
  void begin(std::uint64_t seed) override {
    draw_seed_ = mixed(seed ^ 0xD4A3);
    draws_ = Prng(draw_seed_);
    random_ = Prng(mixed(seed));
    const std::uint64_t rarity = random_.below(3);
    rare_one_in_ = rarity == 0 ? 0 : kRareOneIn * (rarity * rarity);
    rare_left_ = kMostRare;
    Prng spurious(mixed(seed ^ 0x5B0C));
    spurious_ =
        spurious.one_in(kSpuriousOneIn) ? 1 + static_cast<unsigned>(spurious.below(kMostSpurious)) : 0;
  }
  unsigned spurious_wakeups(unsigned most) override { return std::min(most, spurious_); }
  bool end(const sim::Execution&) override { return true; }
  std::uint64_t draw(std::uint64_t below) override { return draws_.below(below); }
  std::uint64_t draw_seed() const override { return draw_seed_; }

 protected:
  Prng& random() { return random_; }
  bool takes_rare() {
    if (rare_one_in_ == 0 || rare_left_ == 0 || !random_.one_in(rare_one_in_)) return false;
    --rare_left_;
    return true;
  }
  bool ever_takes_rare() const { return rare_one_in_ != 0; }

 private:
  std::uint64_t draw_seed_ = 0;
  Prng draws_;
  Prng random_;
  std::uint64_t rare_one_in_ = kRareOneIn;
  unsigned rare_left_ = kMostRare;
  unsigned spurious_ = 0;
};

std::unique_ptr<Strategy> make_random();  // an even die among the threads
std::unique_ptr<Strategy> make_urw();  // a die weighted by what each thread has still to do, as learnt so far
std::unique_ptr<Strategy> make_pct(unsigned depth);  // priorities, with depth - 1 changes in an execution
std::unique_ptr<Strategy> make_portfolio();          // all of them; who finds new things gets more executions

// Depth first: every schedule with at most `preemptions`, in a tree that the draws of `draw_seed` fix.
struct DfsOptions {
  static constexpr unsigned kNoBound = 1'000'000;
  unsigned preemptions = 2;
  bool rising = false;  // first all with 0, then with 1, ...: the first failure has the fewest
  std::uint64_t draw_seed = 0;
  // Leaves out schedules that lead to a state which was searched with as many preemptions left: those that
  // differ only in the order of steps that do not touch the same. Sound, whatever the bound, for programs
  // whose shared memory is guarded by mutexes, or by atomics that are points, or told by
  // sim::touches_unguarded(). Takes memory for each state.
  bool reduced = false;
};
class Dfs : public Strategy {
 public:
  // With the reduction: states with a choice, and classes of equivalent executions that came to their end.
  virtual std::uint64_t states() const = 0;
  virtual std::uint64_t classes() const = 0;
};
std::unique_ptr<Dfs> make_dfs(const DfsOptions& options);

}  // namespace s2::fuzz
