// The append window against S2 in a page: a log, and a session that ends at its first refusal. Connections
// are lost at any moment, with acks and batches on their way; in the end every record is in the log once, in
// order, and the window says of each batch exactly once that it is stored, and never before it is.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>

#include "writer/append_window.h"

namespace s2::writer {
namespace {

// Of all sizes from the first case on: RapidCheck's own ranges begin small.
template <class T>
T of_any_size(T from, T to) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(from, to));
}

// What S2 does with the batches of one session.
struct ModelOfS2 {
  struct Answer {
    bool taken = false;
    wire::AppendAck ack;     // taken
    std::uint64_t tail = 0;  // of the 412
  };
  std::vector<std::uint64_t> log;  // the records' sequence numbers in the writer
  bool is_open = true;             // the session

  Answer append(const AppendWindow::Slot& slot) {
    if (slot.begin != log.size()) {
      is_open = false;
      return {false, {}, log.size()};
    }
    Answer answer{true, {}, 0};
    answer.ack.start.seq_num = log.size();
    log.insert(log.end(), slot.batch.seqs.begin(), slot.batch.seqs.end());
    answer.ack.end.seq_num = answer.ack.tail.seq_num = log.size();
    return answer;
  }
};

class WindowAndModel {
 public:
  void push(std::size_t records) {
    Batch batch;
    for (std::size_t n = 0; n < records; ++n) {
      batch.seqs.push_back(++last_seq_);
      batch.input.records.push_back({std::nullopt, {}, std::to_string(last_seq_)});
    }
    window_.push(std::move(batch));
  }

  void send() {
    const auto* slot = window_.next_to_send();
    if (!slot) return;
    up_.push_back(*slot);
    window_.mark_sent({});
  }

  void serve() {
    if (up_.empty()) return;
    const AppendWindow::Slot slot = up_.front();
    up_.pop_front();
    if (s2_.is_open) down_.push_back(s2_.append(slot));
  }

  void hear() {
    if (down_.empty()) return;
    const ModelOfS2::Answer answer = down_.front();
    down_.pop_front();
    if (answer.taken) {
      const auto batch = window_.acked(answer.ack);
      RC_ASSERT(batch.has_value());
      note(*batch);
      // The same ack again fits nothing any more.
      RC_ASSERT(!window_.acked(answer.ack).has_value());
      return;
    }
    // Nobody else writes: a refusal can only mean that what was in doubt is stored.
    std::uint64_t place = window_.slots().front().begin;
    RC_ASSERT(place < answer.tail);
    while (place < answer.tail) {
      RC_ASSERT(window_.slots().front().in_doubt);
      place = window_.slots().front().end();
      note(window_.take(0));
    }
    RC_ASSERT(place == answer.tail);
    reconnect();
  }

  // What is on its way up still arrives as far as `arrives` says; what is on its way down does not.
  void lose(std::size_t arrives) {
    for (; arrives > 0; --arrives) serve();
    reconnect();
  }

  void drain() {
    while (!window_.empty()) {
      send();
      serve();
      hear();
    }
  }

  void agree() const {
    for (std::size_t i = 0; i < s2_.log.size(); ++i) RC_ASSERT(s2_.log[i] == i + 1);  // once, and in order
    RC_ASSERT(stored_ <= s2_.log.size());
    std::uint64_t place = stored_;
    bool may_be_in_doubt = true;
    for (const AppendWindow::Slot& slot : window_.slots()) {
      RC_ASSERT(slot.begin == place);
      RC_ASSERT(slot.batch.seqs.front() == place + 1);
      RC_ASSERT(!slot.in_doubt || may_be_in_doubt);  // those in doubt are the oldest
      may_be_in_doubt = slot.in_doubt;
      place = slot.end();
    }
    RC_ASSERT(window_.next_place() == place);
    RC_ASSERT(window_.next_place() == last_seq_);
  }
  bool is_whole() const { return s2_.log.size() == last_seq_ && stored_ == last_seq_; }

 private:
  void note(const Batch& batch) {
    for (const std::uint64_t seq : batch.seqs) {
      RC_ASSERT(seq == stored_ + 1);
      RC_ASSERT(s2_.log.size() >= seq);  // never before it is
      ++stored_;
    }
  }
  void reconnect() {
    up_.clear();
    down_.clear();
    s2_.is_open = true;
    window_.session_lost();
  }

  AppendWindow window_;
  ModelOfS2 s2_;
  std::deque<AppendWindow::Slot> up_;
  std::deque<ModelOfS2::Answer> down_;
  std::uint64_t last_seq_ = 0;
  std::uint64_t stored_ = 0;
};

TEST(AppendWindow, WhateverIsLostEveryRecordIsStoredOnceInOrderAndSaidToBeOnce) {
  ASSERT_TRUE(rc::check([] {
    WindowAndModel both;
    for (int steps = of_any_size(20, 200); steps > 0; --steps) {
      switch (of_any_size(0, 10)) {
        case 0:
        case 1:
          both.push(of_any_size<std::size_t>(1, 4));
          break;
        case 2:
        case 3:
        case 4:
          both.send();
          break;
        case 5:
        case 6:
          both.serve();
          break;
        case 7:
        case 8:
          both.hear();
          break;
        default:
          both.lose(of_any_size<std::size_t>(0, 4));
      }
      both.agree();
    }
    both.drain();
    both.agree();
    RC_ASSERT(both.is_whole());
  }));
}

}  // namespace
}  // namespace s2::writer
