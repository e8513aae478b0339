// See drop_markers.h.
#include "writer/drop_markers.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace s2::writer {

void DropMarkers::add(const std::vector<Durability::Run>& runs, std::uint64_t in_hand) {
  if (style_ == DropStyle::gap) return;
  for (const Durability::Run& run : runs) {
    // One that goes before the event in hand has nothing to do with what was dropped behind it.
    const auto same = std::ranges::find_if(
        waiting_, [&](const Marker& marker) { return marker.session == run.session && marker.to > in_hand; });
    if (same == waiting_.end()) {
      waiting_.push_back({run.session, run.from, run.to, run.to - run.from + 1});
    } else {
      same->to = run.to;
      same->count += run.to - run.from + 1;
    }
  }
}

EnvelopeRef DropMarkers::due(std::uint64_t in_hand) {
  if (sealed_ || waiting_.empty()) return sealed_;
  const auto first = std::ranges::min_element(waiting_, {}, &Marker::to);
  if (in_hand != 0 && first->to > in_hand) return nullptr;
  Event event;
  event.type = "system_events_dropped";
  event.source.kind = "writer";
  event.data_json = fmt::format(R"({{"from":{},"to":{},"count":{}}})", first->from, first->to, first->count);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  auto prepared = PreparedEvent::make(first->session->id, event,
                                      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  if (prepared) {
    sealed_ = std::make_shared<const Envelope>(std::move(*prepared).seal(first->session, first->to, true));
  }
  waiting_.erase(first);
  return sealed_;
}

}  // namespace s2::writer
