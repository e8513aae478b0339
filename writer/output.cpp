// The output's thread; see output.h.
#include "writer/output.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "writer/thread_name.h"

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Output::Output(int fd, std::function<void()> on_room, std::function<void()> on_broken)
    : fd_(fd),
      on_room_(std::move(on_room)),
      on_broken_(std::move(on_broken)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this](std::stop_token stop) { run(stop); }) {}

Output::~Output() {
  thread_.request_stop();
  if (eventfd_write(wake_fd_, 1) != 0) broken_ = true;  // cannot happen: the counter is far from full
  {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  thread_.join();
  ::close(wake_fd_);
}

void Output::say(std::string line) {
  std::vector<std::string> lines;
  lines.push_back(std::move(line));
  say(std::move(lines));
}

void Output::say(std::vector<std::string> lines) {
  std::lock_guard lock(mutex_);
  if (broken_) return;
  for (std::string& line : lines) {
    line += '\n';
    queued_bytes_ += line.size();
    queue_.push_back(std::move(line));
    ++said_;
  }
  changed_.notify_all();
}

void Output::wait_said() {
  std::unique_lock lock(mutex_);
  const auto written = [&, said = said_] { return broken_ || written_ >= said; };
  changed_.wait_for(lock, kWaitSaid, [&] { return allowance_ || written(); });
  if (!allowance_ || written()) return;
  const Clock::time_point begin = Clock::now();
  changed_.wait_for(lock, std::min<Clock::duration>(*allowance_, kWaitSaid), written);
  *allowance_ = std::max(*allowance_ - (Clock::now() - begin), Clock::duration::zero());
}

void Output::limit_waiting(std::chrono::milliseconds allowance) {
  std::lock_guard lock(mutex_);
  allowance_ = allowance;
  changed_.notify_all();
}

bool Output::has_room() const {
  std::lock_guard lock(mutex_);
  return queued_bytes_ < kOutputRoomBytes;
}

bool Output::broken() const {
  std::lock_guard lock(mutex_);
  return broken_;
}

bool Output::flush(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return broken_ || written_ == said_; });
  return !broken_ && written_ == said_;
}

void Output::run(const std::stop_token& stop) {
  name_this_thread("output");
  while (true) {
    std::string bytes;
    std::uint64_t lines = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop.stop_requested() || !queue_.empty(); });
      if (stop.stop_requested()) return;
      while (!queue_.empty() && (bytes.empty() || bytes.size() + queue_.front().size() <= PIPE_BUF)) {
        bytes += queue_.front();
        queue_.pop_front();
        ++lines;
      }
    }
    bool sound = write_whole(bytes, stop);
    bool room = false;
    {
      std::lock_guard lock(mutex_);
      bool was_full = queued_bytes_ >= kOutputRoomBytes;
      queued_bytes_ -= bytes.size();
      room = was_full && queued_bytes_ < kOutputRoomBytes;
      written_ += sound ? lines : 0;
      if (!sound) {
        broken_ = true;
        queue_.clear();
        queued_bytes_ = 0;
      }
      changed_.notify_all();
    }
    if (room) on_room_();
    if (!sound) {
      if (!stop.stop_requested()) on_broken_();
      return;
    }
  }
}

bool Output::write_whole(const std::string& bytes, const std::stop_token& stop) {
  std::size_t done =
      0;  // a pipe takes up to PIPE_BUF in one piece; files and sockets may take less at a time
  while (done < bytes.size()) {
    pollfd waits[2] = {{fd_, POLLOUT, 0}, {wake_fd_, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return false;
    if (stop.stop_requested()) return false;
    if ((waits[0].revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL)) == 0) continue;
    ssize_t written = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace s2::writer
