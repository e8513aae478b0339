// Recovery: after a process died and its disk did not, what its journal holds and S2 lacks is delivered,
// exactly once and in order.
//
// For each stream: the stream is fenced with this process's token, so that nothing of the dead process can
// land any more; it is read from its tail backwards to the last stored line of each process; the lines behind
// that are appended, each batch guarded by its place. After any doubt (an answer that did not come, a place
// that another took) the stream is read again. So no line is stored twice, also without the right to fence,
// and also when the recovery itself is killed and repeated.
//
// What lies *before* a process's last stored line and is not stored was dropped from the ring or refused, and
// told as that when it happened: it stays out, because it would come out of order. A stream whose beginning
// was trimmed away, so that it cannot tell what was stored, is left alone. A line is known by its text:
// session, number, time and data.
//
// Blocks; one thread, and one that only looks whether it is told to stop. Source: system rules "Recovery",
// I3, I5.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "writer/journal_scan.h"
#include "writer/log.h"
#include "writer/s2_client.h"

namespace s2::writer {

struct RecoveryOptions {
  std::string basin;        // a journal of another basin is left alone
  std::string epoch_token;  // of this process, see epoch.h
  bool fencing = true;
  std::size_t max_batch_records = wire::kMaxBatchRecords;  // 1..1000
  std::chrono::milliseconds open_timeout{5000};
  std::chrono::milliseconds ack_timeout{5000};
  std::chrono::milliseconds backoff_base{50};
  std::chrono::milliseconds backoff_cap{2000};
  bool account = false;  // of all lines: then the stream is read to its beginning, behind the delivery
  int stop_fd = -1;      // readable: ends the recovery as the deadline does; below 0: none
};

// What became of one stream's lines: their number is the sum.
struct RecoveredStream {
  std::string stream;
  std::uint64_t stored_before = 0;  // were found in the stream
  std::uint64_t left_out = 0;       // before the last stored one of their process, and not in the stream
  std::uint64_t unknown = 0;        // before it too, but the stream was not read as far, or is trimmed
  std::uint64_t delivered = 0;      // appended and acknowledged now
  std::uint64_t missing = 0;        // not stored, as far as is known
  bool settled = false;             // there is nothing more to do: what is missing S2 will never take
  std::string problem = {};         // one line, where something is missing
};

// All streams of the journal, by `deadline`; one that cannot be reached does not keep the others from it.
// An epoch for which nothing more can be done is settled in `directory` (empty: none is, for a scan of one
// session knows no whole epoch).
std::vector<RecoveredStream> recover(const JournalScan& journal, const std::string& directory,
                                     const RecoveryOptions& options, AppendClient& client,
                                     std::chrono::steady_clock::time_point deadline, const Log& log);

}  // namespace s2::writer
