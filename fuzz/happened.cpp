// The digest of what has happened; see happened.h.
#include "fuzz/happened.h"

#include <algorithm>

#include "fuzz/prng.h"

namespace s2::fuzz {
namespace {

// Steps that begin at such a point touch what the world tells of them, or the object that they stand at.
bool is_told(sim::Kind kind) {
  switch (kind) {
    case sim::Kind::start:
    case sim::Kind::lock:
    case sim::Kind::trylock:
    case sim::Kind::unlocked:
    case sim::Kind::rw_unlocked:
    case sim::Kind::wait:
    case sim::Kind::notify_one:
    case sim::Kind::notify_all:
    case sim::Kind::notified:
    case sim::Kind::posted:
    case sim::Kind::create:
    case sim::Kind::created:
    case sim::Kind::join:
    case sim::Kind::sleep:
    case sim::Kind::clock:
    case sim::Kind::random:
    case sim::Kind::exit:
      return true;
    default:
      return false;
  }
}

std::uint64_t joined(std::uint64_t digest, std::uint64_t part) {
  return mixed(digest ^ (part + 0x9E3779B97F4A7C15ULL));
}

}  // namespace

void Happened::begin() {
  sum_ = barrier_ = last_ = 0;
  threads_.assign(1, 1);
  objects_.clear();
  ends_.clear();
  time_ = 0;
  unguarded_ = {};
  thread_ = 0;
  running_ = 1;
  effect_.everything = effect_.seen = false;
  effect_.objects.clear();
  in_step_ = true;
}

std::uint64_t& Happened::last_of(std::uint32_t object) {
  if (object == sim::kTouchesTime) return time_;
  if (object >= sim::kTouchesUnguarded) return unguarded_.at(object - sim::kTouchesUnguarded);
  const bool thread = object >= sim::kTouchesThread;
  auto& all = thread ? ends_ : objects_;
  const std::uint32_t index = thread ? object - sim::kTouchesThread : object;
  if (index >= all.size()) all.resize(index + std::size_t{1});
  return all[index];
}

void Happened::touches(std::uint32_t object) {
  if (object == sim::kTouchesEverything) {
    effect_.everything = true;
    return;
  }
  if (object == sim::kTouchesUnguarded) {
    effect_.seen = true;
    return;
  }
  auto& objects = effect_.objects;
  if (std::find(objects.begin(), objects.end(), object) != objects.end()) return;
  objects.push_back(object);
  running_ = joined(running_, last_of(object));
}

void Happened::wakes(const sim::Standing& waiter) {
  running_ = joined(running_, threads_[waiter.thread]);
}

void Happened::end_step() {
  in_step_ = false;
  const std::uint64_t step = joined(running_, effect_.everything ? sum_ : barrier_);
  sum_ += step;
  last_ = step;
  if (effect_.everything) barrier_ = step;
  for (const std::uint32_t object : effect_.objects) last_of(object) = step;
  if (thread_ != kNobody) threads_[thread_] = step;
}

void Happened::arrive(const sim::Choices& choices) {
  if (!in_step_) return;
  const sim::Kind kind = choices.here().kind;
  if (kind == sim::Kind::rw_unlocked || kind == sim::Kind::posted) effect_.everything = true;
  end_step();
  std::uint64_t born = 0;
  for (std::size_t i = 0; i < choices.threads(); ++i) {
    while (choices[i].standing.thread >= threads_.size()) threads_.push_back(joined(last_, ++born));
  }
}

void Happened::leave(const sim::Choice& choice) {
  in_step_ = true;
  effect_.seen = false;
  effect_.objects.clear();
  if (choice.source != sim::Source::thread) {
    thread_ = kNobody;
    running_ = joined(static_cast<std::uint64_t>(choice.source), 0);
    effect_.everything = true;
    if (choice.source == sim::Source::spurious) running_ = joined(running_, threads_[choice.standing.thread]);
    return;
  }
  thread_ = choice.standing.thread;
  effect_.everything = false;
  running_ = joined(threads_[thread_], static_cast<std::uint64_t>(choice.standing.kind));
  const sim::Kind kind = choice.standing.kind;
  if (kind == sim::Kind::atomic || kind == sim::Kind::user)
    touches(choice.standing.object);
  else
    effect_.everything = !is_told(kind);
}

std::uint64_t Happened::digest(const sim::Choices& choices) const {
  if (choices.purpose() == sim::Choices::Purpose::wake) return joined(sum_, running_);
  if (choices.last() == sim::Choices::kNone && !choices.yields()) return sum_;
  return joined(joined(sum_, threads_[choices.here().thread]), choices.yields());
}

}  // namespace s2::fuzz
