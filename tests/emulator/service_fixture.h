// A service with one basin, and the verbs that the tests of it speak in.
//
// For tests of the room `emulator`; one thread. `now` is the tests' clock, in milliseconds.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/service.h"

namespace s2::emulator {

inline const std::string kBasin = "test-basin";
inline const std::string kStream = "events";

inline wire::AppendRecord record(std::string body, std::optional<std::uint64_t> timestamp = std::nullopt) {
  return wire::AppendRecord{timestamp, {}, std::move(body)};
}

inline wire::AppendInput input(std::vector<wire::AppendRecord> records) {
  wire::AppendInput out;
  out.records = std::move(records);
  return out;
}

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    BasinConfig config;
    config.create_stream_on_append = true;
    config.create_stream_on_read = true;
    EXPECT_TRUE(service.create_basin(kBasin, config, std::nullopt, now));
  }

  Result<wire::AppendAck> append(wire::AppendInput batch) {
    return service.append(kBasin, kStream, std::move(batch), now);
  }
  Result<wire::AppendAck> append(std::vector<wire::AppendRecord> records) {
    return append(input(std::move(records)));
  }
  Result<wire::AppendAck> append(std::string body) { return append({record(std::move(body))}); }

  // A stream with this configuration, named kStream.
  void stream_with(const StreamConfigLayer& config) {
    ASSERT_TRUE(service.create_stream(kBasin, kStream, config, std::nullopt, now));
  }

  Result<ReadStep> read(const ReadRequest& request) {
    Result<ReadCursor> cursor = service.open_read(kBasin, kStream, request, now);
    if (!cursor) return tl::unexpected(cursor.error());
    return service.step(*cursor, now);
  }

  // All that a unary read from there gives.
  std::vector<wire::SequencedRecord> records_from(std::uint64_t seq_num) {
    ReadRequest request;
    request.from = FromSeqNum{seq_num};
    request.unary = true;
    const Result<ReadStep> step = read(request);
    return step ? step->batch.records : std::vector<wire::SequencedRecord>{};
  }

  std::vector<std::string> bodies_from(std::uint64_t seq_num) {
    std::vector<std::string> out;
    for (const wire::SequencedRecord& held : records_from(seq_num)) out.push_back(held.body);
    return out;
  }

  StreamState state() { return service.stream_state(kBasin, kStream).value(); }

  Service service;
  std::uint64_t now = 1'000'000;
};

inline ReadRequest from_seq_num(std::uint64_t seq_num) {
  ReadRequest request;
  request.from = FromSeqNum{seq_num};
  return request;
}

inline ReadRequest from_timestamp(std::uint64_t timestamp) {
  ReadRequest request;
  request.from = FromTimestamp{timestamp};
  return request;
}

inline ReadRequest from_tail_offset(std::uint64_t offset) {
  ReadRequest request;
  request.from = FromTailOffset{offset};
  return request;
}

// What a refusal is, in one value that prints well.
using Refusal = std::pair<int, std::string>;
inline const Refusal kInvalid{422, "invalid"};

template <class T>
Refusal refusal(const Result<T>& result) {
  if (result) return {0, "(not refused)"};
  return {result.error().status, result.error().code};
}

}  // namespace s2::emulator
