// Marshalling of envelopes; see envelope.h. No state.
#include "writer/envelope.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "writer/category.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

constexpr std::string_view kKept = R"(,"truncated":false}})";
constexpr std::string_view kCut = R"(null,"truncated":true}})";

// Valid JSON text for the member, or nothing. Text that is JSON but not UTF-8 cannot be: the parser checks
// both.
tl::expected<std::string, std::string> member(std::string text, const char* if_empty, const char* name) {
  if (text.empty()) return std::string(if_empty);
  if (!within_json_depth(text)) {
    return tl::unexpected(fmt::format("the event's {} nests deeper than {}", name, kMaxJsonDepth));
  }
  if (!nlohmann::json::accept(text)) return tl::unexpected(fmt::format("the event's {} is not JSON", name));
  return text;
}

}  // namespace

bool within_json_depth(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return false;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return true;
}

std::string json_quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

tl::expected<PreparedEvent, std::string> PreparedEvent::make(Event event, std::int64_t now_us) {
  auto category = category_of(event.type, event.category);
  if (!category) return tl::unexpected(category.error());
  auto metadata = member(std::move(event.source.metadata_json), "{}", "source.metadata");
  if (!metadata) return tl::unexpected(metadata.error());
  auto data = member(std::move(event.data_json), "null", "data");
  if (!data) return tl::unexpected(data.error());

  PreparedEvent prepared;
  prepared.category_ = *category;
  prepared.published_us_ = now_us;
  prepared.head_ = fmt::format(
      R"({{"ts":{},"type":{},"category":"{}","source":{{"kind":{},"event":{},"metadata":{}}},"detail_level":{},"url":{},"data":)",
      event.ts_us != 0 ? event.ts_us : now_us, json_quoted(event.type), *category,
      json_quoted(event.source.kind), json_quoted(event.source.event), *metadata,
      json_quoted(event.detail_level), json_quoted(event.url));
  prepared.data_ = std::move(*data);
  return prepared;
}

Envelope PreparedEvent::seal(SessionRef session, std::uint64_t seq, bool store) const {
  Envelope envelope;
  std::string front =
      fmt::format(R"({{"capture_session_id":{},"seq":{},"event":)", json_quoted(session->id), seq);
  envelope.truncated = front.size() + head_.size() + data_.size() + kKept.size() > kMaxEnvelopeBytes &&
                       !planted(PlantedBug::never_truncates);
  std::string_view data = envelope.truncated ? std::string_view() : std::string_view(data_);
  std::string_view end = envelope.truncated ? kCut : kKept;
  envelope.json.reserve(front.size() + head_.size() + data.size() + end.size());
  envelope.json.append(front).append(head_).append(data).append(end);
  if (planted(PlantedBug::truncation_drops_probe) && envelope.truncated) {
    const std::size_t from = envelope.json.find(R"(,"metadata":)") + 12;
    envelope.json.replace(from, envelope.json.rfind(R"(},"detail_level":)") - from, "{}");
  }
  envelope.seq = seq;
  envelope.session = std::move(session);
  envelope.category = category_;
  envelope.store = store;
  envelope.published_us = published_us_;
  return envelope;
}

}  // namespace s2::writer
