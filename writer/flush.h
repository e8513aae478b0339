// The flush-before-delete handshake: everything accepted before it is stored, or the caller is told what is
// not.
//
// Waits for the publishes in flight, takes the cut-off C inside the publish lock, waits until the storage
// writer has passed C, sends partial batches without linger, and awaits every ack up to C. Idempotent; any
// number may run at once, from any thread; none outlives its deadline. Source: system rule "Flush before
// delete", steps 3 to 5.
#pragma once

#include <cstdint>

#include "writer/capture_session.h"
#include "writer/durability.h"
#include "writer/log.h"
#include "writer/producer.h"
#include "writer/storage_writer.h"

namespace s2::writer {

struct FlushAnswer {
  bool flushed = false;               // 200; otherwise 504
  std::uint64_t through = 0;          // 200: durable through this number (0: nothing was ever stored)
  std::uint64_t durable_through = 0;  // 504
  std::uint64_t pending = 0;          // 504: events up to the cut-off that are not known to be stored
  std::uint64_t cut_off = 0;          // 0: it could not be taken in time
  Told told = {};                     // what is not stored, and never will be, of this branch
};

// One line, for the log of the driver that was asked; see LimitedLog.
void tell_flush(LimitedLog& log, const FlushAnswer& answer);

// `storage` is null in a writer without durable storage: then nothing is durable, and it says so.
FlushAnswer run_flush(CaptureSessions& sessions, Durability& durability, StorageWriter* storage,
                      Deadline deadline);

}  // namespace s2::writer
