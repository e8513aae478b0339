// An event from JSON to its envelope and back: what is accepted is marshalled as valid JSON that says the
// same, every reader of it finds its number, and what is refused is refused with one line.
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz/targets/target.h"
#include "scenarios/event_text.h"
#include "scenarios/number_ranges.h"
#include "wire/json.h"
#include "writer/event_json.h"
#include "writer/journal_scan.h"

using namespace s2;
using s2::fuzz::must;

namespace {

constexpr std::uint64_t kSeq = 4711;
constexpr std::int64_t kNow = 1'700'000'000'000'000;

std::string text_at(const nlohmann::json& object, const char* name) {
  return object.at(name).get<std::string>();
}

void marshal(const std::string& session, const writer::Event& event) {
  auto prepared = writer::PreparedEvent::make(session, event, kNow);
  if (!prepared) return fuzz::must_be_line(prepared.error());
  const auto identity =
      std::make_shared<const writer::SessionIdentity>(writer::SessionIdentity{1, session, session});
  const writer::Envelope envelope = std::move(*prepared).seal(identity, kSeq, true);
  must(envelope.json.find_first_of("\r\n") == std::string::npos, "an envelope is a line");
  const auto said = nlohmann::json::parse(envelope.json, nullptr, false);
  must(said.is_object(), "an envelope is JSON");
  must(said.at("seq") == kSeq && text_at(said, "capture_session_id") == wire::utf8_lossy(session),
       "it bears its number and its session");
  const auto& told = said.at("event");
  must(told.at("ts") == (event.ts_us == 0 ? kNow : event.ts_us), "it bears its time");
  must(text_at(told, "type") == wire::utf8_lossy(event.type) &&
           text_at(told, "url") == wire::utf8_lossy(event.url) &&
           text_at(told, "detail_level") == wire::utf8_lossy(event.detail_level) &&
           text_at(told, "category") == envelope.category,
       "its texts come back");
  must(told.at("truncated") == envelope.truncated, "it says whether it was cut");
  const auto data = nlohmann::json::parse(event.data_json.empty() ? "null" : event.data_json, nullptr, false);
  must(told.at("data") == (envelope.truncated ? nlohmann::json() : data), "its data come back");

  scenarios::StoredNumbers numbers;
  numbers.take(envelope.json);
  must(numbers.there().contains(kSeq) || told.at("type") == "system_events_dropped",
       "another reader finds its number");
  must(writer::journal_line(envelope.json, false).ends_with(R"(,"store":false})"),
       "a journal says what is not stored");

  // Once more from what was marshalled: the same bytes.
  const auto again = writer::event_from_json(told);
  if (event.ts_us < 0) return;  // of a caller in C++, who may say so
  must(again.has_value(), "an envelope's event is an event");
  auto second = writer::PreparedEvent::make(session, *again, kNow);
  must(second.has_value(), "an envelope's event can be marshalled");
  const writer::Envelope copy = std::move(*second).seal(identity, kSeq, true);
  const auto copied = nlohmann::json::parse(copy.json, nullptr, false);
  must(envelope.truncated || copied == said, "and says the same");
}

}  // namespace

FUZZ_TARGET(event, input) {
  const std::string text(input);
  // As both drivers take one.
  const auto given =
      writer::within_json_depth(text) ? nlohmann::json::parse(text, nullptr, false) : nlohmann::json();
  if (given.is_object()) {
    if (const auto event = writer::event_from_json(given)) {
      marshal("vm", *event);
    } else {
      fuzz::must_be_line(event.error());
    }
    if (const auto identity = writer::identity_from_json(given); !identity)
      fuzz::must_be_line(identity.error());
  }
  fuzz::must_be_line(writer::no_json(text));
  // As a caller in C++ hands one in: each of its texts may hold anything.
  marshal(text, {.type = "console_log", .url = text, .data_json = text});
  marshal("vm", {.ts_us = 1, .type = "page_" + text, .source = {text, text, text}, .detail_level = text});
  marshal("vm", {.type = text, .category = "network"});
  // And as the harness reads a recorded one: an event of it still bears its probe.
  constexpr std::string_view kRun = "0123456789abcdef";
  if (const auto shape = scenarios::shape_of_json(nlohmann::json::parse(text, nullptr, false))) {
    const std::string probed = shape->text(kRun, 7);
    must(nlohmann::json::accept(probed), "an event with a probe is JSON");
    must(shape->kept_bytes <= shape->bytes(), "no more stays of an event than there is");
    const auto found = scenarios::find_probes(probed, kRun);
    must(std::find(found.begin(), found.end(), 7) != found.end(), "its probe is found");
  }
  for (const std::uint64_t n : scenarios::find_probes(text, kRun))
    must(text.find(scenarios::probe_text(kRun, n).substr(0, 23)) != std::string::npos, "a probe is there");
}
