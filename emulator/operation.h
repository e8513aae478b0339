// Carries one operation through its effect and its answer, and lets the fault plan interfere at either place.
//
// On the emulator's thread. An operation that was received whole takes its effect even if its client goes
// away in a delay: that is what a network does. A reset of the emulator ends it without any.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/exchange.h"
#include "emulator/stage.h"
#include "wire/error.h"

namespace s2::emulator {

struct Operation {
  std::string_view op;  // as in a fault's match
  std::string basin;
  std::string stream;
  std::vector<std::string_view> permissions{};  // S2's names of what a token must be allowed; empty: `op`
  std::chrono::nanoseconds waited{0};  // for those before it, or what it takes anyway: part of a delay
  // Takes the effect, then calls `next`, perhaps later.
  std::function<void(std::function<void()> next)> perform;
  std::function<void()> answer;                       // tells what came of it
  std::function<void(const wire::ApiError&)> refuse;  // tells that instead
};

void run(Stage& stage, const ExchangePtr& exchange, Operation operation);

}  // namespace s2::emulator
