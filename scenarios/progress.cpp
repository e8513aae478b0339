// See progress.h.
#include "scenarios/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace s2::scenarios {
namespace {

constexpr auto kRedrawEvery = std::chrono::milliseconds(100);

}  // namespace

Progress::Progress(std::size_t runs)
    : shown_(isatty(STDERR_FILENO) == 1), runs_(runs), began_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::add(Verdict::Outcome outcome) {
  ++done_;
  broken_ += outcome == Verdict::Outcome::broken;
  invalid_ += outcome == Verdict::Outcome::invalid;
  const auto now = std::chrono::steady_clock::now();
  if (!shown_ || now - drawn_ < kRedrawEvery) return;
  drawn_ = now;
  draw();
}

void Progress::draw() {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(drawn_ - began_).count();
  const std::string of = runs_ > 0 ? fmt::format("/{}", runs_) : "";
  fmt::print(stderr, "\r\x1b[K{}{} runs, {} broken, {} invalid, {} s", done_, of, broken_, invalid_, seconds);
  std::fflush(stderr);
}

}  // namespace s2::scenarios
