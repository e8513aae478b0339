// The producers of all streams: a map that remove() keeps small. See producer.h for the contract.
#include "writer/producer.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "writer/planted_bugs.h"
#include "writer/s2_client.h"
#include "writer/stream_producer.h"

namespace s2::writer {
namespace {

class AllProducers final : public Producers {
 public:
  AllProducers(ProducerOptions options, AppendClient& client, ProducerListener& listener)
      : options_(std::move(options)), client_(client), listener_(listener) {}
  ~AllProducers() override { close(std::chrono::steady_clock::now()); }

  Submitted submit(const std::string& stream, std::span<Submission> records, const std::stop_token& stop,
                   Deadline deadline) override {
    const auto too_large = std::ranges::find_if(records, [](const Submission& each) {
      return wire::metered_bytes(each.record) > wire::kMaxBatchMeteredBytes;
    });
    if (too_large == records.begin()) {
#ifdef PLANTED_BUGS
      for (const auto& producer : all()) producer->source_failed();
#endif
      return {Submit::too_large};
    }
    records = {records.begin(), too_large};
    while (true) {
      std::shared_ptr<StreamProducer> producer;
      {
        const std::lock_guard lock(mutex_);
        if (closed_) return {Submit::closed};
        if (records.front().seq <= left_through_) return {Submit::left};
        auto at = producers_.find(stream);
        if (at != producers_.end() && at->second->ended()) {
          producers_.erase(at);
          at = producers_.end();
        }
        if (at == producers_.end()) {
          forget_ended();
          if (producers_.size() >= kMaxStreams) return {Submit::too_many_streams};
          at = producers_.emplace(stream, make(stream)).first;
#ifdef PLANTED_BUGS
          if (planted(PlantedBug::restart_loses) && removed_.erase(stream) > 0) return {Submit::taken, 1};
#endif
        }
        producer = at->second;
      }
      // A producer that has ended, or is left, takes nothing: the records are whole when it is asked again.
      const auto result = producer->submit(records, stop, deadline);
      if (result && result->answer != Submit::closed) return *result;
    }
  }

  void wake() override {
    for (const auto& producer : all()) producer->wake();
  }

  std::optional<Lingering> lingering(const std::string& stream) const override {
    const std::lock_guard lock(mutex_);
    const auto at = producers_.find(stream);
    return at == producers_.end() ? std::nullopt : at->second->lingering();
  }

  void send_now(const std::string& stream) override {
    const std::lock_guard lock(mutex_);
    if (const auto at = producers_.find(stream); at != producers_.end()) at->second->send_now();
  }

  void flush(Deadline answer_by) override {
    for (const auto& producer : all()) producer->flush(answer_by);
  }

  Deadline end_silent_calls() override {
    Deadline next = Deadline::max();
    for (const auto& producer : all()) next = std::min(next, producer->end_silent_call());
    return next;
  }

  std::size_t wait_acked(std::uint64_t through, Deadline deadline) override {
#ifdef PLANTED_BUGS
    for (const auto& producer : all()) producer->cancel();
#endif
    flush(deadline);
    std::size_t unsettled = 0;
    for (const auto& producer : all()) {
      const auto settled = [&](Deadline until) { return producer->wait_settled(through, until); };
      if (!wait_past_silence(*this, deadline, settled)) unsettled += producer->unsettled(through);
    }
    return unsettled;
  }

  bool remove(const std::string& stream, Deadline deadline) override {
    std::shared_ptr<StreamProducer> producer;
    {
      const std::lock_guard lock(mutex_);
      const auto at = producers_.find(stream);
      if (at == producers_.end()) return true;
      producer = at->second;
    }
    producer->retire(deadline);
    wait_past_silence(*this, deadline, [&](Deadline until) { return producer->wait_retired(until); });
    if (!producer->ended()) return false;
    const std::lock_guard lock(mutex_);
#ifdef PLANTED_BUGS
    removed_.insert(stream);
#endif
    if (const auto at = producers_.find(stream); at != producers_.end() && at->second == producer)
      producers_.erase(at);
    return true;
  }

  std::vector<Unsaved> close(Deadline deadline) override {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(closed_, true)) return {};
    }
    const auto producers = all();
    for (const auto& producer : producers) producer->begin_close(deadline);
    std::vector<Unsaved> unsaved = close_left();
    for (const auto& producer : producers)
      wait_past_silence(*this, deadline, [&](Deadline until) { return producer->wait_ended(until); });
    finish(producers, unsaved);
    const std::lock_guard lock(mutex_);
    producers_.clear();
    return unsaved;
  }

  void renew(const std::string& epoch_token, std::optional<std::uint64_t> leave_through) override {
    const std::lock_guard lock(mutex_);
    options_.epoch_token = epoch_token;
    if (!leave_through) return;
    left_through_ = *leave_through;
    for (const auto& [name, producer] : producers_) {
      producer->begin_close(std::chrono::steady_clock::now());
      left_.push_back(producer);
    }
    producers_.clear();
  }

  std::vector<Unsaved> close_left() override {
    std::vector<std::shared_ptr<StreamProducer>> left;
    {
      const std::lock_guard lock(mutex_);
      left.swap(left_);
    }
    std::vector<Unsaved> unsaved;
    finish(left, unsaved);
    return unsaved;
  }

  std::size_t streams() const override {
    const std::lock_guard lock(mutex_);
    std::size_t alive = 0;
    for (const auto& [name, producer] : producers_) alive += producer->ended() ? 0 : 1;
    return alive;
  }

 private:
  std::vector<std::shared_ptr<StreamProducer>> all() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<StreamProducer>> out;
    out.reserve(producers_.size());
    for (const auto& [name, producer] : producers_) {
#ifdef PLANTED_BUGS
      if (planted(PlantedBug::stop_sees_unstarted) && producer->dials()) continue;
#endif
      out.push_back(producer);
    }
    return out;
  }

  static void finish(const std::vector<std::shared_ptr<StreamProducer>>& producers,
                     std::vector<Unsaved>& unsaved) {
    for (const auto& producer : producers) {
      auto of_stream = producer->finish_close();
      unsaved.insert(unsaved.end(), std::make_move_iterator(of_stream.begin()),
                     std::make_move_iterator(of_stream.end()));
    }
  }

  void forget_ended() {
    std::erase_if(producers_, [](const auto& entry) { return entry.second->ended(); });
  }

  std::shared_ptr<StreamProducer> make(const std::string& stream) {
    const std::uint64_t n = ++made_;
    ProducerOptions options = options_;
    options.jitter_seed += n;
    return std::make_shared<StreamProducer>(stream, options, options.epoch_token + '-' + std::to_string(n),
                                            client_, listener_);
  }

  ProducerOptions options_;  // its epoch token under the lock
  AppendClient& client_;
  ProducerListener& listener_;
  mutable std::mutex
      mutex_;  // taken before a producer's own; never held while one waits or calls the listener
  std::map<std::string, std::shared_ptr<StreamProducer>> producers_;
  std::vector<std::shared_ptr<StreamProducer>> left_;  // until close_left()
  std::uint64_t left_through_ = 0;
  std::uint64_t made_ = 0;
  bool closed_ = false;
#ifdef PLANTED_BUGS
  std::set<std::string> removed_;  // restart-loses
#endif
};

}  // namespace

Submit Producers::submit(const std::string& stream, std::uint64_t seq, wire::AppendRecord&& record,
                         const std::stop_token& stop, Deadline deadline) {
  Submission one{seq, std::move(record)};
  const Submit answer = submit(stream, {&one, 1}, stop, deadline).answer;
  if (answer != Submit::taken) record = std::move(one.record);
  return answer;
}

std::unique_ptr<Producers> make_producers(ProducerOptions options, AppendClient& client,
                                          ProducerListener& listener) {
  return std::make_unique<AllProducers>(std::move(options), client, listener);
}

}  // namespace s2::writer
