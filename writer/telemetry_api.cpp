// See telemetry_api.h; the stored stream is telemetry_stored.cpp.
#include "writer/telemetry_api.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "writer/event_json.h"
#include "writer/stdio_lines.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A clear answers after that long at most; what is not stored by then goes on being stored.
constexpr milliseconds kClearWaits{1000};
// As often a publish looks for the session anew that was changed under its hands.
constexpr int kPublishTries = 8;

std::string time_now() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     ms);
}

// A name that nobody else gives: the stream is made by its first append.
std::string new_session_id() {
  std::uint64_t parts[2] = {};
  if (getrandom(parts, sizeof parts, 0) != static_cast<ssize_t>(sizeof parts)) return {};
  return fmt::format("session-{:016x}{:016x}", parts[0], parts[1]);
}

}  // namespace

ApiAnswer api_problem(int status, const std::string& what) {
  return {status, fmt::format(R"({{"error":{}}})", json_quoted(what)), {}, what};
}

TelemetryApi::TelemetryApi(Writer& writer, AppendClient* client, milliseconds longest_wait)
    : writer_(writer), client_(client), longest_wait_(longest_wait) {}

TelemetryApi::CurrentRef TelemetryApi::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

bool TelemetryApi::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void TelemetryApi::refuse() {
  const std::lock_guard lock(mutex_);
  refused_ = true;
}

ApiAnswer TelemetryApi::told(const CurrentRef& current, int status) {
  const AppendFailures failures = writer_.append_failures();
  return {
      status,
      fmt::format(R"({{"config":{},"capture_session_id":{},"seq":{},"applied_at":{},"stream":{},"after":{},)"
                  R"("durable_through":{},"append_failures":{{"appends":{},"events":{}}}}})",
                  current->config.json(), json_quoted(current->session->id), writer_.last_seq(),
                  json_quoted(current->applied_at), json_quoted(current->session->stream),
                  current->session->after, writer_.standing(current->session).acked_through, failures.appends,
                  failures.events)};
}

ApiAnswer TelemetryApi::state() {
  const CurrentRef now = current();
  return now ? told(now, 200) : api_problem(404, "telemetry is not set: PUT /telemetry sets it");
}

ApiAnswer TelemetryApi::put(std::string_view body) {
  const auto change = parse_telemetry_change(body);
  if (!change) return api_problem(400, change.error());
  const std::lock_guard lock(changing_);
  const CurrentRef before = current();
  if (before && change->capture_session_id && *change->capture_session_id != before->session->id) {
    return api_problem(400, "`capture_session_id` cannot change while telemetry is set: clear it first");
  }
  return set(change->applied_to({}), change->capture_session_id, before != nullptr);
}

ApiAnswer TelemetryApi::patch(std::string_view body) {
  const auto change = parse_telemetry_change(body);
  if (!change) return api_problem(400, change.error());
  if (change->capture_session_id) return api_problem(400, "`capture_session_id` is given by PUT alone");
  const std::lock_guard lock(changing_);
  const CurrentRef before = current();
  if (!before) return api_problem(404, "telemetry is not set: PUT /telemetry sets it");
  return set(change->applied_to(before->config), std::nullopt, true);
}

// With changing_ held.
ApiAnswer TelemetryApi::set(const TelemetryConfig& config, const std::optional<std::string>& id,
                            bool replaces) {
  if (refused()) return api_problem(503, "the writer is shutting down");
  if (!config.captures_anything()) return clear();
  auto next = std::make_shared<Current>();
  next->config = config;
  next->applied_at = time_now();
  if (replaces) {
    next->session = current()->session;
  } else {
    const std::string wanted = id ? *id : next_id_.empty() ? new_session_id() : next_id_;
    auto session = writer_.start(wanted);
    if (!session) return api_problem(refused() ? 503 : id ? 400 : 500, session.error());  // or the name's
    next->session = *session;
  }
  {
    const std::lock_guard lock(mutex_);
    current_ = next;
    last_stream_ = next->session->stream;
  }
  next_id_.clear();
  return told(next, replaces ? 200 : 201);
}

// With changing_ held. Nothing is published into the session from here on; its end marker is the last.
ApiAnswer TelemetryApi::clear() {
  CurrentRef before;
  {
    const std::lock_guard lock(mutex_);
    before.swap(current_);
  }
  if (before) {
    const auto deadline = steady_clock::now() + std::min(kClearWaits, longest_wait_);
    if (auto end = writer_.end(before->session->id, deadline)) writer_.await_end(*end, deadline);
  }
  return {200, fmt::format(R"({{"config":{},"seq":{}}})", TelemetryConfig{}.json(), writer_.last_seq())};
}

ApiAnswer TelemetryApi::publish(std::string_view body) {
  if (!within_json_depth(body))
    return api_problem(400, fmt::format("the body nests deeper than {}", kMaxJsonDepth));
  const nlohmann::json given = nlohmann::json::parse(body, nullptr, false);
  if (given.is_discarded()) return api_problem(400, no_json(body));
  if (!given.is_object()) return api_problem(400, "the body is no JSON object");
  auto event = event_from_json(given);
  if (!event) return api_problem(400, event.error());
  const auto category = category_of(event->type, event->category);
  if (!category) return api_problem(400, category.error());
  for (int tries = 0; tries < kPublishTries; ++tries) {
    if (refused()) return api_problem(503, "the writer is shutting down");
    const CurrentRef now = current();
    if (!now || !now->config.captures(*category)) return {204, ""};
    std::string envelope;
    const auto published = writer_.publish(now->session->id, *event, &envelope);
    if (published) return {200, std::move(envelope)};
    if (refused()) return api_problem(503, "the writer is shutting down");
    // It may have been cleared meanwhile, or have another identity: whoever changes it has the word first.
    const std::lock_guard lock(changing_);
    if (current() == now) return api_problem(400, published.error());
  }
  return api_problem(503, "the session is changed all the time: try again");
}

ApiAnswer TelemetryApi::identify(std::string_view body) {
  const nlohmann::json given =
      within_json_depth(body) ? nlohmann::json::parse(body, nullptr, false) : nlohmann::json();
  if (!given.is_object())
    return api_problem(400, R"(the body is no JSON object such as {"session": "vm-2", "inherit": false})");
  auto next = identity_from_json(given);
  if (!next) return api_problem(400, next.error());
  const std::lock_guard lock(changing_);
  if (refused()) return api_problem(503, "the writer is shutting down");
  const CurrentRef before = current();
  next->begin = before != nullptr;
  const auto identified = writer_.identify(*next);
  if (!identified) return api_problem(refused() ? 503 : 400, identified.error());
  if (before) {
    auto renewed = std::make_shared<Current>(*before);
    renewed->session = identified->session;
    const std::lock_guard now(mutex_);
    last_stream_ = renewed->session->stream;
    current_ = std::move(renewed);
  } else {
    next_id_ = next->session;
  }
  return {200, identified_line(next->session, *identified)};
}

ApiAnswer TelemetryApi::flush(std::string_view body) {
  milliseconds wait = longest_wait_;
  if (!body.empty()) {
    const nlohmann::json given =
        within_json_depth(body) ? nlohmann::json::parse(body, nullptr, false) : nlohmann::json();
    if (!given.is_object())
      return api_problem(400, R"(the body is no JSON object such as {"deadline_ms": 2000})");
    if (given.size() != given.count("deadline_ms"))
      return api_problem(400, "nothing but `deadline_ms` is expected here");
    if (const auto found = given.find("deadline_ms"); found != given.end()) {
      if (!found->is_number() || !(found->get<double>() >= 0))
        return api_problem(400, "`deadline_ms` must be a number of milliseconds, 0 or more");
      wait = milliseconds(static_cast<std::int64_t>(
          std::min(found->get<double>(), static_cast<double>(kMaxOpDeadline.count()))));
    }
  }
  std::string stream;
  std::uint64_t after = 0;
  {
    const std::lock_guard lock(mutex_);
    stream = current_ ? current_->session->stream : last_stream_;
    if (current_) after = current_->session->after;
  }
  const FlushAnswer answer = writer_.flush(steady_clock::now() + wait);
  tell_flush(writer_.limited_log(), answer);
  const std::string not_there = fmt::format(R"("stream":{},"after":{},"cut_off":{},{},"unstored":{})",
                                            stream.empty() ? "null" : json_quoted(stream), after,
                                            answer.cut_off, missing_text(answer.told.missing, kMaxRangesTold),
                                            ranges_text(answer.told.unstored, kMaxRangesTold));
  if (!answer.flushed) {
    return {504, fmt::format(R"({{"durable_through":{},"pending":{},{}}})", answer.durable_through,
                             answer.pending, not_there)};
  }
  const auto tail = writer_.tail_of(stream);
  return {200, fmt::format(R"({{"through":{},"tail":{},"drops":{},{}}})", answer.through,
                           tail ? std::to_string(*tail) : "null", answer.told.gone, not_there)};
}

}  // namespace s2::writer
