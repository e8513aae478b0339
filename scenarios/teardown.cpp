// See teardown.h.
#include "scenarios/teardown.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "scenarios/clock.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLeastPatience{50};  // for one answer
constexpr milliseconds kAskFor{2000};       // what is captured, at the most
// The flush's own deadline ends before ours, so that its answer still arrives.
constexpr int kFlushShare = 900;  // thousandths

// The VM's telemetry API.
class Vm {
 public:
  Vm(const TeardownRequest& request, Clock::time_point deadline)
      : client_(request.telemetry), deadline_(deadline) {
    if (!request.telemetry_token.empty())
      headers_.emplace("authorization", "Bearer " + request.telemetry_token);
  }
  bool valid() const { return client_.is_valid(); }

  milliseconds left() const {
    return std::max(std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now()), milliseconds(0));
  }

  struct Answer {
    int status = 0;  // 0: none; `why` tells
    json body;
    std::string why;
  };
  Answer get(const std::string& path, milliseconds patience) {
    allow(patience);
    return answer(client_.Get(path, headers_));
  }
  Answer post(const std::string& path, const json& body) {
    allow(left());
    return answer(client_.Post(path, headers_, body.dump(), "application/json"));
  }

 private:
  void allow(milliseconds patience) {
    patience = std::max(std::min(patience, left()), kLeastPatience);
    client_.set_connection_timeout(patience);
    client_.set_read_timeout(patience);
    client_.set_write_timeout(patience);
  }
  static Answer answer(const httplib::Result& result) {
    if (!result) return {0, {}, httplib::to_string(result.error())};
    json body = json::parse(result->body, nullptr, /*allow_exceptions=*/false);
    std::string why = fmt::format("status {}", result->status);
    if (body.is_object() && body.contains("error") && body["error"].is_string())
      why += ": " + body["error"].get<std::string>().substr(0, 200);
    return {result->status, std::move(body), std::move(why)};
  }

  httplib::Client client_;
  httplib::Headers headers_;
  const Clock::time_point deadline_;
};

std::optional<std::uint64_t> number(const json& body, const char* name) {
  if (!body.is_object() || !body.contains(name) || !body[name].is_number_unsigned()) return std::nullopt;
  return body[name].get<std::uint64_t>();
}

// The highest event number among the last records.
std::optional<std::uint64_t> highest_event(const std::vector<std::string>& bodies) {
  std::optional<std::uint64_t> highest;
  for (const std::string& text : bodies) {
    const auto seq = number(json::parse(text, nullptr, /*allow_exceptions=*/false), "seq");
    if (seq) highest = std::max(highest.value_or(0), *seq);
  }
  return highest;
}

// The stream of what is captured now, and so the one whose end a flush tells; empty: nobody knows.
std::string ask_what_is_captured(Vm& vm, TeardownRecord& record) {
  const auto answer = vm.get("/telemetry", std::min(kAskFor, vm.left() / 2));
  if (answer.status != 200) return "";
  record.last_accepted = number(answer.body, "seq");
  if (!answer.body.is_object() || !answer.body.contains("stream") || !answer.body["stream"].is_string())
    return "";
  const std::string stream = answer.body["stream"].get<std::string>();
  if (record.stream.empty()) record.stream = stream;
  return stream;
}

// What the writer says of the stream's end, where it does.
std::optional<std::uint64_t> flush(Vm& vm, TeardownRecord& record) {
  const auto answer =
      vm.post("/telemetry/flush", {{"deadline_ms", (vm.left() * kFlushShare / 1000).count()}});
  if (answer.status == 200 && number(answer.body, "through")) {
    record.flushed = true;
    record.flushed_ns = now_ns();
    record.through = number(answer.body, "through");
    record.drops = number(answer.body, "drops");
    // With 0 it has stored nothing, however many there are.
    if (*record.through > 0)
      record.last_accepted = std::max(record.last_accepted.value_or(0), *record.through);
    return number(answer.body, "tail");
  }
  if (answer.status == 504) {
    record.reason = fmt::format("the flush did not finish by its deadline: {} events were pending",
                                number(answer.body, "pending").value_or(0));
  } else {
    record.reason = "the flush was not answered: " + answer.why;
  }
  return std::nullopt;
}

// What is stored, by a reader of our own. False, and the reason: it cannot be read.
bool look(Reader& reader, TeardownRecord& record) {
  if (record.stream.empty()) {
    if (record.reason.empty()) record.reason = "no stream is known: name it";
    return false;
  }
  const auto end = reader.end_of(record.stream);
  if (!end) {
    record.reason += (record.reason.empty() ? "" : "; ") + end.error();
    return false;
  }
  record.tail = end->tail;
  record.last_stored = highest_event(end->last_bodies);
  return true;
}

// Why what our reader found does not bear out the flush that was answered; empty: it does.
std::string doubt(const TeardownRecord& record, std::optional<std::uint64_t> said_tail) {
  if (said_tail) {
    if (*record.tail >= *said_tail) return "";
    return fmt::format("the writer says that the stream ends at {}, but it ends at {}", *said_tail,
                       *record.tail);
  }
  // It knows no end where it has stored nothing there, or where that session is over: then its last event
  // tells.
  if (!record.last_accepted)
    return "the writer has stored nothing, and it is not known how many events it accepted";
  if (*record.last_accepted == 0) return "";
  if (*record.through == 0)
    return fmt::format("the writer has stored none of the {} events that it accepted", *record.last_accepted);
  if (record.last_stored.value_or(0) >= *record.through) return "";
  return fmt::format(
      "the writer says that all up to event {} is stored, but not how long this stream is: {}",
      *record.through,
      record.last_stored ? fmt::format("it ends with event {}", *record.last_stored) : "it has no event");
}

}  // namespace

TeardownRecord tear_down(const TeardownRequest& request, const Destroy& destroy) {
  const auto began = Clock::now();
  TeardownRecord record;
  record.stream = request.stream;
  Vm vm(request, began + request.deadline);
  Reader reader(request.service);
  std::optional<std::uint64_t> said_tail;
  if (vm.valid()) {
    const std::string captured = ask_what_is_captured(vm, record);
    said_tail = flush(vm, record);
    if (captured != record.stream) said_tail.reset();  // another stream's
  } else {
    record.reason = fmt::format("`{}` is no URL of a telemetry API", request.telemetry);
  }
  if (record.flushed && look(reader, record)) {
    record.reason = doubt(record, said_tail);
    record.complete = record.reason.empty();
  }
  if (const auto destroyed = destroy(); !destroyed) {
    record.reason += (record.reason.empty() ? "" : "; ") + destroyed.error();
  } else {
    record.destroyed = true;
  }
  // What is stored now; an append that S2 still has may land after this, and be more than was said.
  if (!record.complete) look(reader, record);
  record.took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
  return record;
}

std::optional<Missing> missing_of(const TeardownRecord& record) {
  if (record.complete) return std::nullopt;
  const std::uint64_t from = record.last_stored.value_or(0) + 1;
  if (!record.last_accepted || !record.tail) return Missing{from, std::nullopt};
  if (*record.last_accepted < from) return std::nullopt;
  return Missing{from, record.last_accepted};
}

std::string to_json(const TeardownRecord& record) {
  json line = {{"stream", record.stream},
               {"complete", record.complete},
               {"destroyed", record.destroyed},
               {"flushed", record.flushed},
               {"took_ms", record.took.count()}};
  const auto add = [&](const char* name, const std::optional<std::uint64_t>& value) {
    if (value) line[name] = *value;
  };
  add("through", record.through);
  add("tail", record.tail);
  add("last_stored", record.last_stored);
  add("drops", record.drops);
  if (const auto missing = missing_of(record))
    line["missing"] = {{"from", missing->from}, {"to", missing->to ? json(*missing->to) : json(nullptr)}};
  if (!record.reason.empty()) line["reason"] = record.reason;
  return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace s2::scenarios
