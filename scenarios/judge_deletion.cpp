// I7, for a delete: what the control plane recorded as missing is missing, and nothing else is.
//
// The record is about what was accepted before it was asked for. It is true of the moment when it was made:
// an append that S2 still had then, and committed later, makes it no lie.
#include <fmt/format.h>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

using Events = std::vector<const EventFacts*>;

bool names(const DeletionRecord& record, std::uint64_t seq) {
  return record.missing_from != 0 && seq >= record.missing_from &&
         (!record.missing_to || seq <= *record.missing_to);
}

std::string said(const DeletionRecord& record) {
  if (record.complete) return "complete";
  if (record.missing_from == 0) return "incomplete, with no event missing";
  return record.missing_to ? fmt::format("that {} to {} are missing", record.missing_from, *record.missing_to)
                           : fmt::format("that all from {} on are missing", record.missing_from);
}

}  // namespace

void check_deletion(const Facts& facts, Findings& findings) {
  if (!facts.ledger.deletion) return;
  const DeletionRecord& record = *facts.ledger.deletion;
  Events untold, there;
  for (const EventFacts& e : facts.events) {
    const Publication& p = *e.pub;
    if (!e.promised() || p.seq == 0) continue;
    if (names(record, p.seq)) {
      const std::int64_t committed = e.first_commit_ns();  // -1: so late that nobody saw it any more
      if (e.stored() && committed >= 0 && committed <= record.t_ns) there.push_back(&e);
    } else if (e.lost() && !e.reported() && p.answered_ns >= 0 && p.answered_ns < record.asked_ns) {
      untold.push_back(&e);
    }
  }
  if (!untold.empty()) {
    findings.add(
        Invariant::I7, ViolationKind::unreported_loss,
        fmt::format("the delete was recorded as {}, yet {} accepted before it {} not stored: {}",
                    said(record), count_of(untold.size()), untold.size() == 1 ? "is" : "are", named(untold)),
        untold);
  }
  if (!there.empty()) {
    findings.add(
        Invariant::I7, ViolationKind::false_failure,
        fmt::format("the delete was recorded with the word {}, yet {} of them {} stored: {}", said(record),
                    count_of(there.size()), there.size() == 1 ? "is" : "are", named(there)),
        there);
  }
}

}  // namespace s2::scenarios
