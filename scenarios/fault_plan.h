// A drawn scenario's faults as the emulator's fault plan, and whether they fired as drawn.
//
// Pure; any thread. Format of the plan: `PUT /_emulator/faults`.
#pragma once

#include <string>
#include <vector>

#include "scenarios/scenario.h"

namespace s2::scenarios {

// Each fault is two rules, one for unary appends and one for the frames of append sessions: a writer uses
// either.
std::string fault_plan_json(const std::vector<Fault>& faults);

// From now on every append is answered 403: the endpoint takes the token no more.
std::string refused_token_plan();

struct FiredFaults {
  std::string missing;    // the first drawn fault that never fired, or empty
  bool exhausted = true;  // each fired as often as it may: none is left to fire
};
// `plan_json` as the emulator gives it back, with how often each rule fired.
FiredFaults fired_faults(const std::vector<Fault>& faults, const std::string& plan_json);

}  // namespace s2::scenarios
