// Fault plans: taken or refused with one line; a plan that was taken is one that it prints.
#include <stdexcept>
#include <string>

#include "emulator/faults.h"
#include "fuzz/targets/target.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(input) {
  emulator::FaultPlan plan(1);
  try {
    plan.replace(std::string(input));
  } catch (const std::invalid_argument& error) {
    return must(std::string_view(error.what()).find('\n') == std::string_view::npos, "an error is one line");
  }
  plan.next("append", "basin", "stream");
  const std::string printed = plan.to_json();
  plan.replace(printed);
  plan.next("read", "", "");
}
