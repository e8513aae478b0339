// ByteQueue gives back the bytes that it took, whatever the pieces.
#include "wire/byte_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <utility>

namespace s2::wire {
namespace {

TEST(ByteQueue, BytesComeOutInTheirOrderWhateverThePieces) {
  ASSERT_TRUE(rc::check([] {
    ByteQueue queue;
    std::string expected;
    char next = 0;
    const int steps = *rc::gen::inRange(0, 30);
    for (int i = 0; i < steps; ++i) {
      const auto n = *rc::gen::weightedOneOf<std::size_t>(
          {{3, rc::gen::inRange<std::size_t>(0, 20)}, {1, rc::gen::inRange<std::size_t>(60'000, 200'000)}});
      if (*rc::gen::arbitrary<bool>()) {
        std::string piece(n, next++);
        expected += piece;
        *rc::gen::arbitrary<bool>() ? queue.append(piece) : queue.adopt(std::move(piece));
      } else {
        std::string out = *rc::gen::element<std::string>("", "before");
        const std::string wanted = out + expected.substr(0, n);
        queue.move_to(out, n);  // more than there is: all of it
        expected.erase(0, n);
        RC_ASSERT(out == wanted);
      }
      RC_ASSERT(queue.size() == expected.size());
    }
    std::string rest;
    queue.move_to(rest, queue.size());
    RC_ASSERT(rest == expected);
    RC_ASSERT(queue.empty());
  }));
}

}  // namespace
}  // namespace s2::wire
