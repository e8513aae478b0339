// Fault plans: taken and told again, or refused with one line.
#include <stdexcept>
#include <string>

#include "emulator/faults.h"
#include "fuzz/targets/target.h"
#include "wire/json.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(fault_plan, input) {
  emulator::FaultPlan plan(1);
  try {
    plan.replace(std::string(input));
  } catch (const std::invalid_argument& error) {
    return must(std::string_view(error.what()).find('\n') == std::string_view::npos, "an error is one line");
  }
  plan.next("append", "basin", "stream");
  must(wire::is_utf8(plan.to_json()), "a plan is told in UTF-8");
}
