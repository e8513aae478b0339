// See driver_line.h.
#include "scenarios/driver_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "scenarios/json_number.h"
#include "scenarios/writer_driver.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

Statement garbage(std::string_view line) {
  Statement said;
  said.kind = Statement::Kind::garbage;
  said.text = std::string(line.substr(0, kMaxGarbageText));
  return said;
}

// {"identified":"vm-2","after":57,"pending":0,"left":12}, {"not_identified":"vm-2","reason":"…"}
std::optional<Statement> parse_identity(const json& line) {
  Statement said;
  said.session = text(line, "not_identified");
  said.kind = Statement::Kind::not_identified;
  said.text = text(line, "reason");
  if (!said.session.empty()) return said;
  const auto after = number_in(line, "after"), pending = number_in(line, "pending"),
             left = number_in(line, "left");
  said.session = text(line, "identified");
  if (said.session.empty() || !after || !pending || !left) return std::nullopt;
  said.kind = Statement::Kind::identified;
  said.through = *after;
  said.pending = *pending + *left;
  return said;
}

// {"dropped":{…}}, {"lost":{…}}, {"flushed":{…}}, … : the member's object, with `session` inside or beside
// it.
std::optional<Statement> parse_object(const json& line) {
  using Kind = Statement::Kind;
  struct Shape {
    const char* key;
    Kind kind;
    const char* first;
    const char* second;
  };
  static constexpr Shape kShapes[] = {{"dropped", Kind::dropped, "from", "to"},
                                      {"lost", Kind::lost, "from", "to"},
                                      {"flushed", Kind::flushed, "through", nullptr},
                                      {"stopped", Kind::stopped, "through", nullptr},
                                      {"flush_failed", Kind::flush_failed, "durable_through", "pending"}};
  for (const Shape& shape : kShapes) {
    const auto at = line.find(shape.key);
    if (at == line.end()) continue;
    if (!at->is_object()) return std::nullopt;
    const auto first = number_in(*at, shape.first);
    const auto second = shape.second ? number_in(*at, shape.second) : first;
    if (!first || !second) return std::nullopt;
    Statement said;
    said.kind = shape.kind;
    const bool range = shape.kind == Kind::dropped || shape.kind == Kind::lost;
    (range ? said.from : said.through) = *first;
    if (range) said.to = *second;
    if (shape.kind == Kind::flush_failed) said.pending = *second;
    said.session = text(*at, "session");
    said.text = text(*at, "reason");
    return said;
  }
  return std::nullopt;
}

}  // namespace

std::string stdio_line(const DriverOp& op, const std::string& current_session) {
  switch (op.kind) {
    case DriverOp::Kind::start:
      return fmt::format("{{\"op\":\"start\",\"session\":\"{}\"}}\n", op.session);
    case DriverOp::Kind::publish: {
      std::string line = fmt::format(R"({{"op":"publish","n":{},)", op.n);
      if (op.session != current_session) line += fmt::format(R"("session":"{}",)", op.session);
      if (op.publisher != 0) line += fmt::format(R"("publisher":{},)", op.publisher);
      line += R"("event":)";
      line += op.event;
      return line + "}\n";
    }
    case DriverOp::Kind::flush:
    case DriverOp::Kind::stop:
      return fmt::format("{{\"op\":\"{}\",\"session\":\"{}\",\"deadline_ms\":{}}}\n",
                         op.kind == DriverOp::Kind::flush ? "flush" : "stop", op.session, op.deadline_ms);
    case DriverOp::Kind::storage:
      return fmt::format("{{\"op\":\"storage\",\"on\":{}}}\n", op.on);
    case DriverOp::Kind::identity:
      return fmt::format("{{\"op\":\"identity\",\"session\":\"{}\",{}\"inherit\":{}}}\n", op.session,
                         op.stream.empty() ? "" : fmt::format("\"stream\":\"{}\",", op.stream), op.on);
    case DriverOp::Kind::end:
      break;
  }
  return "";
}

WriterLine parse_writer_line(std::string_view line) {
  const json parsed = json::parse(line, nullptr, false);
  if (!parsed.is_object()) return garbage(line);
  if (const auto n = number_in(parsed, "published")) {
    const auto seq = number_in(parsed, "seq");
    if (!seq) return garbage(line);
    return Published{*n, *seq};
  }
  if (const auto n = number_in(parsed, "rejected")) return Rejected{*n, text(parsed, "reason")};

  std::optional<Statement> said;
  if (const auto through = number_in(parsed, "acked")) {
    said = Statement{};
    said->kind = Statement::Kind::acked;
    said->through = *through;
  } else if (parsed.value("ready", json()) == json(true)) {
    said = Statement{};
    said->kind = Statement::Kind::ready;
  } else if (const std::string session = text(parsed, "started"); !session.empty()) {
    said = Statement{};
    said->kind = Statement::Kind::started;
    said->session = session;
  } else if (const auto on = parsed.find("storage"); on != parsed.end() && on->is_boolean()) {
    said = Statement{};
    said->kind = Statement::Kind::storage;
    said->text = on->get<bool>() ? "on" : "off";
  } else if (parsed.contains("identified") || parsed.contains("not_identified")) {
    said = parse_identity(parsed);
  } else {
    said = parse_object(parsed);
  }
  if (!said) return garbage(line);
  if (said->session.empty()) said->session = text(parsed, "session");
  return *said;
}

}  // namespace s2::scenarios
