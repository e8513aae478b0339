// A ProducerListener that remembers, for tests of producer and client.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "writer/producer.h"

namespace s2::writer::test {

struct Heard final : ProducerListener {
  std::mutex mutex;
  std::vector<std::uint64_t> acked_seqs;
  std::map<std::uint64_t, FailureKind> failed_seqs;
  std::string last_reason;
  std::vector<std::string> notes;

  void acked(const std::string&, std::span<const std::uint64_t> seqs, std::uint64_t) override {
    const std::lock_guard lock(mutex);
    acked_seqs.insert(acked_seqs.end(), seqs.begin(), seqs.end());
  }
  void failed(const std::string&, std::span<const std::uint64_t> seqs, const AppendFailure& why) override {
    const std::lock_guard lock(mutex);
    last_reason = why.reason;
    for (const auto seq : seqs) {
      if (!failed_seqs.emplace(seq, why.kind).second) notes.push_back("failed twice");
    }
  }
  void note(const std::string&, const std::string& line) override {
    const std::lock_guard lock(mutex);
    notes.push_back(line);
  }
  std::vector<std::uint64_t> acked_so_far() {
    const std::lock_guard lock(mutex);
    return acked_seqs;
  }
  std::string all_notes() {
    const std::lock_guard lock(mutex);
    std::string out;
    for (const auto& line : notes) out += line + '\n';
    return out;
  }
};

}  // namespace s2::writer::test
