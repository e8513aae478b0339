// A producer over a scripted S2, in a hurry: what the tests of producers put in and find stored.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/writer/fake_s2.h"
#include "writer/producer.h"

namespace s2::writer::test {

inline constexpr std::chrono::seconds kPatient{20};  // a bound of liveness, not a measurement

inline ProducerOptions quick_options() {
  ProducerOptions options;
  options.linger = std::chrono::milliseconds(1);
  options.max_batch_records = 4;
  options.epoch_token = "mine";
  options.backoff_base = std::chrono::milliseconds(1);
  options.backoff_cap = std::chrono::milliseconds(4);
  options.ack_timeout = std::chrono::milliseconds(30);
  options.attempts_per_budget = 3;
  return options;
}

inline wire::AppendRecord record_of(std::uint64_t seq, bool bad = false) {
  wire::AppendRecord record;
  record.body = (bad ? "bad" : "seq") + std::to_string(seq);
  return record;
}

inline std::uint64_t seq_of(const wire::AppendRecord& record) {
  return std::stoull(std::string(record.body.view().substr(3)));
}

inline Submit put(Producers& producers, std::uint64_t seq, bool bad = false,
                  const std::string& stream = "s") {
  return producers.submit(stream, seq, record_of(seq, bad), std::stop_token(),
                          std::chrono::steady_clock::now() + kPatient);
}

// A batch by itself, close to the limit of bytes.
inline Submit put_big(Producers& producers, std::uint64_t seq) {
  wire::AppendRecord record;
  record.body = "seq" + std::to_string(seq) + std::string(900 * 1024, ' ');
  return producers.submit("s", seq, std::move(record), std::stop_token(),
                          std::chrono::steady_clock::now() + kPatient);
}

inline std::vector<std::uint64_t> stored_seqs(const FakeS2& s2) {
  std::vector<std::uint64_t> out;
  for (const auto& record : s2.stored()) {
    if (!record.body.view().starts_with("other")) out.push_back(seq_of(record));
  }
  return out;
}

// What somebody else appends, without a token and at any place; stored_seqs() leaves it out.
inline wire::AppendInput of_a_stranger(std::uint64_t records = 1) {
  wire::AppendInput input;
  for (std::uint64_t n = 0; n < records; ++n) input.records.push_back({std::nullopt, {}, "other"});
  return input;
}

}  // namespace s2::writer::test
