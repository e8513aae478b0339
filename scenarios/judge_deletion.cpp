// I7, for a delete: what the control plane recorded as missing is missing, and nothing else is.
//
// The record is all that is left of a VM: what its writer said of drops and losses died with it, and excuses
// nothing here. The record is about what was accepted before it was asked for. It is true of the moment when
// it was made: an append that S2 still had then, and committed later, makes it no lie.
#include <fmt/format.h>

#include <algorithm>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

using Events = std::vector<const EventFacts*>;
constexpr std::size_t kRangesSaid = 4;

bool names(const DeletionRecord& record, std::uint64_t seq) {
  return std::ranges::any_of(record.missing, [&](const MissingRange& range) {
    return seq >= range.from && (!range.to || seq <= *range.to);
  });
}

std::string said(const DeletionRecord& record) {
  if (record.complete) return "complete";
  if (record.missing.empty() && record.missing_more == 0) return "incomplete, with no event missing";
  std::string text = "that";
  for (std::size_t i = 0; i < std::min(record.missing.size(), kRangesSaid); ++i) {
    const auto& [from, to] = record.missing[i];
    text += i == 0 ? " " : ", ";
    text += to ? fmt::format("{} to {}", from, *to) : fmt::format("all from {} on", from);
  }
  const std::size_t unsaid = record.missing.size() - std::min(record.missing.size(), kRangesSaid);
  if (unsaid != 0) text += fmt::format(" and {} ranges more", unsaid);
  if (record.missing_more != 0)
    text +=
        fmt::format("{}{} that it cannot name", record.missing.empty() ? " " : " and ", record.missing_more);
  return text + " are missing";
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
    } else if (e.lost() && p.answered_ns >= 0 && p.answered_ns < record.asked_ns) {
      untold.push_back(&e);
    }
  }
  if (untold.size() > record.missing_more) {
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
