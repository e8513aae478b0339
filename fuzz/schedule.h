// A schedule as a person would tell it: where it left the default policy, by the names of points. And the
// strategies that keep and repeat schedules.
//
// Values; each belongs to whoever made it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/strategy.h"

namespace s2::fuzz {

// At the point `thread` `kind` #`ordinal` (the `repeat`-th choice there, from 0), not the usual one went, but
// the target: a thread's name, or one of the others.
struct Deviation {
  std::string thread;
  sim::Kind kind = sim::Kind::start;
  std::uint32_t ordinal = 0;
  std::uint32_t repeat = 0;
  sim::Source source = sim::Source::thread;
  std::string target;  // of a thread or spurious wake-up
  bool preempts = false;
  bool operator==(const Deviation&) const = default;
};

struct Schedule {
  std::uint64_t draw_seed = 0;
  std::vector<Deviation> deviations;
  std::size_t preemptions() const;
  bool wakes_for_no_reason() const;  // somewhere: it has a spurious wake-up
  bool operator==(const Schedule&) const = default;
};

// A schedule as one word: printable, without blanks.
std::string text_of(const Schedule& schedule);
// The replay token is that, of at most so many bytes. None if it would be longer.
inline constexpr std::size_t kMostTokenBytes = 200;
std::optional<std::string> token_of(const Schedule& schedule);
// The schedule that such a word says, also a longer one; none, and one line in `error`, if it is not one.
inline constexpr std::size_t kMostScheduleBytes = 1024 * 1024;
std::optional<Schedule> schedule_of(std::string_view token, std::string& error);

// `target[+mutant]/schedule`: a token where it has at most kMostTokenBytes.
std::string replay_text(const std::string& target, const std::string& mutant, const Schedule& schedule);
struct ReplayToken {
  std::string target, mutant;
  Schedule schedule;
};
std::optional<ReplayToken> parse_replay_token(std::string_view text, std::string& error);

// Keeps which index was chosen where, at next to no cost, while a strategy chooses.
class Tape final : public sim::Chooser {
 public:
  explicit Tape(Strategy& strategy) : strategy_(strategy) {}
  void begin(std::uint64_t seed) {
    indices_.clear();
    strategy_.begin(seed);
    every_point_ = strategy_.wants_every_point();
    spurious_ = 0;
  }
  std::size_t choose(const sim::Choices& choices) override {
    const std::size_t index = strategy_.choose(choices);
    if (!every_point_ || choices.size() > 1) indices_.push_back(static_cast<std::uint8_t>(index));
    return index;
  }
  std::uint64_t draw(std::uint64_t below) override { return strategy_.draw(below); }
  bool wants_every_point() const override { return every_point_; }
  void touches(std::uint32_t object) override { strategy_.touches(object); }
  unsigned spurious_wakeups(unsigned most) override { return spurious_ = strategy_.spurious_wakeups(most); }
  const std::vector<std::uint8_t>& indices() const { return indices_; }
  unsigned spurious() const { return spurious_; }  // that were offered in the execution

 private:
  Strategy& strategy_;
  std::vector<std::uint8_t> indices_;
  bool every_point_ = false;
  unsigned spurious_ = 0;
};

// What replaying strategies share: draws from the seed, the names of points, and the deviations that they
// make.
class Replayer : public sim::Chooser {
 public:
  std::uint64_t draw(std::uint64_t below) override { return draws_.below(below); }
  std::size_t choose(const sim::Choices& choices) final;
  // The deviations made so far, by name: what a schedule of this execution is.
  const Schedule& made() const { return made_; }

 protected:
  explicit Replayer(std::uint64_t draw_seed) : draws_(draw_seed) { made_.draw_seed = draw_seed; }
  virtual std::size_t pick(const sim::Choices& choices, std::uint32_t repeat) = 0;

 private:
  Prng draws_;
  Schedule made_;
  std::uint32_t thread_ = 0, ordinal_ = 0, repeat_ = 0;
  sim::Kind kind_ = sim::Kind::exit;
};

// Repeats a tape, index by index; by the default policy after its end.
class TapePlayer final : public Replayer {
 public:
  // As many spurious wake-ups are offered as were when the tape was made: they are counted by the indices.
  TapePlayer(std::vector<std::uint8_t> indices, std::uint64_t draw_seed, unsigned spurious)
      : Replayer(draw_seed), indices_(std::move(indices)), spurious_(spurious) {}
  unsigned spurious_wakeups(unsigned) override { return spurious_; }

 private:
  std::size_t pick(const sim::Choices& choices, std::uint32_t repeat) override;
  std::vector<std::uint8_t> indices_;
  std::size_t next_ = 0;
  unsigned spurious_ = 0;
};

// Follows a schedule: the default policy, and its deviations where the points that they name are met and
// offer what they ask for. Others are passed over, so that a schedule survives changes of the program that do
// not concern it.
class Follower final : public Replayer {
 public:
  explicit Follower(const Schedule& schedule) : Replayer(schedule.draw_seed), schedule_(schedule) {}
  unsigned spurious_wakeups(unsigned most) override;

 private:
  std::size_t pick(const sim::Choices& choices, std::uint32_t repeat) override;
  const Schedule& schedule_;
};

}  // namespace s2::fuzz
