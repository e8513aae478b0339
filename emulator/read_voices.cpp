// The two voices of a read session, s2s frames and server-sent events. See read_session.h.
#include <fmt/format.h>

#include "emulator/read_session.h"
#include "wire/proto.h"
#include "wire/s2s.h"
#include "wire/sse.h"

namespace s2::emulator {
namespace {

class S2sVoice final : public ReadVoice {
 public:
  explicit S2sVoice(wire::Compression how) : how_(how) {}
  std::string content_type() const override { return "s2s/proto"; }
  std::string batch(const wire::ReadBatch& batch) override {
    return wire::encode_s2s({.body = wire::to_proto(batch)}, how_);
  }
  std::string heartbeat(const wire::StreamPosition& tail, std::uint64_t) override {
    return wire::encode_s2s({.body = wire::to_proto(wire::ReadBatch{.records = {}, .tail = tail})});
  }
  std::string error(const wire::ApiError& error, bool reconnect_advised) override {
    return wire::encode_s2s({.terminal = true,
                             .reconnect_advised = reconnect_advised,
                             .body = wire::to_json(error),
                             .status = error.status});
  }
  std::string end() override { return ""; }

 private:
  wire::Compression how_;
};

class SseVoice final : public ReadVoice {
 public:
  explicit SseVoice(wire::Format format) : format_(format) {}
  std::string content_type() const override { return "text/event-stream"; }
  // The id counts what this session has delivered: a client that resumes with it gets the rest of its bounds.
  std::string batch(const wire::ReadBatch& batch) override {
    for (const wire::SequencedRecord& record : batch.records) bytes_ += wire::metered_bytes(record);
    count_ += batch.records.size();
    return wire::encode_sse({.event = "batch",
                             .data = wire::to_json(batch, format_),
                             .id = fmt::format("{},{},{}", batch.records.back().seq_num, count_, bytes_)});
  }
  std::string heartbeat(const wire::StreamPosition& tail, std::uint64_t now_ms) override {
    return wire::encode_sse(
        {.event = "ping",
         .data = fmt::format(R"({{"timestamp":{},"tail":{{"seq_num":{},"timestamp":{}}}}})", now_ms,
                             tail.seq_num, tail.timestamp),
         .id = std::nullopt});
  }
  std::string error(const wire::ApiError& error, bool) override {
    return wire::encode_sse({.event = "error", .data = wire::to_json(error), .id = std::nullopt});
  }
  std::string end() override { return wire::encode_sse({.event = "", .data = "[DONE]", .id = std::nullopt}); }

 private:
  const wire::Format format_;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<ReadVoice> make_s2s_voice(wire::Compression how) {
  return std::make_unique<S2sVoice>(how);
}
std::unique_ptr<ReadVoice> make_sse_voice(wire::Format format) {
  return std::make_unique<SseVoice>(format);
}

}  // namespace s2::emulator
