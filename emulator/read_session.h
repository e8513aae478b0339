// Read sessions: batches as they come, heartbeats at the tail, until a bound is reached; as s2s frames or
// SSE.
//
// On the emulator's thread. A session lives as long as its exchange's callbacks. It stops reading from the
// store while kWritableBytes wait for a slow reader. S2 spec "read session", "SSE".
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "emulator/exchange.h"
#include "emulator/world.h"
#include "wire/compress.h"
#include "wire/json.h"

namespace s2::emulator {

// How a session speaks. Each gives the bytes to send; `end` may be empty.
class ReadVoice {
 public:
  virtual ~ReadVoice() = default;
  virtual std::string content_type() const = 0;
  virtual std::string batch(const wire::ReadBatch& batch) = 0;
  virtual std::string heartbeat(const wire::StreamPosition& tail, std::uint64_t now_ms) = 0;
  virtual std::string error(const wire::ApiError& error, bool reconnect_advised) = 0;
  virtual std::string end() = 0;
};

std::unique_ptr<ReadVoice> make_s2s_voice(wire::Compression how);
std::unique_ptr<ReadVoice> make_sse_voice(wire::Format format);

struct ReadSessionStart {
  ReadCursor cursor;
  std::optional<std::uint32_t> wait_secs;
  std::optional<History::Op> history;  // it began at 0, so that it may turn out to be a whole read
};

void start_read_session(World& world, const ExchangePtr& exchange, ReadSessionStart start,
                        std::unique_ptr<ReadVoice> voice);

}  // namespace s2::emulator
