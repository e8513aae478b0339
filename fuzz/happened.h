// What has happened in an execution, as a number that is the same for all orders in which the same happened:
// steps of which each follows the same steps (happens-before, by Mazurkiewicz' traces). Two prefixes with one
// digest have led to one state of the program, whose memory is guarded by what sim::Chooser::touches() tells.
//
// A step is what one thread does between two of its points. It follows the step before it of its thread, the
// last steps that touched what it touches, and, when it touches everything, all steps. Threads are known by
// the step that made them and objects by the steps that touched them, never by number: numbers depend on the
// order. 64 bits: among a hundred million states two differing ones share a digest with a probability of
// 0.03 %.
//
// Belongs to one strategy; its calls come in the order of the execution.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "sim/world.h"

namespace s2::fuzz {

// What a step touched.
struct Effect {
  bool everything = false;
  bool seen = false;  // by an observer, whatever the order
  std::vector<std::uint32_t> objects = {};
  bool nothing() const { return !everything && !seen && objects.empty(); }
};

class Happened {
 public:
  void begin();
  // At a point where somebody is chosen: the running step has ended.
  void arrive(const sim::Choices& choices);
  // It begins: what was chosen there.
  void leave(const sim::Choice& choice);
  // Meanwhile: what it touches, and which waiter a notification of it reaches.
  void touches(std::uint32_t object);
  void wakes(const sim::Standing& waiter);

  // Of the state at a point, or in the middle of a step whose notification has to reach somebody. `here`
  // counts only where it can go on: another choice is a preemption then.
  std::uint64_t digest(const sim::Choices& choices) const;
  std::uint64_t steps() const { return sum_; }  // of the steps alone: at the end, of the execution's class
  const Effect& effect() const { return effect_; }  // of the last step, from arrive() to leave()

 private:
  std::uint64_t& last_of(std::uint32_t object);
  void end_step();

  static constexpr std::uint32_t kNobody = 0xFFFF'FFFF;  // a timer, a signal, a spurious wake-up

  std::uint64_t sum_ = 0;      // of all steps
  std::uint64_t barrier_ = 0;  // the last step that touched everything
  std::uint64_t last_ = 0;     // the step that ended last: it made the threads that are new
  std::uint64_t running_ = 0;  // what the running step is made of so far
  std::uint32_t thread_ = 0;   // whose it is
  bool in_step_ = false;
  Effect effect_;                              // of the running step, or of the last one
  std::vector<std::uint64_t> threads_;         // last step, by thread
  std::vector<std::uint64_t> objects_, ends_;  // by object; by thread that has ended
  std::uint64_t time_ = 0;
  std::array<std::uint64_t, sim::kUnguardedParts + 1> unguarded_{};
};

}  // namespace s2::fuzz
