// A stand-in for the producers and S2 behind them, with switches for what goes wrong.
//
// Keeps the words of writer/producer.h: records of a stream are stored in the order of their submits, and
// each ends in exactly one of acked(), failed(), the return of close(). The listener is called on the fake's
// own thread.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "writer/producer.h"

namespace s2::writer::test {

class FakeProducers : public Producers {
 public:
  struct Record {
    std::string stream;
    std::uint64_t seq;
    std::string body;
  };

  explicit FakeProducers(ProducerListener& listener)
      : listener_(listener), thread_([this](std::stop_token stop) { run(stop); }) {}
  ~FakeProducers() override {
    thread_.request_stop();
    set([] {});
    thread_.join();
  }

  // --- switches ---
  void hang() {
    set([&] { hangs_ = true; });
  }  // S2 takes what it gets and answers nothing
  void answer() {
    set([&] { hangs_ = false; });
  }
  void room(std::size_t records) {
    set([&] { room_ = records; });
  }
  void linger() {
    set([&] { lingers_ = true; });
  }  // nothing leaves without a flush
  void batch(std::optional<Lingering> batch) {
    set([&] { batch_ = batch; });
  }  // that is said to linger
  void refuse(std::uint64_t seq) {
    set([&] { refused_.insert(seq); });
  }
  void supersede() {
    set([&] { superseded_ = true; });
  }
  void limit_body(std::size_t bytes) {
    set([&] { body_limit_ = bytes; });
  }

  std::vector<Record> stored() const {
    std::lock_guard lock(mutex_);
    return stored_;
  }
  std::vector<std::uint64_t> stored_seqs() const {
    std::vector<std::uint64_t> seqs;
    for (const Record& record : stored()) seqs.push_back(record.seq);
    return seqs;
  }
  std::vector<std::string> removed() const {
    std::lock_guard lock(mutex_);
    return removed_;
  }
  bool wait_stored(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return stored_.size() >= count; });
  }
  // Until so many wait for S2's answer.
  bool wait_taken(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return queue_.size() >= count; });
  }
  // Until a submit waits for room.
  bool wait_held_up() const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return waiting_ > 0; });
  }

  // --- Producers ---
  Submitted submit(const std::string& stream, std::span<Submission> records, const std::stop_token& stop,
                   Deadline deadline) override {
    const std::uint64_t seq = records.front().seq;
    std::unique_lock lock(mutex_);
    if (closed_) return {Submit::closed};
    if (superseded_) return {Submit::superseded};
    if (seq <= left_through_) return {Submit::left};
    if (records.front().record.body.size() > body_limit_) return {Submit::too_large};
    ++waiting_;
    changed_.notify_all();
    changed_.wait_until(lock, deadline, [&] {
      return closed_ || seq <= left_through_ || has_room() || stop.stop_requested();
    });
    --waiting_;
    if (closed_) return {Submit::closed};
    if (seq <= left_through_) return {Submit::left};
    if (!has_room()) return {stop.stop_requested() ? Submit::stopped : Submit::timed_out};
    std::size_t taken = 0;
    while (taken < records.size() && has_room() && records[taken].record.body.size() <= body_limit_) {
      Submission& each = records[taken++];
      queue_.push_back({stream, each.seq, std::move(each.record.body).to_string()});
    }
    streams_.insert(stream);
    changed_.notify_all();
    return {Submit::taken, taken};
  }
  void wake() override {
    set([] {});
  }
  std::optional<Lingering> lingering(const std::string&) const override {
    std::lock_guard lock(mutex_);
    return batch_;
  }
  void send_now(const std::string&) override { flush({}); }
  void flush(Deadline) override {
    set([&] { flush_through_ = queue_.size(); });
  }
  Deadline end_silent_calls() override { return Deadline::max(); }
  std::size_t wait_acked(std::uint64_t through, Deadline deadline) override {
    flush(deadline);
    std::unique_lock lock(mutex_);
    auto left = [&] {
      return static_cast<std::size_t>(
          std::count_if(queue_.begin(), queue_.end(), [&](const Record& r) { return r.seq <= through; }));
    };
    changed_.wait_until(lock, deadline, [&] { return left() == 0 && !settling_; });
    return left();
  }
  bool remove(const std::string& stream, Deadline deadline) override {
    flush(deadline);
    std::unique_lock lock(mutex_);
    bool idle = changed_.wait_until(lock, deadline, [&] { return queue_.empty() && !settling_; });
    if (idle) {
      streams_.erase(stream);
      removed_.push_back(stream);
    }
    return idle;
  }
  std::vector<Unsaved> close(Deadline deadline) override {
    flush(deadline);
    std::unique_lock lock(mutex_);
    if (closed_) return {};
    closed_ = true;
    changed_.notify_all();
    changed_.wait_until(lock, deadline, [&] { return queue_.empty() && !settling_; });
    std::vector<Unsaved> unsaved;
    for (const Record& record : queue_)
      unsaved.push_back({record.stream, record.seq, true, "no answer from S2"});
    queue_.clear();
    return unsaved;
  }
  void renew(const std::string& epoch_token, std::optional<std::uint64_t> leave_through) override {
    set([&] {
      epochs_.push_back(epoch_token);
      if (!leave_through) return;
      left_through_ = *leave_through;
      for (const Record& record : queue_) left_.push_back({record.stream, record.seq, false, "left"});
      queue_.clear();
    });
  }
  std::vector<Unsaved> close_left() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !settling_; });
    return std::exchange(left_, {});
  }
  std::vector<std::string> epochs() const {  // told by renew()
    std::lock_guard lock(mutex_);
    return epochs_;
  }
  std::size_t streams() const override {
    std::lock_guard lock(mutex_);
    return streams_.size();
  }

 private:
  template <class Change>
  void set(Change change) {
    std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  bool has_room() const { return queue_.size() < room_; }

  void run(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] {
        return stop.stop_requested() || (!hangs_ && !queue_.empty() && (!lingers_ || flush_through_ > 0));
      });
      if (stop.stop_requested()) return;
      Record record = std::move(queue_.front());
      queue_.pop_front();
      if (flush_through_ > 0) --flush_through_;
      settling_ = true;
      bool refused = refused_.contains(record.seq);
      if (!refused) stored_.push_back(record);
      std::uint64_t tail = stored_.size();
      lock.unlock();
      if (refused) {
        listener_.failed(record.stream, {&record.seq, 1}, {FailureKind::refused, "422 invalid"});
      } else {
        listener_.acked(record.stream, {&record.seq, 1}, tail);
      }
      lock.lock();
      settling_ = false;
      changed_.notify_all();
    }
  }

  ProducerListener& listener_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Record> queue_;
  std::vector<Record> stored_;
  std::vector<std::string> removed_;
  std::set<std::string> streams_;
  std::set<std::uint64_t> refused_;
  std::vector<std::string> epochs_;
  std::vector<Unsaved> left_;
  std::optional<Lingering> batch_;
  std::uint64_t left_through_ = 0;
  std::size_t room_ = 1'000'000;
  std::size_t body_limit_ = 1024 * 1024;
  std::size_t flush_through_ = 0;
  int waiting_ = 0;
  bool hangs_ = false;
  bool lingers_ = false;
  bool superseded_ = false;
  bool closed_ = false;
  bool settling_ = false;
  std::jthread thread_;
};

}  // namespace s2::writer::test
