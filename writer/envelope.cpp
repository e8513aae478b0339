// Marshalling of envelopes; see envelope.h. No state.
#include "writer/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "wire/json_reader.h"
#include "wire/text.h"
#include "writer/category.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

constexpr std::string_view kKept = R"(,"truncated":false}})";
constexpr std::string_view kCut = R"(null,"truncated":true}})";
// What stands around an event's own text, names, quotes and numbers; more than there is, so that a buffer is
// made once.
constexpr std::size_t kHeadFrameBytes = 192;
constexpr std::size_t kFrontFrameBytes = 96;

// Valid JSON text for the member, or nothing. Text that is JSON but not UTF-8 cannot be: the parser checks
// both.
tl::expected<std::string, std::string> member(std::string text, const char* if_empty, const char* name) {
  if (text.empty()) return std::string(if_empty);
  // What this reader takes, the slower parser takes as well; that one has the last word about all else.
  wire::JsonReader reader(text);
  if (reader.skip() && reader.end() && reader.skipped_only_common_numbers()) return text;
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
  std::string out;
  out.reserve(text.size() + 2);
  wire::append_json_string(out, text);
  return out;
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
  std::string& head = prepared.head_;
  head.reserve(kHeadFrameBytes + event.type.size() + event.source.kind.size() + event.source.event.size() +
               metadata->size() + event.detail_level.size() + event.url.size());
  head.append(R"({"ts":)").append(std::to_string(event.ts_us != 0 ? event.ts_us : now_us));
  wire::append_json_string(head += R"(,"type":)", event.type);
  head.append(R"(,"category":")").append(*category);
  wire::append_json_string(head += R"(","source":{"kind":)", event.source.kind);
  wire::append_json_string(head += R"(,"event":)", event.source.event);
  head.append(R"(,"metadata":)").append(*metadata);
  wire::append_json_string(head += R"(},"detail_level":)", event.detail_level);
  wire::append_json_string(head += R"(,"url":)", event.url);
  head += R"(,"data":)";
  prepared.data_ = std::move(*data);
  return prepared;
}

Envelope PreparedEvent::seal(SessionRef session, std::uint64_t seq, bool store) const {
  Envelope envelope;
  std::string& json = envelope.json;
  json.reserve(std::min(kFrontFrameBytes + session->id.size() + head_.size() + data_.size() + kKept.size(),
                        kMaxEnvelopeBytes));
  wire::append_json_string(json += R"({"capture_session_id":)", session->id);
  json.append(R"(,"seq":)").append(std::to_string(seq)).append(R"(,"event":)");
  envelope.truncated = json.size() + head_.size() + data_.size() + kKept.size() > kMaxEnvelopeBytes &&
                       !planted(PlantedBug::never_truncates);
  std::string_view data = envelope.truncated ? std::string_view() : std::string_view(data_);
  std::string_view end = envelope.truncated ? kCut : kKept;
  json.append(head_).append(data).append(end);
  if (envelope.truncated) json.shrink_to_fit();  // the ring counts what it holds by size
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
