// A capture session's change of identity after a fork; see capture_session.h and docs/forks.md.
#include <fmt/format.h>

#include <algorithm>

#include "wire/types.h"
#include "writer/capture_session.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

void CaptureSessions::wait_renewed(std::unique_lock<std::mutex>& lock) {
  landed_.wait(lock, [this] { return !renewing_; });
}

// One line, or empty.
std::string CaptureSessions::objection_to(const NewIdentity& next) const {
  if (!refusal_.empty()) return refusal_;
  if (renewing_) return "another change of identity is under way";
  for (const auto& [name, what] : {std::pair(&next.session, "session"), std::pair(&next.stream, "stream")}) {
    if (name->size() > kMaxSessionIdBytes)
      return fmt::format("\"{}\" has at most {} bytes", what, kMaxSessionIdBytes);
  }
  if (next.session.empty()) return "\"session\" is missing: the id that the branch goes on with";
  if (fixed_stream_.empty() != next.stream.empty()) {
    return fixed_stream_.empty()
               ? "\"stream\" is for writers with S2_STREAM: here the session names its stream"
               : "\"stream\" is missing: S2_STREAM fixes the source's, the branch needs its own";
  }
  const std::string& stream = next.stream.empty() ? next.session : next.stream;
  if (wire::is_dots(stream)) return wire::kDotsAreNoName;
  const auto is_same = [&](const SessionIdentity& known) {
    return known.id == next.session || known.stream == stream;
  };
  const bool taken =
      stream == fixed_stream_ || std::find(left_.begin(), left_.end(), stream) != left_.end() ||
      std::any_of(active_.begin(), active_.end(), [&](const State& s) { return is_same(*s.identity); }) ||
      std::any_of(ended_.begin(), ended_.end(), [&](const SessionRef& s) { return is_same(*s); });
  if (taken) return "the session or its stream is the source's: a branch needs a name that is new";
  return {};
}

tl::expected<CaptureSessions::Renewed, std::string> CaptureSessions::renew(
    const NewIdentity& next, Clock::time_point deadline,
    const std::function<void(std::uint64_t cut_off)>& change) {
  std::unique_lock lock(publish_);
  if (std::string objection = objection_to(next); !objection.empty()) return tl::unexpected(objection);
  renewing_ = true;
  wait_until_gone(lock, next_ticket_, std::nullopt, deadline);
  renewing_ = false;
  landed_.notify_all();  // they get the lock when all is changed
  if (!refusal_.empty()) return tl::unexpected(refusal_);

  Renewed renewed;
  renewed.cut_off = ring_.last_seq();
  for (const State& state : active_) renewed.ended.push_back(state.identity);
  active_.clear();
  if (!next.inherit) leave_streams(renewed.ended);
  for (const SessionRef& session : renewed.ended) remember_end(session);
  fixed_stream_ = next.stream;
  last_started_ = next.session;
  if (next.begin) {
    std::string stream = fixed_stream_.empty() ? next.session : fixed_stream_;
    if (planted(PlantedBug::parent_stream) && !renewed.ended.empty()) stream = renewed.ended.back()->stream;
    const std::uint64_t after = others_up_to(stream);
    renewed.session = std::make_shared<const SessionIdentity>(
        SessionIdentity{next_ordinal_++, next.session, std::move(stream), after});
    active_.push_back({renewed.session});
  }
  change(renewed.cut_off);
  return renewed;
}

void CaptureSessions::leave_streams(const std::vector<SessionRef>& ending) {
  for (const SessionRef& session : ended_) left_.push_back(session->stream);
  for (const SessionRef& session : ending) left_.push_back(session->stream);
  ends_forgotten_ = ends_forgotten_ || left_.size() > kMaxLeftStreams;
  while (left_.size() > kMaxLeftStreams) left_.pop_front();
}

}  // namespace s2::writer
