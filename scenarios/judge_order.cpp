// I3: first occurrences are in order, per publisher and by seq.
//
// Two orders have to agree for each process, session and publisher: the order of publishing (n) is the order
// of the writer's sequence numbers, and the order of the first records in the session's stream. Events of
// different publishers or sessions are not ordered.
#include "scenarios/judge_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace s2::scenarios {
namespace {

using Events = std::vector<const EventFacts*>;
using Line = std::tuple<int, std::string, int>;  // epoch, session, publisher

Line line_of(const EventFacts& e) {
  return {e.pub->epoch, e.pub->session, e.pub->publisher};
}

// The event's first record in its own stream.
const Place* first_place(const Facts& facts, const EventFacts& e) {
  const auto it = std::find_if(e.places.begin(), e.places.end(), [&](const Place& p) {
    return facts.stream_name(p) == facts.stream_of(*e.pub);
  });
  return it == e.places.end() ? nullptr : &*it;
}

void check_stored_order(const Facts& facts, Findings& findings) {
  const Events late = out_of_order(facts);
  if (late.empty()) return;
  const EventFacts& first = *late.front();
  findings.add(
      Invariant::I3, ViolationKind::reordered,
      fmt::format(
          "{} stored behind a later event of the same publisher and session, first n {} at {} of stream "
          "{}: {}",
          count_of(late.size()) + (late.size() == 1 ? " is" : " are"), first.pub->n,
          first_place(facts, first)->seq_num, facts.stream_of(*first.pub), named(late)),
      late);
}

// The class `zombie`: from its successor's first record on, nothing of the older process is stored.
void check_superseded(const Facts& facts, Findings& findings) {
  std::map<std::size_t, std::vector<std::pair<Place, const EventFacts*>>> streams;
  for (const EventFacts& e : facts.events) {
    for (const Place& place : e.places) streams[place.stream].emplace_back(place, &e);
  }
  Events late;
  std::string where;
  for (auto& [_, records] : streams) {
    std::sort(records.begin(), records.end(),
              [](const auto& a, const auto& b) { return a.first.order < b.first.order; });
    const EventFacts* successor = nullptr;
    for (const auto& [place, e] : records) {
      if (successor == nullptr || e->pub->epoch > successor->pub->epoch) successor = e;
      if (e->pub->epoch == successor->pub->epoch) continue;
      if (late.empty()) {
        where = fmt::format("n {} at {} of stream {}, behind n {} of its successor", e->pub->n, place.seq_num,
                            facts.stream_name(place), successor->pub->n);
      }
      late.push_back(e);
    }
  }
  if (late.empty()) return;
  findings.add(Invariant::I3, ViolationKind::reordered,
               fmt::format("the process that was resumed beside its successor stored {} more: {}, first {}",
                           count_of(late.size()), named(late), where),
               late);
}

void check_seqs(const Facts& facts, Findings& findings) {
  std::map<Line, const EventFacts*> last;
  std::map<std::tuple<int, std::string, std::uint64_t>, const EventFacts*> owners;
  for (const EventFacts& e : facts.events) {
    if (!e.accepted() || e.pub->seq == 0) continue;
    const Publication& p = *e.pub;
    const auto [owner, fresh] = owners.try_emplace({p.epoch, p.session, p.seq}, &e);
    if (!fresh) {
      findings.add(Invariant::I3, ViolationKind::reordered,
                   fmt::format("seq {} was given to n {} and to n {} of session {}", p.seq,
                               owner->second->pub->n, p.n, p.session),
                   {owner->second, &e});
      return;
    }
    const EventFacts*& previous = last[line_of(e)];
    if (previous != nullptr && previous->pub->seq > p.seq) {
      findings.add(Invariant::I3, ViolationKind::reordered,
                   fmt::format("publisher {} sent n {} before n {}, but they got seq {} and {} in session {}",
                               p.publisher, previous->pub->n, p.n, previous->pub->seq, p.seq, p.session),
                   {previous, &e});
      return;
    }
    previous = &e;
  }
}

}  // namespace

std::vector<const EventFacts*> out_of_order(const Facts& facts) {
  struct Stored {
    Line line;
    Place place;
    const EventFacts* event;
  };
  std::vector<Stored> stored;
  for (const EventFacts& e : facts.events) {
    if (!e.accepted()) continue;
    if (const Place* p = first_place(facts, e)) stored.push_back({line_of(e), *p, &e});
  }
  std::stable_sort(stored.begin(), stored.end(), [](const Stored& a, const Stored& b) {
    return std::tie(a.line, a.place.order) < std::tie(b.line, b.place.order);
  });
  Events late;
  const EventFacts* newest = nullptr;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (i == 0 || stored[i].line != stored[i - 1].line) newest = nullptr;
    if (newest != nullptr && stored[i].event->pub->n < newest->pub->n) {
      late.push_back(stored[i].event);
    } else {
      newest = stored[i].event;
    }
  }
  return late;
}

void check_order(const Facts& facts, Findings& findings) {
  if (!promise_of(facts.ledger.teardown).checks(Invariant::I3)) return;
  check_stored_order(facts, findings);
  check_seqs(facts, findings);
  if (facts.ledger.teardown == Teardown::zombie) check_superseded(facts, findings);
}

}  // namespace s2::scenarios
