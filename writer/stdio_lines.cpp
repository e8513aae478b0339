// Parsing and printing of the stdio driver's lines; see stdio_lines.h.
#include "writer/stdio_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "wire/json.h"
#include "writer/event_json.h"
#include "writer/log.h"

namespace s2::writer {

namespace {

using nlohmann::json;

tl::unexpected<std::string> wrong(const char* what) {
  return tl::unexpected<std::string>(what);
}

// The member as text: empty where it is missing, nothing where it is something else.
std::optional<std::string> text_of(const json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

tl::expected<Event, std::string> event_of(const json& line) {
  auto found = line.find("event");
  if (found == line.end() || !found->is_object()) return wrong("the event is missing, or is not an object");
  return event_from_json(*found);
}

bool deadline_of(const json& line, std::optional<std::chrono::milliseconds>& deadline) {
  auto found = line.find("deadline_ms");
  if (found == line.end() || found->is_null()) return true;
  if (!found->is_number() || found->get<double>() < 0) return false;
  double ms = std::min(found->get<double>(), static_cast<double>(kMaxOpDeadline.count()));
  deadline = std::chrono::milliseconds(static_cast<std::int64_t>(ms));
  return true;
}

std::string with_session(std::string body, const std::string& session) {
  if (!session.empty()) body += fmt::format(R"(,"session":{})", json_quoted(session));
  return body + "}";
}

std::string reason_text(const std::string& reason) {
  return json_quoted(one_line(reason, kMaxReasonOnLine));
}

}  // namespace

tl::expected<StdioOp, std::string> parse_op(std::string_view text, bool* repaired) {
  if (!within_json_depth(text)) return tl::unexpected(fmt::format("nests deeper than {}", kMaxJsonDepth));
  json line = json::parse(text, nullptr, false);
  if (line.is_discarded() && !wire::is_utf8(text)) {
    line = json::parse(wire::utf8_lossy(text), nullptr, false);
    if (repaired != nullptr) *repaired = true;
  }
  if (!line.is_object()) return wrong("not a JSON object");
  auto op = text_of(line, "op");
  auto session = text_of(line, "session");
  if (!op || op->empty()) return wrong("\"op\" is missing");
  if (!session) return wrong("\"session\" must be text");
  std::optional<std::chrono::milliseconds> deadline;
  if (!deadline_of(line, deadline)) return wrong("\"deadline_ms\" must be a number of milliseconds");
  if (*op == "start") return StartOp{std::move(*session)};
  if (*op == "flush") return FlushOp{std::move(*session), deadline};
  if (*op == "stop") return StopOp{std::move(*session), deadline};
  if (*op == "storage") {
    auto on = line.find("on");
    if (on == line.end() || !on->is_boolean()) return wrong("\"on\" must be true or false");
    return StorageOp{on->get<bool>()};
  }
  if (*op == "identity") {
    auto next = identity_from_json(line);
    if (!next) return tl::unexpected(next.error());
    return IdentityOp{std::move(*next)};
  }
  if (*op != "publish") return wrong("\"op\" is none of start, publish, flush, stop, storage, identity");
  auto n = line.find("n");
  if (n == line.end() || !n->is_number_unsigned())
    return wrong("\"n\" of a publish must be a number from 0 on");
  return PublishOp{n->get<std::uint64_t>(), std::move(*session), event_of(line)};
}

std::string ready_line() {
  return R"({"ready":true})";
}

std::string started_line(const std::string& session) {
  return fmt::format(R"({{"started":{}}})", json_quoted(session));
}

std::string storage_line(bool on) {
  return fmt::format(R"({{"storage":{}}})", on);
}

std::string identified_line(const std::string& session, const Identified& identified) {
  return fmt::format(R"({{"identified":{},"after":{},"pending":{},"left":{}}})", json_quoted(session),
                     identified.after, identified.pending, identified.left);
}

std::string not_identified_line(const std::string& session, const std::string& reason) {
  return fmt::format(R"({{"not_identified":{},"reason":{}}})", json_quoted(session), reason_text(reason));
}

std::string published_line(std::uint64_t n, std::uint64_t seq, const std::string& session) {
  return with_session(fmt::format(R"({{"published":{},"seq":{})", n, seq), session);
}

std::string rejected_line(std::uint64_t n, const std::string& reason, const std::string& session) {
  return with_session(fmt::format(R"({{"rejected":{},"reason":{})", n, reason_text(reason)), session);
}

std::string dropped_line(const std::string& session, std::uint64_t from, std::uint64_t to) {
  return with_session(fmt::format(R"({{"dropped":{{"from":{},"to":{}}})", from, to), session);
}

std::string acked_line(const std::string& session, std::uint64_t through) {
  return with_session(fmt::format(R"({{"acked":{})", through), session);
}

std::string lost_line(const std::string& session, std::uint64_t from, std::uint64_t to,
                      const std::string& reason) {
  return with_session(
      fmt::format(R"({{"lost":{{"from":{},"to":{},"reason":{}}})", from, to, reason_text(reason)), session);
}

std::string flush_line(const std::string& session, const FlushAnswer& answer) {
  return with_session(answer.flushed
                          ? fmt::format(R"({{"flushed":{{"through":{},"drops":{},{}}})", answer.through,
                                        answer.told.gone, missing_text(answer.told.missing, kMaxRangesOnLine))
                          : fmt::format(R"({{"flush_failed":{{"durable_through":{},"pending":{},{}}})",
                                        answer.durable_through, answer.pending,
                                        missing_text(answer.told.missing, kMaxRangesOnLine)),
                      session);
}

std::string ranges_text(const SeqRanges& ranges, std::size_t most) {
  std::string text = "[";
  for (std::size_t i = 0; i < std::min(most, ranges.named.size()); ++i) {
    text += fmt::format(R"({}{{"from":{},"to":{}}})", i == 0 ? "" : ",", ranges.named[i].from,
                        ranges.named[i].to);
  }
  return text + "]";
}

std::string missing_text(const SeqRanges& missing, std::size_t most) {
  std::uint64_t more = missing.more;
  for (std::size_t i = most; i < missing.named.size(); ++i)
    more += missing.named[i].to - missing.named[i].from + 1;
  std::string text = "\"missing\":" + ranges_text(missing, most);
  if (more != 0) text += fmt::format(",\"missing_more\":{}", more);
  return text;
}

std::string stopped_line(const Stopped& stopped) {
  std::string body = fmt::format(R"({{"stopped":{{"through":{})", stopped.durable_through);
  if (stopped.pending != 0) body += fmt::format(R"(,"pending":{})", stopped.pending);
  return with_session(body + "}", stopped.session);
}

void LineSplitter::receive(std::string_view bytes, std::vector<std::string>& lines) {
  while (!bytes.empty()) {
    std::size_t newline = bytes.find('\n');
    std::string_view piece = bytes.substr(0, newline);
    if (!skipping_ && partial_.size() + piece.size() > kMaxInputLineBytes) {
      skipping_ = true;
      ++overlong_;
      partial_ = std::string();
    }
    if (!skipping_) partial_.append(piece);
    if (newline == std::string_view::npos) return;
    finish(lines);
    bytes.remove_prefix(newline + 1);
  }
}

void LineSplitter::end(std::vector<std::string>& lines) {
  finish(lines);
}

void LineSplitter::finish(std::vector<std::string>& lines) {
  bool blank = std::all_of(partial_.begin(), partial_.end(),
                           [](char c) { return c == ' ' || c == '\r' || c == '\t'; });
  if (!skipping_ && !blank) lines.push_back(std::move(partial_));
  partial_ = std::string();
  skipping_ = false;
}

std::size_t LineSplitter::take_overlong() {
  return std::exchange(overlong_, 0);
}

}  // namespace s2::writer
