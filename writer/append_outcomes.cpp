// See append_outcomes.h.
#include "writer/append_outcomes.h"

#include <fmt/format.h>

#include <algorithm>

#include "writer/log.h"
#include "writer/planted_bugs.h"

namespace s2::writer {

AppendOutcomes::AppendOutcomes(Durability& durability, CaptureSessions& sessions, Log log,
                               DurableErrors errors)
    : durability_(durability), sessions_(sessions), log_(std::move(log)), errors_(errors) {}

void AppendOutcomes::acked(const std::string& stream, std::span<const std::uint64_t> seqs,
                           std::uint64_t tail) {
  {
    std::unique_lock lock(mutex_);
    if (planted(PlantedBug::unlocked_tails)) lock.unlock();
    tails_[stream] = tail;
  }
  durability_.acked(seqs);
}

std::optional<std::uint64_t> AppendOutcomes::tail_of(const std::string& stream) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = tails_.find(stream); found != tails_.end()) return found->second;
  const auto past = std::ranges::find(past_tails_, stream, &std::pair<std::string, std::uint64_t>::first);
  return past == past_tails_.end() ? std::nullopt : std::optional(past->second);
}

void AppendOutcomes::forget(const std::string& stream) {
  const std::lock_guard lock(mutex_);
  const auto found = tails_.find(stream);
  if (found == tails_.end()) return;
  std::erase_if(past_tails_, [&](const auto& past) { return past.first == stream; });
  past_tails_.emplace_back(*found);
  if (past_tails_.size() > kMaxPastTails) past_tails_.pop_front();
  tails_.erase(found);
}

void AppendOutcomes::failed(const std::string& stream, std::span<const std::uint64_t> seqs,
                            const AppendFailure& why) {
  if (seqs.empty()) return;
  std::string reason = one_line(why.reason, kMaxReasonBytes);
  if (why.kind == FailureKind::unknown) reason = "outcome unknown: " + reason;
  SessionRef session = durability_.session_of(seqs.front());
  const std::uint64_t count = durability_.lost(seqs, reason);
  if (count == 0) return;  // but for a drop's marker
  log_(fmt::format("{} from {} on {} lost: stream {}: {}", counted(count, "event"), seqs.front(),
                   count == 1 ? "is" : "are", stream, reason));
  tell_failure(session, seqs.front(), count, reason);
}

void AppendOutcomes::tell_failure(const SessionRef& session, std::uint64_t first, std::size_t count,
                                  const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    ++failures_.appends;
    failures_.events += count;
  }
  if (!session || errors_ == DurableErrors::counter) return;
  sessions_.publish_error(
      session, "system_durable_error",
      fmt::format(R"({{"first_seq":{},"count":{},"reason":{}}})", first, count, json_quoted(reason)));
}

AppendFailures AppendOutcomes::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

void AppendOutcomes::note(const std::string& stream, const std::string& line) {
  log_(fmt::format("stream {}: {}", stream, line));
}

}  // namespace s2::writer
