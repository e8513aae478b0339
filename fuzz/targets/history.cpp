// Histories of s2-verification: parsed, then decided; the log and the search must agree.
#include <string>

#include "fuzz/targets/target.h"
#include "scenarios/linear_check.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(history, input) {
  constexpr std::size_t kStates = 2000;  // of the search: enough for what a few lines can say
  const auto history = scenarios::parse_history(input, "h");
  if (!history) {
    must(history.error().rfind("h:", 0) == 0 && history.error().find('\n') == std::string::npos,
         "an error is one line");
    return;
  }
  const scenarios::Places places = scenarios::places_of(*history);
  const auto searched = scenarios::check_by_search(*history, {}, kStates);
  using Verdict = scenarios::Linearity::Verdict;
  if (!places.wrong.empty()) {
    must(searched.verdict != Verdict::linearizable, "places that overlap are not linearizable");
    return;
  }
  const scenarios::KnownLog log = scenarios::known_log(*history, places);
  if (log.kind != scenarios::KnownLog::Kind::known || history->listed_read >= 0) return;
  const auto logged = scenarios::check_by_log(*history, places, log.records);
  if (!logged || searched.verdict == Verdict::undecided) return;
  must(logged->verdict == searched.verdict, "the log and the search agree");
}
