// The telemetry API, a request a line: `PUT `, `PATCH `, `POST ` (an event), `ID ` (an identity), `FLUSH `,
// `GET ` (stored events: its query's values) and `VIEW ` (a Last-Event-ID). What is refused changes nothing,
// what is taken reads back, and every answer is JSON.
#include "writer/telemetry_api.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/targets/target.h"
#include "wire/json.h"
#include "writer/live_stream.h"

using namespace s2;
using nlohmann::json;
using s2::fuzz::must;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kMostRequests = 20;

struct Nobody final : writer::DurabilityListener {
  void acked(const writer::SessionIdentity&, std::uint64_t) override {}
  void dropped(const writer::SessionIdentity&, std::uint64_t, std::uint64_t) override {}
  void lost(const writer::SessionIdentity&, std::uint64_t, std::uint64_t, const std::string&) override {}
};

// An endpoint that nobody reaches: a query that is taken ends there.
struct NoNetwork final : writer::Transport {
  struct Nowhere final : writer::Connection {
    static tl::unexpected<writer::IoError> refused() {
      return tl::unexpected(writer::IoError{writer::IoError::Kind::refused, "nobody listens"});
    }
    tl::expected<void, writer::IoError> connect(Deadline) override { return refused(); }
    tl::expected<std::size_t, writer::IoError> read(char*, std::size_t) override { return refused(); }
    tl::expected<void, writer::IoError> write(std::string_view, Deadline) override { return refused(); }
    std::string alpn() const override { return ""; }
    void close() override {}
  };
  std::unique_ptr<writer::Connection> make_connection(const writer::Endpoint&) override {
    return std::make_unique<Nowhere>();
  }
};

struct Vm {
  Nobody nobody;
  NoNetwork network;
  std::unique_ptr<writer::AppendClient> client;
  std::unique_ptr<writer::Writer> inner;
  std::unique_ptr<writer::TelemetryApi> api;
  std::unique_ptr<writer::LiveStream> live;

  Vm() {
    auto reached = writer::make_s2_client(
        {.basin = "my-basin", .basin_endpoint = "http://nowhere:1", .access_token = "t", .read_token = ""},
        network);
    must(reached.has_value(), "a client can be made");
    client = std::move(*reached);
    auto made = writer::Writer::make({.ring = {.events = 8}}, {}, nobody, [](std::string_view) {});
    must(made.has_value(), "a writer without storage can be made");
    inner = std::move(*made);
    api = std::make_unique<writer::TelemetryApi>(*inner, client.get(), milliseconds(0));
    live = std::make_unique<writer::LiveStream>(*inner);
  }
};

json body_of(const writer::ApiAnswer& answer) {
  const json body = json::parse(answer.body.empty() ? "null" : answer.body, nullptr, false);
  must(!body.is_discarded(), "an answer is JSON");
  must(wire::is_utf8(answer.body), "an answer is UTF-8");
  if (answer.status >= 400) {
    must(body.contains("error") || answer.status == 504, "a refusal says why");
    if (body.contains("error"))
      must(body["error"].get<std::string>().find('\n') == std::string::npos, "in one line");
  }
  return body;
}

// What a state says but for the numbers, which go on by themselves.
json told(writer::TelemetryApi& api) {
  json state = body_of(api.state());
  for (const char* name : {"seq", "durable_through"}) state.erase(name);
  return state;
}

void change(Vm& vm, bool put, std::string_view body) {
  const json before = told(*vm.api);
  const auto asked = writer::parse_telemetry_change(body);
  const writer::ApiAnswer answer = put ? vm.api->put(body) : vm.api->patch(body);
  body_of(answer);
  must(answer.status < 500, "nothing fails");
  const json after = told(*vm.api);
  if (answer.status >= 400) return must(after == before, "what is refused changes nothing");
  must(asked.has_value(), "only what can be read is taken");
  const bool set = after.contains("config");
  for (std::size_t i = 0; i < writer::kCategories.size(); ++i) {
    const std::string category(writer::kCategories[i]);
    const auto enabled = [&](const json& state) {
      return state.contains("config") && state["config"]["browser"][category]["enabled"].get<bool>();
    };
    const bool wanted = asked->enabled[i].value_or(!put && enabled(before));
    must(enabled(after) == wanted, "what was asked for is captured, and nothing else");
  }
  if (set && asked->capture_session_id)
    must(after["capture_session_id"] == wire::utf8_lossy(*asked->capture_session_id),
         "the session has its name");
  if (!set) return;
  // A state, put again, is the same state.
  must(vm.api->put(after["config"].dump()).status == 200, "what is told can be put");
  must(told(*vm.api)["config"] == after["config"], "and is the same");
}

void publish(Vm& vm, std::string_view body) {
  const json state = told(*vm.api);
  const std::uint64_t before = vm.inner->last_seq();
  const writer::ApiAnswer answer = vm.api->publish(body);
  const json said = body_of(answer);
  must(answer.status < 500, "nothing fails");
  must(vm.inner->last_seq() == before + (answer.status == 200 ? 1 : 0),
       "what is accepted has a number, and nothing else");
  must(told(*vm.api) == state, "an event changes no state");
  if (answer.status != 200) return;
  must(said["seq"] == before + 1 && said["capture_session_id"] == state["capture_session_id"],
       "an event is of its session");
  must(state["config"]["browser"][said["event"]["category"].get<std::string>()]["enabled"] == true,
       "only what is captured is accepted");
}

void identify(Vm& vm, std::string_view body) {
  const json before = told(*vm.api);
  const writer::ApiAnswer answer = vm.api->identify(body);
  body_of(answer);
  must(answer.status < 500, "nothing fails");
  const json after = told(*vm.api);
  if (answer.status >= 400) return must(after == before, "what is refused changes nothing");
  must(after.contains("config") == before.contains("config"), "an identity begins and ends nothing");
  if (after.contains("config")) must(after["config"] == before["config"], "what is captured stays");
}

void stored(Vm& vm, std::string_view query) {
  std::array<std::string, 5> values;
  for (std::string& value : values) {
    value = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), value.size() + 1));
  }
  const writer::ApiAnswer answer = vm.api->stored({values[0], values[1], values[2], values[3], values[4]});
  body_of(answer);
  must(answer.status == 400 || answer.status == 404 || answer.status == 502, "nobody is reached");
  for (const std::string& number : {values[1], values[2], values[3], values[4]}) {
    if (number.find_first_not_of("0123456789") != std::string::npos)
      must(answer.status == 400, "what is no number is refused");
  }
}

void view(Vm& vm, std::string_view last_seen) {
  const std::optional<std::uint64_t> id = writer::event_id(last_seen);
  const bool number = last_seen.find_first_not_of("0123456789") == std::string_view::npos;
  must(id.has_value() == number, "what is no number is refused, and nothing else");
  if (!id) return;
  const auto viewer = vm.live->join(*id, true);
  must(viewer != nullptr, "there is room for a viewer");
  if (vm.inner->last_seq() <= *id) return;  // it would wait
  std::string text;
  while (text.empty()) {
    viewer->serve([&](std::string_view bytes) { return text += bytes, true; }, [] { return true; });
  }
  must(text.starts_with("id: ") && text.ends_with("\n\n"), "an event of the live stream has a number");
  must(std::strtoull(text.c_str() + 4, nullptr, 10) > *id, "and it is behind the last one that was seen");
}

}  // namespace

FUZZ_TARGET(telemetry_api, input) {
  if (const auto asked = writer::parse_telemetry_change(input)) {
    const writer::TelemetryConfig config = asked->applied_to({});
    const auto again = writer::parse_telemetry_change(config.json());
    must(again && again->applied_to({}).enabled == config.enabled, "what is captured reads back");
  } else {
    must(!asked.error().empty() && asked.error().find('\n') == std::string::npos, "an error is one line");
  }
  Vm vm;
  std::string_view rest = input;
  for (std::size_t i = 0; i < kMostRequests && !rest.empty(); ++i) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string_view verb = line.substr(0, blank), body = line.substr(std::min(blank + 1, line.size()));
    if (verb == "PUT" || verb == "PATCH") {
      change(vm, verb == "PUT", body);
    } else if (verb == "POST") {
      publish(vm, body);
    } else if (verb == "ID") {
      identify(vm, body);
    } else if (verb == "FLUSH") {
      body_of(vm.api->flush(body));
    } else if (verb == "GET") {
      stored(vm, body);
    } else if (verb == "VIEW") {
      view(vm, body);
    }
  }
}
