// timeline.json: what is taken comes back from what it prints.
#include <string>

#include "fuzz/targets/target.h"
#include "scenarios/judge.h"
#include "scenarios/ledger_json.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(timeline_file, input) {
  const auto ledger = scenarios::ledger_from_json(input);
  if (!ledger) return;
  const std::string printed = scenarios::ledger_to_json(*ledger);
  const auto again = scenarios::ledger_from_json(printed);
  must(again && scenarios::ledger_to_json(*again) == printed, "a ledger comes back");
  scenarios::judge(*ledger);
}
