// The lines on stdout: queued by anybody, written by one thread, each whole in one write(2).
//
// say() never waits: what storage has to tell is bounded by what was accepted, and what is accepted is
// bounded by the driver, which takes no input while the queue is over kOutputRoomBytes (a reader that is slow
// slows its own input, and nothing else). Lines are gathered up to PIPE_BUF a write, which a pipe takes whole
// or not at all. Any thread may call. A reader that is gone: lines are thrown away and on_broken is called
// once, from the output's thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace s2::writer {

inline constexpr std::size_t kOutputRoomBytes = 4 * 1024 * 1024;
inline constexpr std::chrono::milliseconds kWaitSaid{1000};  // see wait_said()

class Output {
 public:
  // `fd` stays the caller's. `on_room`: the queue was over its room and is not any more.
  Output(int fd, std::function<void()> on_room, std::function<void()> on_broken);
  ~Output();  // what is not written by now is thrown away

  void say(std::string line);  // without its newline
  void say(std::vector<std::string> lines);
  // Returns once all said so far is written, or kWaitSaid has passed, or the allowance is used up.
  void wait_said();
  // From now on all waits together get this much: a reader that reads costs next to nothing of it, one that
  // does not costs no more than that.
  void limit_waiting(std::chrono::milliseconds allowance);

  bool has_room() const;
  bool broken() const;
  // Waits until everything said so far is written. False: it is not.
  bool flush(std::chrono::steady_clock::time_point deadline);

 private:
  void run(const std::stop_token& stop);
  bool write_whole(const std::string& bytes, const std::stop_token& stop);

  const int fd_;
  const std::function<void()> on_room_;
  const std::function<void()> on_broken_;
  int wake_fd_;  // ends a poll at destruction

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;  // also while they are being written
  std::uint64_t said_ = 0;
  std::uint64_t written_ = 0;
  bool broken_ = false;
  std::optional<std::chrono::steady_clock::duration> allowance_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace s2::writer
