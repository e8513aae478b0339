// Marshalling of envelopes; see envelope.h. No state.
#include "writer/envelope.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "wire/json_reader.h"
#include "wire/text.h"
#include "writer/category.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kKept = R"(,"truncated":false}})";
constexpr std::string_view kCut = R"(null,"truncated":true}})";
constexpr std::size_t kSeqRoom = std::numeric_limits<std::uint64_t>::digits10 + 1;
// What stands around an event's own text, names, quotes and numbers; more than there is, so that a buffer is
// made once.
constexpr std::size_t kFrameBytes = 256;

void append_front(std::string& json, std::string_view session_id) {
  wire::append_json_string(json += R"({"capture_session_id":)"sv, session_id);
  json += R"(,"seq":)"sv;
}

// The slower parser takes a NUL for the end of the text.
bool is_any_json(std::string_view text) {
  return text.find('\0') == std::string_view::npos && nlohmann::json::accept(text);
}

// What this reader takes, the slower parser takes as well, and it is not deep; that one has the last word
// about all else.
bool is_plain_json(std::string_view text) {
  wire::JsonReader reader(text);
  return reader.skip() && reader.end() && reader.skipped_only_common_numbers();
}

// What is wrong with a member's JSON text; nothing where it is valid. Text that is JSON but not UTF-8 cannot
// be: the parser checks both.
std::optional<std::string> objection_to(std::string_view text, const char* name) {
  if (text.empty() || is_plain_json(text)) return std::nullopt;  // what stands for an empty one is
  if (!within_json_depth(text))
    return fmt::format("the event's {} nests deeper than {}", name, kMaxJsonDepth);
  if (!is_any_json(text)) return fmt::format("the event's {} is not JSON", name);
  return std::nullopt;
}

// JSON text as a part of one line: a line break in it stands between two of its words.
void append_on_one_line(std::string& out, std::string_view text) {
  const std::size_t from = out.size();
  out.append(text);
  for (const char c : {'\n', '\r'}) {
    for (std::size_t at = out.find(c, from); at != std::string::npos; at = out.find(c, at)) out[at] = ' ';
  }
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

bool is_json(std::string_view text) {
  return is_plain_json(text) || is_any_json(text);
}

std::string json_quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  wire::append_json_string(out, text);
  return out;
}

tl::expected<PreparedEvent, std::string> PreparedEvent::make(std::string_view session_id, const Event& event,
                                                             std::int64_t now_us) {
  auto category = category_of(event.type, event.category);
  if (!category) return tl::unexpected(category.error());
  const std::string_view metadata = event.source.metadata_json.empty() ? "{}"sv : event.source.metadata_json;
  const std::string_view data = event.data_json.empty() ? "null"sv : event.data_json;
  if (auto objection = objection_to(event.source.metadata_json, "source.metadata"))
    return tl::unexpected(std::move(*objection));
  if (auto objection = objection_to(event.data_json, "data")) return tl::unexpected(std::move(*objection));

  PreparedEvent prepared;
  prepared.category_ = *category;
  prepared.published_us_ = now_us;
  std::string& json = prepared.json_;
  json.reserve(kFrameBytes + session_id.size() + event.type.size() + event.source.kind.size() +
               event.source.event.size() + metadata.size() + event.detail_level.size() + event.url.size() +
               data.size());
  append_front(json, session_id);
  prepared.seq_at_ = json.size();
  json.append(kSeqRoom, '0').append(R"(,"event":{"ts":)"sv);
  const fmt::format_int ts(event.ts_us != 0 ? event.ts_us : now_us);
  json.append(ts.data(), ts.size());
  wire::append_json_string(json += R"(,"type":)"sv, event.type);
  json.append(R"(,"category":")"sv).append(*category);
  wire::append_json_string(json += R"(","source":{"kind":)"sv, event.source.kind);
  wire::append_json_string(json += R"(,"event":)"sv, event.source.event);
  append_on_one_line(json += R"(,"metadata":)"sv, metadata);
  wire::append_json_string(json += R"(},"detail_level":)"sv, event.detail_level);
  wire::append_json_string(json += R"(,"url":)"sv, event.url);
  json += R"(,"data":)"sv;
  prepared.data_at_ = json.size();
  append_on_one_line(json, data);
  json += kKept;
  return prepared;
}

Envelope PreparedEvent::seal(SessionRef session, std::uint64_t seq, bool store) && {
  Envelope envelope;
  envelope.json = std::move(json_);
  std::string& json = envelope.json;
  const fmt::format_int digits(seq);
  envelope.truncated =
      json.size() - kSeqRoom + digits.size() > kMaxEnvelopeBytes && !planted(PlantedBug::never_truncates);
  if (envelope.truncated) json.replace(data_at_, std::string::npos, kCut);
  json.replace(seq_at_, kSeqRoom, digits.data(), digits.size());
  if (envelope.truncated) json.shrink_to_fit();  // the ring counts what it holds by size
  if (planted(PlantedBug::truncation_drops_probe) && envelope.truncated) {
    const std::size_t from = json.find(R"(,"metadata":)") + 12;
    json.replace(from, json.rfind(R"(},"detail_level":)") - from, "{}");
  }
  if (planted(PlantedBug::stamp_late)) {
    std::string front;
    append_front(front, session->id);
    json.replace(0, seq_at_, front);
  }
  envelope.seq = seq;
  envelope.session = std::move(session);
  envelope.category = category_;
  envelope.store = store;
  envelope.published_us = published_us_;
  return envelope;
}

}  // namespace s2::writer
