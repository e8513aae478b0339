// A writer of events as somebody would write it: log() puts an event into a queue, a thread of its own sends
// batches to a sink and sends again what failed. Plain C++; it knows of no simulation.
//
// Any number of threads may log() until close() has returned. The sink outlives the uploader and is called on
// the uploader's thread alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace own_writer {

class Sink {
 public:
  virtual ~Sink() = default;
  // False: nothing of the batch was stored.
  virtual bool store(const std::vector<std::string>& batch) = 0;
};

struct UploaderOptions {
  std::size_t capacity = 1024;             // events that wait
  std::size_t batch = 50;                  // events at most
  std::chrono::milliseconds linger{100};   // that the first event of a batch waits for others
  std::chrono::milliseconds backoff{200};  // before a failed batch is sent again
};

template <class Queue>
class Uploader {
 public:
  Uploader(Sink& sink, const UploaderOptions& options)
      : sink_(sink), options_(options), queue_(options.capacity), thread_([this] { run(); }) {}
  ~Uploader() { close(); }
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // True: the event will be in the sink when close() has returned.
  bool log(std::string event) { return queue_.push(std::move(event)); }

  // Sends everything that was logged, then returns.
  void close() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    while (true) {
      const std::vector<std::string> batch = queue_.pop_batch(options_.batch, options_.linger);
      if (batch.empty()) return;
      while (!sink_.store(batch)) std::this_thread::sleep_for(options_.backoff);
    }
  }

  Sink& sink_;
  const UploaderOptions options_;
  Queue queue_;
  std::thread thread_;
};

}  // namespace own_writer
