// See telemetry_api.h: the stored stream as pages of envelopes, read from S2 and from nothing else, so that
// it works when the writer that stored it is long gone.
#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "wire/json.h"
#include "wire/types.h"
#include "writer/telemetry_api.h"

namespace s2::writer {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kRecordsAPage = 500;
constexpr std::chrono::seconds kReadsWithin{10};

// Nothing given: `otherwise`. False: no whole number.
bool number_from(const std::string& text, std::uint64_t otherwise, std::uint64_t& out) {
  out = otherwise;
  if (text.empty()) return true;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && rest == text.data() + text.size();
}

ApiAnswer unreadable(const ReadError& error) {
  if (!error.refused) return api_problem(502, "S2 cannot be read: " + error.reason);
  if (error.error.code == "basin_not_found")
    return api_problem(404, "there is no such basin: S2_BASIN or S2_BASIN_ENDPOINT is another's");
  if (error.error.status == 404) return api_problem(404, "there is no such stream");
  if (error.error.status == 401 || error.error.status == 403) {
    return api_problem(403, fmt::format("S2 answered {}: the token may not read this stream: S2_READ_TOKEN "
                                        "has to hold one that may",
                                        error.error.status));
  }
  return api_problem(502, fmt::format("S2 answered {} {}", error.error.status, error.error.code));
}

// Anybody may have stored the record: what stands in the event is skipped, not kept.
bool is_envelope(std::string_view record) {
  using nlohmann::json;
  const json given =
      json::parse(record, [](int depth, json::parse_event_t, const json&) { return depth < 2; }, false);
  const auto is = [&](const char* name, bool (json::*kind)() const noexcept) {
    const auto found = given.find(name);
    return found != given.end() && ((*found).*kind)();
  };
  return given.is_object() && is("capture_session_id", &json::is_string) &&
         is("seq", &json::is_number_unsigned) && is("event", &json::is_object);
}

}  // namespace

ApiAnswer TelemetryApi::stored(const StoredQuery& query) {
  if (client_ == nullptr)
    return api_problem(404, "there is no durable storage (S2_BASIN, S2_ACCESS_TOKEN are not set)");
  std::uint64_t offset = 0, limit = 0, since = 0, until = 0;
  if (!number_from(query.offset, 0, offset))
    return api_problem(400, "`offset` must be a sequence number of the stream");
  if (!number_from(query.limit, kDefaultPage, limit) || limit == 0 || limit > kMaxPage)
    return api_problem(400, fmt::format("`limit` must be 1 to {}", kMaxPage));
  if (!number_from(query.since, 0, since) || !number_from(query.until, ~std::uint64_t{0}, until))
    return api_problem(400, "`since` and `until` must be milliseconds since 1970");
  std::string stream = query.stream;
  if (stream.empty()) {
    const std::lock_guard lock(mutex_);
    stream = last_stream_;
  }
  if (stream.empty()) return api_problem(404, "no session has been captured yet: name its `stream`");
  if (stream.size() > wire::kMaxStreamNameBytes) return api_problem(400, "`stream` has at most 512 bytes");
  if (wire::is_dots(stream)) return api_problem(400, wire::kDotsAreNoName);
  if (!wire::is_utf8(stream)) return api_problem(400, "`stream` must be UTF-8");

  const auto channel = client_->make_channel(stream, [] {});
  const auto deadline = steady_clock::now() + kReadsWithin;
  const bool filtered = since > 0 || !query.until.empty();
  ReadFrom from{offset, offset == 0 && since > 0 ? std::optional(since) : std::nullopt};
  std::size_t asked = filtered ? kRecordsAPage : std::min<std::size_t>(kRecordsAPage, limit + 1);
  std::string events;
  std::size_t count = 0, foreign = 0;
  const auto full = [&] { return count == limit || events.size() >= kMaxPageBytes; };
  bool looked_through = false;
  bool more = true;  // until a read finds the end, or what is too late
  while (more) {
    const auto records = channel->read_page(from, full() ? 1 : asked, deadline);
    if (!records) {
      if (looked_through) break;  // the next page says what is wrong, if it still is
      return unreadable(records.error());
    }
    more = !records->empty();
    auto record = records->begin();
    for (; record != records->end() && !full() && record->timestamp < until; ++record) {
      offset = record->seq_num + 1;
      if (wire::is_command(record->headers) || record->timestamp < since) continue;
      if (!is_envelope(record->body)) {
        ++foreign;
        continue;
      }
      if (count++ > 0) events += ',';
      events += record->body;
    }
    if (record != records->end()) {  // of the next page, if of any: times never go back in a stream
      more = record->timestamp < until;
      break;
    }
    looked_through = true;
    from = {offset, std::nullopt};
    asked = kRecordsAPage;
  }
  return {200,
          "[" + events + "]",
          {{"X-Has-More", more ? "true" : "false"},
           {"X-Next-Offset", std::to_string(offset)},
           {"X-Foreign-Records", std::to_string(foreign)}}};
}

}  // namespace s2::writer
