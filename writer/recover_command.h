// Recovery as main has it: before a writer begins (recover_at_start), and as the command `s2-writer recover`.
//
// Both are called once, by main's thread, before any other thread of the writer runs. Source: system rule
// "Recovery".
#pragma once

#include <chrono>
#include <tl/expected.hpp>

#include "writer/config.h"
#include "writer/journal_scan.h"
#include "writer/log.h"
#include "writer/s2_client.h"

namespace s2::writer {

inline constexpr std::chrono::seconds kRecoveryAtStart{5};  // unless S2_WRITER_RECOVERY_BUDGET says otherwise
inline constexpr std::chrono::seconds kRecoveryByCommand{60};
inline constexpr std::chrono::seconds kRecoveryOfOthers{65};  // that a start waits for: a command's, and more

// The mark of this process's lines.
JournalMark journal_mark(const Config& config);

// Delivers what earlier processes left in the journal, if nobody else uses it, and keeps it for this process
// as long as the lock lives. Whatever goes wrong with that is a line in the log, and no reason not to start.
// Without the lock there is no start: the next recovery would take this process for dead, and fence it. While
// another process recovers, it is waited for, at most `patience`. A signal on `signal_fd` (below 0: none)
// ends either early. `client` null: no durable storage, nothing to recover. The error is the exit code of a
// start that goes no further (the log says why): 0 a signal came, 3 the other process does not end.
tl::expected<JournalLock, int> recover_at_start(const Config& config, AppendClient* client, int signal_fd,
                                                const Log& log,
                                                std::chrono::milliseconds patience = kRecoveryOfOthers);

// A line of JSON a stream on stdout:
// {"recovered":{"stream","stored_before","left_out","delivered","missing","unknown"?,"problem"?}}, or
// {"left_alone":{"stream","basin","events"}} for one of another basin; where there is nothing to do, a line
// in the log says what was looked at. The exit code: 0 nothing is missing, 1 something is or cannot be known
// (said), 3 it cannot be done (the log says why).
int run_recover(const Config& config, AppendClient& client, int signal_fd, const Log& log);

}  // namespace s2::writer
