// I2, I5, I9, I11: what must not be there. Records that nobody published, copies that no fault explains,
// records in the stream of another session, and what was published while storing was off.
//
// A probe that stands twice in one record counts once (the read-back sees to it). A second record of the same
// event is a legitimate retry only where an earlier append of it left the client without an answer; a writer
// whose appends all carry match_seq_num has no such excuse, because the retry would have been refused; nor
// has any writer in class `stop`, which promises exactly once.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {
namespace {

using Events = std::vector<const EventFacts*>;

void check_strangers(const Facts& facts, Findings& findings) {
  if (!facts.strangers.empty()) {
    const auto& [n, place] = facts.strangers.front();
    findings.add(Invariant::I2, ViolationKind::wrong_stream,
                 fmt::format("stream {} holds n {} at {}, which this run never published ({} in all)",
                             facts.stream_name(place), n, place.seq_num, facts.strangers.size()));
  }
  Events rejected;
  for (const EventFacts& e : facts.events) {
    if (e.stored() && e.pub->acceptance == Acceptance::rejected) rejected.push_back(&e);
  }
  if (rejected.empty()) return;
  findings.add(
      Invariant::I2, ViolationKind::false_failure,
      fmt::format("{} rejected, and stored all the same: {}",
                  count_of(rejected.size()) + (rejected.size() == 1 ? " was" : " were"), named(rejected)),
      rejected);
}

bool retry_excused(const Facts& facts, const EventFacts& e, std::size_t copies) {
  if (facts.idempotent() || facts.ledger.teardown == Teardown::stop) return false;
  if (facts.ledger.appends.empty()) return facts.disturbed(0, INT64_MAX, true);
  const auto unknown = std::count_if(e.appends.begin(), e.appends.end(), [&](const ServiceAppend* a) {
    return a->committed && facts.unknown_to_client(*a);
  });
  return copies - 1 <= static_cast<std::size_t>(unknown);
}

void check_duplicates(const Facts& facts, Findings& findings) {
  Events twice;
  std::string where;
  for (const EventFacts& e : facts.events) {
    std::map<std::size_t, std::vector<std::uint64_t>> by_stream;
    for (const Place& p : e.places) by_stream[p.stream].push_back(p.seq_num);
    for (const auto& [stream, seq_nums] : by_stream) {
      if (seq_nums.size() < 2 || retry_excused(facts, e, seq_nums.size())) continue;
      if (twice.empty()) {
        where = fmt::format("n {} at {} and {} of stream {}", e.pub->n, seq_nums[0], seq_nums[1],
                            facts.ledger.stored[stream].name);
      }
      twice.push_back(&e);
      break;
    }
  }
  if (twice.empty()) return;
  findings.add(Invariant::I5, ViolationKind::duplicated,
               fmt::format("{} stored more than once, {}: {}, first {}",
                           count_of(twice.size()) + (twice.size() == 1 ? " is" : " are"),
                           facts.idempotent() ? "though every append carried match_seq_num"
                           : facts.ledger.teardown == Teardown::stop
                               ? "though a stop promises exactly once"
                               : "and no append of theirs was left without an answer",
                           named(twice), where),
               twice);
}

void check_streams(const Facts& facts, Findings& findings) {
  Events strayed;
  std::string where;
  for (const EventFacts& e : facts.events) {
    const std::string& own = facts.stream_of(*e.pub);
    for (const Place& p : e.places) {
      if (facts.stream_name(p) == own) continue;
      if (strayed.empty()) {
        where = fmt::format("n {} of stream {} at {} of stream {}", e.pub->n, own, p.seq_num,
                            facts.stream_name(p));
      }
      strayed.push_back(&e);
      break;
    }
  }
  if (strayed.empty()) return;
  findings.add(
      Invariant::I9, ViolationKind::wrong_stream,
      fmt::format("{} in a stream that is not their session's: {}, first {}",
                  count_of(strayed.size()) + (strayed.size() == 1 ? " is" : " are"), named(strayed), where),
      strayed);
}

void check_storage_off(const Facts& facts, Findings& findings) {
  Events stored;
  for (const EventFacts& e : facts.events) {
    if (!e.pub->storage_on && e.stored()) stored.push_back(&e);
  }
  if (stored.empty()) return;
  findings.add(Invariant::I11, ViolationKind::stored_while_off,
               fmt::format("{} published while storing was off, and stored: {}",
                           count_of(stored.size()) + (stored.size() == 1 ? " was" : " were"), named(stored)),
               stored);
}

}  // namespace

void check_identity(const Facts& facts, Findings& findings) {
  check_strangers(facts, findings);
  if (promise_of(facts.ledger.teardown).checks(Invariant::I5)) check_duplicates(facts, findings);
  check_streams(facts, findings);
  check_storage_off(facts, findings);
}

}  // namespace s2::scenarios
