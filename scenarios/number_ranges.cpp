// See number_ranges.h.
#include "scenarios/number_ranges.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "scenarios/json_number.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;

// An event's; 0 and what no event has are none.
std::optional<std::uint64_t> event_number(const json& object, const char* key) {
  const auto value = number_in(object, key);
  return value == 0 || value == NumberRanges::kOpen ? std::nullopt : value;
}

const json& member(const json& object, const char* key) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

}  // namespace

void NumberRanges::add(std::uint64_t from, std::uint64_t to) {
  if (to < from) return;
  auto next = ranges_.upper_bound(from);
  if (next != ranges_.begin() && std::prev(next)->second >= from - std::min<std::uint64_t>(from, 1)) --next;
  while (next != ranges_.end() && (to == kOpen || next->first <= to + 1)) {
    from = std::min(from, next->first);
    to = std::max(to, next->second);
    next = ranges_.erase(next);
  }
  ranges_[from] = to;
}

void NumberRanges::remove(std::uint64_t from, std::uint64_t to) {
  if (to < from) return;
  auto each = ranges_.upper_bound(from);
  if (each != ranges_.begin() && std::prev(each)->second >= from) --each;
  while (each != ranges_.end() && each->first <= to) {
    const auto [first, last] = *each;
    each = ranges_.erase(each);
    if (first < from) ranges_[first] = from - 1;
    if (last > to) ranges_[to + 1] = last;
  }
}

void NumberRanges::add(const NumberRanges& other) {
  for (const auto& [from, to] : other.ranges_) add(from, to);
}

void NumberRanges::remove(const NumberRanges& other) {
  for (const auto& [from, to] : other.ranges_) remove(from, to);
}

bool NumberRanges::contains(std::uint64_t number) const {
  const auto next = ranges_.upper_bound(number);
  return next != ranges_.begin() && std::prev(next)->second >= number;
}

std::uint64_t NumberRanges::count() const {
  std::uint64_t all = 0;
  for (const auto& [from, to] : ranges_) all += to == kOpen ? 1 : to - from + 1;
  return all;
}

std::vector<MissingRange> NumberRanges::list() const {
  std::vector<MissingRange> all;
  for (const auto& [from, to] : ranges_)
    all.push_back({from, to == kOpen ? std::nullopt : std::optional(to)});
  return all;
}

void StoredNumbers::take(std::string_view body) {
  const json envelope = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto seq = event_number(envelope, "seq");
  if (!seq) return;
  const json& event = member(envelope, "event");
  const json& type = member(event, "type");
  const std::size_t text = std::hash<std::string_view>{}(body);
  if (const auto said = texts_.find(*seq); said != texts_.end()) {
    if (said->second == text) return;  // an append that was sent again
    *this = {};
  }
  const bool by_writer = member(member(event, "source"), "kind") == "writer";
  if (ended_at_ && *seq > *ended_at_) elsewhere_.add(*ended_at_ + 1, *seq - 1);
  ended_at_.reset();
  if (by_writer && type == "system_events_dropped") {
    const auto from = event_number(member(event, "data"), "from");
    dropped_.add(from.value_or(*seq), *seq);
    return;
  }
  texts_[*seq] = text;
  there_.add(*seq, *seq);
  if (by_writer && type == "system_session_ended") ended_at_ = seq;
}

NumberRanges StoredNumbers::holes() const {
  NumberRanges holes;
  if (!there_.empty()) holes.add(there_.first(), there_.last());
  holes.remove(elsewhere_);
  holes.add(dropped_);
  holes.remove(there_);
  return holes;
}

}  // namespace s2::scenarios
