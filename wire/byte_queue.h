// Bytes that wait to be sent: appended in pieces of any size, taken from the front in pieces of any size.
//
// Each byte is copied once in and once out, whatever the sizes are, and a large piece that is given away only
// once, out; memory of what was taken is freed block by block. Not limited here: whoever appends watches
// size(). An object belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace s2::wire {

class ByteQueue {
 public:
  void append(std::string_view bytes);
  void adopt(std::string&& bytes);  // a large one becomes a block as it is
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Appends the first n bytes (or all, when there are fewer) to `out` and forgets them here.
  void move_to(std::string& out, std::size_t n);
  void clear();

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  std::deque<std::string> blocks_;
  std::size_t front_offset_ = 0;  // bytes of the first block that were taken already
  std::size_t size_ = 0;
};

}  // namespace s2::wire
