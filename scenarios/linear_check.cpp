// See linear_check.h: which checker decides.
#include "scenarios/linear_check.h"

namespace s2::scenarios {

Linearity check_linearity(const LinearHistory& history) {
  const Places places = places_of(history);
  if (!places.wrong.empty()) return {Linearity::Verdict::not_linearizable, places.wrong, false};
  const KnownLog log = known_log(history, places);
  if (log.kind == KnownLog::Kind::impossible) return {Linearity::Verdict::not_linearizable, log.why, false};
  if (log.kind == KnownLog::Kind::known) {
    if (auto decided = check_by_log(history, places, log.records)) return *std::move(decided);
  }
  Linearity searched = check_by_search(history, log.records);
  if (searched.verdict == Linearity::Verdict::undecided && !log.why.empty()) searched.why = log.why;
  return searched;
}

}  // namespace s2::scenarios
