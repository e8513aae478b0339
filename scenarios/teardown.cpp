// See teardown.h.
#include "scenarios/teardown.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "scenarios/clock.h"
#include "scenarios/json_number.h"
#include "scenarios/number_ranges.h"
#include "scenarios/origin.h"
#include "scenarios/quantity.h"
#include "scenarios/reach.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLeastPatience{50};  // for one answer
constexpr milliseconds kProbeFor{500};      // why nobody answers
constexpr milliseconds kAskFor{2000};       // what is captured, at the most
// The flush's own deadline ends before ours, so that its answer still arrives.
constexpr int kFlushShare = 900;  // thousandths

// The VM's telemetry API.
class Vm {
 public:
  Vm(const TeardownRequest& request, Clock::time_point deadline)
      : url_(request.telemetry), client_(request.telemetry), deadline_(deadline) {
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
  std::string why_none(httplib::Error error) const {
    if (error == httplib::Error::Connection)
      return why_unreachable(url_, std::max(std::min(kProbeFor, left()), kLeastPatience));
    return fmt::format("no answer from {} ({})", url_, httplib::to_string(error));
  }
  Answer answer(const httplib::Result& result) const {
    if (!result) return {0, {}, why_none(result.error())};
    json body = json::parse(result->body, nullptr, /*allow_exceptions=*/false);
    std::string why = fmt::format("status {}", result->status);
    if (body.is_object() && body.contains("error") && body["error"].is_string())
      why += ": " + body["error"].get<std::string>().substr(0, 200);
    return {result->status, std::move(body), std::move(why)};
  }

  const std::string url_;
  httplib::Client client_;
  httplib::Headers headers_;
  const Clock::time_point deadline_;
};

NumberRanges ranges(const json& body, const char* name) {
  NumberRanges all;
  if (!body.is_object() || !body.contains(name) || !body[name].is_array()) return all;
  for (const json& each : body[name]) {
    const auto from = number_in(each, "from"), to = number_in(each, "to");
    if (from && to && *from != 0 && *to != NumberRanges::kOpen) all.add(*from, *to);
  }
  return all;
}

// What the writer says beside that all is stored.
struct Account {
  std::string stream;                 // that is captured, or was last; empty: nobody knows
  std::optional<std::uint64_t> tail;  // its end
  std::uint64_t after = 0;            // of this process, events up to this number are other streams'
  NumberRanges gone;                  // dropped or lost
  std::uint64_t unnamed = 0;          // and so many more
  NumberRanges unstored;              // no events of the stream
};

void take_stream(const json& body, Account& said) {
  if (!body.is_object() || !body.contains("stream") || !body["stream"].is_string()) return;
  said.stream = body["stream"].get<std::string>();
  said.after = number_in(body, "after").value_or(0);
}

void ask_what_is_captured(Vm& vm, TeardownRecord& record, Account& said) {
  const auto answer = vm.get("/telemetry", std::min(kAskFor, vm.left() / 2));
  if (answer.status != 200) return;
  record.last_accepted = number_in(answer.body, "seq");
  take_stream(answer.body, said);
}

void flush(Vm& vm, TeardownRecord& record, Account& said) {
  const auto answer =
      vm.post("/telemetry/flush", {{"deadline_ms", (vm.left() * kFlushShare / 1000).count()}});
  const auto accepted = [&](std::optional<std::uint64_t> seq) {
    if (seq) record.last_accepted = std::max(record.last_accepted.value_or(0), *seq);
  };
  said.gone = ranges(answer.body, "missing");
  said.unstored = ranges(answer.body, "unstored");
  take_stream(answer.body, said);
  const auto cut_off = number_in(answer.body, "cut_off");
  if (answer.status == 200 || cut_off != 0U) accepted(cut_off);  // else: it could not be taken in time
  if (answer.status == 200 && number_in(answer.body, "through")) {
    record.flushed = true;
    record.flushed_ns = now_ns();
    record.through = number_in(answer.body, "through");
    record.drops = number_in(answer.body, "drops");
    if (*record.through > 0)
      accepted(record.through);  // with 0 it has stored nothing, however many there are
    said.tail = number_in(answer.body, "tail");
    // A writer that only counts them leaves it to the stream to tell which.
    said.unnamed =
        number_in(answer.body, answer.body.contains("missing") ? "missing_more" : "drops").value_or(0);
  } else if (answer.status == 504) {
    const std::uint64_t pending = number_in(answer.body, "pending").value_or(0);
    record.reason = fmt::format("the flush did not finish by its deadline: {} {} pending", count_of(pending),
                                pending == 1 ? "was" : "were");
  } else {
    record.reason = "the flush was not answered: " + answer.why;
  }
}

void because(TeardownRecord& record, const std::string& why) {
  record.reason += (record.reason.empty() ? "" : "; ") + why;
}

// Nothing was accepted, and so there is no stream.
bool captured_nothing(const TeardownRecord& record) {
  return record.stream.empty() && record.flushed && record.last_accepted == 0U;
}

// Step 6, while the VM still lives: the stream is as long as the writer says.
void check_tail(Reader& reader, TeardownRecord& record, const Account& said) {
  if (captured_nothing(record)) return;
  if (record.stream.empty()) return because(record, "no stream is known: name it");
  const auto tail = reader.tail_of(record.stream);
  if (!tail) return because(record, tail.error());
  if (said.tail && *tail < *said.tail) {
    because(record,
            fmt::format("the writer says that the stream ends at {}, but it ends at {}", *said.tail, *tail));
  } else if (!record.last_accepted) {
    because(record, "the writer has stored nothing, and it is not known how many events it accepted");
  } else if (*record.through == 0 && *record.last_accepted != 0) {
    because(record, fmt::format("the writer has stored none of the {} events that it accepted",
                                *record.last_accepted));
  }
}

// Why there is something missing after a flush that seemed to say that nothing is.
std::string why_missing(const TeardownRecord& record, const Account& said, const NumberRanges& missing) {
  NumberRanges silent = missing;
  silent.remove(said.gone);
  if (silent.count() <= said.unnamed)
    return fmt::format("the writer dropped or lost {}", count_of(missing.count() + record.missing_more));
  if (!said.tail && silent.last() >= *record.through)
    return fmt::format(
        "the writer says that all up to event {} is stored, but not how long this stream is: {}",
        *record.through,
        record.last_stored ? fmt::format("it ends with event {}", *record.last_stored) : "it has no event");
  return fmt::format("the writer says nothing of {} that the stream leaves out", count_of(silent.count()));
}

// What the stream holds now, and what it does not; an append that S2 still has may land after this.
void survey(Reader& reader, TeardownRecord& record, const Account& said) {
  const bool another_captured = !said.stream.empty() && said.stream != record.stream;
  NumberRanges missing = said.gone;
  tl::expected<StreamNumbers, std::string> found = tl::unexpected(std::string());
  if (!record.stream.empty()) found = reader.numbers_of(record.stream);
  if (!found) {
    if (!found.error().empty()) because(record, found.error());
    if (!captured_nothing(record)) missing.add(1, NumberRanges::kOpen);
  } else {
    record.tail = found->tail;
    if (!found->there.empty()) record.last_stored = found->there.last();
    NumberRanges left_out = found->holes;
    // Where one up to `after` is there, the stream may be an earlier process's as well.
    const std::uint64_t known = record.last_stored.value_or(said.after);
    // Behind its session's end the numbers are another stream's, where that is captured now.
    if (!(another_captured && found->ended))
      left_out.add(known + 1, record.last_accepted.value_or(NumberRanges::kOpen));
    if (record.last_stored) left_out.remove(said.unstored);  // else: a writer that has no storage
    missing.add(left_out);
    missing.remove(found->there);  // an append whose outcome it did not know
  }
  NumberRanges told_only_as_many = missing;
  told_only_as_many.remove(said.gone);
  record.missing_more = said.unnamed - std::min(said.unnamed, told_only_as_many.count());
  if (record.reason.empty() && !(missing.empty() && record.missing_more == 0))
    record.reason = why_missing(record, said, missing);
  record.missing = missing.list();
  while (record.missing.size() > kMaxMissingNamed) {  // the last one may be open: it stays
    const auto one_before = std::prev(record.missing.end(), 2);
    record.missing_more += *one_before->to - one_before->from + 1;
    record.missing.erase(one_before);
  }
  record.complete = record.flushed && record.reason.empty();
}

std::string url_problem(const std::string& flag, const std::string& url) {
  try {
    parse_origin(url);
    return "";
  } catch (const std::invalid_argument& error) {
    return fmt::format("{}: {}", flag, error.what());
  }
}

}  // namespace

std::string objection_to(const TeardownRequest& request) {
  if (request.telemetry.empty()) return "--telemetry is missing: the VM's telemetry API";
  if (request.service.endpoint.empty() || request.service.basin.empty())
    return "--endpoint and --basin are missing: where its streams are";
  if (auto wrong = url_problem("--telemetry", request.telemetry); !wrong.empty()) return wrong;
  if (!parse_origin(request.telemetry).path.empty())
    return fmt::format("--telemetry: `{}` has a path, expected http://HOST:PORT", request.telemetry);
  if (auto wrong = url_problem("--endpoint", request.service.endpoint); !wrong.empty()) return wrong;
  if (request.deadline.count() <= 0) return "--deadline is 0: the flush needs some time";
  return "";
}

TeardownRecord tear_down(const TeardownRequest& request, const Destroy& destroy) {
  const auto began = Clock::now();
  TeardownRecord record;
  record.stream = request.stream;
  Vm vm(request, began + request.deadline);
  Reader reader(request.service);
  Account said;
  if (vm.valid()) {
    ask_what_is_captured(vm, record, said);
    flush(vm, record, said);
    if (record.stream.empty()) record.stream = said.stream;
    if (said.stream != record.stream) {  // another stream's
      said.tail.reset();
      said.after = 0;
    }
  } else {
    record.reason = fmt::format("`{}` is no URL of a telemetry API", request.telemetry);
  }
  if (record.flushed) check_tail(reader, record, said);
  std::string not_destroyed;
  record.left_to_caller = !destroy;
  if (destroy) {
    if (const auto done = destroy(); done) {
      record.destroyed = true;
    } else {
      not_destroyed = done.error();
    }
  }
  survey(reader, record, said);
  if (!not_destroyed.empty()) because(record, not_destroyed);
  record.took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
  return record;
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
  if (record.left_to_caller) line["destroy"] = "left to the caller";
  add("through", record.through);
  add("tail", record.tail);
  add("last_stored", record.last_stored);
  add("drops", record.drops);
  for (const auto& [from, to] : record.missing)
    line["missing"].push_back({{"from", from}, {"to", to ? json(*to) : json(nullptr)}});
  if (record.missing_more != 0) line["missing_more"] = record.missing_more;
  if (!record.reason.empty()) line["reason"] = record.reason;
  return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace s2::scenarios
