// An eventfd that ends a poll.
//
// set(): any thread, also from a callback; clear(): the thread that polls.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

namespace s2::writer {

class Wake {
 public:
  Wake() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Wake() { ::close(fd_); }
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;
  int fd() const { return fd_; }
  void set() { eventfd_write(fd_, 1); }
  void clear() {
    eventfd_t count = 0;
    eventfd_read(fd_, &count);
  }

 private:
  int fd_;
};

}  // namespace s2::writer
