// What became of appends, on its way from the producers to the account, the log and the session's viewers.
//
// Any thread. Durability and sessions belong to the caller and outlive this. Source: system rule "Failures".
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "writer/capture_session.h"
#include "writer/durability.h"
#include "writer/log.h"
#include "writer/producer.h"

namespace s2::writer {

inline constexpr std::size_t kMaxReasonBytes = 256;  // of a loss
inline constexpr std::size_t kMaxPastTails = 64;     // of streams that were forgotten; as kMaxRememberedEnds

// How the failure of an append is told, beside its `lost` line: as one system_durable_error event in its
// session (journal and viewers, never the stream), or counted only. S2_WRITER_DURABLE_ERROR.
enum class DurableErrors { event, counter };

// Appends that failed for good, and the events in them.
struct AppendFailures {
  std::uint64_t appends = 0;
  std::uint64_t events = 0;
};

// What the producers say of appends, carried to the account and, where one failed for good, to the session's
// viewers as DurableErrors says. Any thread.
class AppendOutcomes : public ProducerListener {
 public:
  AppendOutcomes(Durability& durability, CaptureSessions& sessions, Log log,
                 DurableErrors errors = DurableErrors::event);
  void acked(const std::string& stream, std::span<const std::uint64_t> seqs, std::uint64_t tail) override;
  void failed(const std::string& stream, std::span<const std::uint64_t> seqs,
              const AppendFailure& why) override;
  void note(const std::string& stream, const std::string& line) override;

  // The stream's end as its last acknowledgement told it.
  std::optional<std::uint64_t> tail_of(const std::string& stream) const;
  // Its producer is gone: of such streams the newest kMaxPastTails ends stay known.
  void forget(const std::string& stream);

  // Records from `first` on failed for good: counts it, and publishes its error event where there is to be
  // one.
  void tell_failure(const SessionRef& session, std::uint64_t first, std::size_t count,
                    const std::string& reason);
  AppendFailures failures() const;

 private:
  Durability& durability_;
  CaptureSessions& sessions_;
  Log log_;
  const DurableErrors errors_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> tails_;                    // bounded by the producers' streams
  std::deque<std::pair<std::string, std::uint64_t>> past_tails_;  // of those forgotten; newest last
  AppendFailures failures_;
};

}  // namespace s2::writer
