// A deque of blocks: small pieces are gathered into the last block, large ones are cut into blocks.
#include "wire/byte_queue.h"

#include <algorithm>
#include <utility>

namespace s2::wire {

void ByteQueue::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().size() >= kBlockBytes) blocks_.emplace_back();
    std::string& block = blocks_.back();
    const std::size_t n = std::min(bytes.size(), kBlockBytes - block.size());
    block.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
  }
}

void ByteQueue::adopt(std::string&& bytes) {
  if (bytes.size() < kBlockBytes) return append(bytes);
  size_ += bytes.size();
  blocks_.push_back(std::move(bytes));
}

void ByteQueue::move_to(std::string& out, std::size_t n) {
  n = std::min(n, size_);
  size_ -= n;
  while (n > 0) {
    std::string& block = blocks_.front();
    const std::size_t here = std::min(n, block.size() - front_offset_);
    const bool last_of_block = front_offset_ + here == block.size();
    if (last_of_block && front_offset_ == 0 && out.empty()) {
      out = std::move(block);  // a whole block that goes out alone is not copied
    } else {
      out.append(block, front_offset_, here);
    }
    n -= here;
    front_offset_ += here;
    if (last_of_block) {
      blocks_.pop_front();
      front_offset_ = 0;
    }
  }
}

void ByteQueue::clear() {
  blocks_.clear();
  front_offset_ = 0;
  size_ = 0;
}

}  // namespace s2::wire
