// A writer over fake producers, and a ledger of what it says: what the tests of the pipeline drive.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/writer/fake_producers.h"
#include "tests/writer/ledger.h"
#include "writer/writer.h"

namespace s2::writer::test {

inline Deadline in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}
inline constexpr std::chrono::milliseconds kLong{20'000};  // never reached where all is well
inline constexpr std::chrono::milliseconds kShort{60};     // for waits that must end by their deadline

inline Event event(std::string type = "console_log", std::string data_json = "1") {
  Event made;
  made.type = std::move(type);
  made.data_json = std::move(data_json);
  return made;
}

inline NewIdentity branch(const std::string& session, bool inherit, const std::string& stream = "") {
  return {.session = session, .stream = stream, .inherit = inherit};
}

class Rig {
 public:
  explicit Rig(WriterOptions options = {}, bool durable = true) {
    auto made = Writer::make(std::move(options),
                             durable ? Writer::MakeProducers([this](ProducerListener& listener) {
                               auto fake = std::make_unique<FakeProducers>(listener);
                               s2 = fake.get();
                               return fake;
                             })
                                     : Writer::MakeProducers(),
                             ledger, [this](std::string_view line) {
                               std::lock_guard lock(log_mutex_);
                               log_ += std::string(line) + "\n";
                             });
    EXPECT_TRUE(made) << (made ? "" : made.error());
    writer = std::move(*made);
  }

  // Publishes `count` events into a session (the last started); the numbers that they got.
  std::vector<std::uint64_t> publish(int count, const std::string& session = "") {
    std::vector<std::uint64_t> seqs;
    for (int i = 0; i < count; ++i) {
      auto published = writer->publish(session, event());
      EXPECT_TRUE(published) << (published ? "" : published.error());
      if (published) seqs.push_back(published->seq);
    }
    return seqs;
  }
  void start(const std::string& session) { EXPECT_TRUE(writer->start(session)); }
  Stopped stop(const std::string& session, Deadline deadline = in(kLong)) {
    auto end = writer->end(session, deadline);
    EXPECT_TRUE(end) << (end ? "" : end.error());
    return end ? writer->await_end(*end, deadline) : Stopped{};
  }
  ShutdownReport shutdown(std::chrono::milliseconds budget = kLong) {
    return writer->shutdown(budget, [](Deadline) { return true; });
  }
  // What was accepted to be stored is stored or told as gone, each once, and nothing is both.
  void expect_exact_account(const std::vector<std::uint64_t>& accepted) const {
    bool twice = false;
    auto gone = ledger.gone(&twice);
    auto stored = s2->stored_seqs();
    std::set<std::uint64_t> kept(stored.begin(), stored.end());
    EXPECT_FALSE(twice);
    EXPECT_EQ(kept.size(), stored.size());
    for (std::uint64_t seq : accepted) {
      EXPECT_NE(kept.contains(seq), gone.contains(seq)) << "event " << seq;
    }
  }
  std::string log() const {
    std::lock_guard lock(log_mutex_);
    return log_;
  }

  Ledger ledger;
  FakeProducers* s2 = nullptr;

 private:
  mutable std::mutex log_mutex_;
  std::string log_;

 public:
  std::unique_ptr<Writer> writer;  // goes first
};

}  // namespace s2::writer::test
