// Fencing tokens: which of two processes came later is an order, and only where both clocks say so in one
// boot.
#include "writer/epoch.h"

#include <array>
#include <cstring>
#include <string>

#include "fuzz/targets/target.h"

using namespace s2;
using s2::fuzz::must;

namespace {

constexpr std::uint64_t kClockBound = 1ULL << 36;  // ms: two years, which seven digits of base 36 hold

struct Begin {
  char boot = 0;
  std::uint64_t since_boot = 0, wall = 0, random = 0;
  std::string token() const {
    return writer::make_epoch_token(std::string(1, boot), since_boot, wall, random);
  }
};

bool is_later(const Begin& one, const Begin& other) {
  return one.boot == other.boot && one.since_boot > other.since_boot && one.wall > other.wall;
}

}  // namespace

FUZZ_TARGET(epoch, input) {
  // Any texts: it is an order.
  std::array<std::string, 3> texts;
  std::string_view rest = input;
  for (std::string& text : texts) {
    text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  }
  const auto& [a, b, c] = texts;
  must(!writer::is_of_later_process(a, a), "nobody is later than itself");
  must(!writer::is_of_later_process(a, b) || !writer::is_of_later_process(b, a),
       "of two one is later at most");
  must(!writer::is_of_later_process(a, b) || !writer::is_of_later_process(b, c) ||
           writer::is_of_later_process(a, c),
       "who is later than the later one is later");
  if (writer::is_of_later_process(a, b)) {
    must(a.size() >= writer::kEpochTokenBytes && b.size() >= writer::kEpochTokenBytes,
         "both are epoch tokens");
    must(writer::is_of_later_process(a + "-7", b + std::string(input.substr(0, 14))),
         "what follows an epoch says nothing");
  }
  // Given facts: what they say.
  std::array<Begin, 2> begins;
  for (std::size_t at = 0; Begin & begin : begins) {
    std::array<std::uint64_t, 3> numbers{};
    std::memcpy(numbers.data(), input.data() + std::min(at, input.size()),
                std::min(sizeof numbers, input.size() - std::min(at, input.size())));
    begin = {static_cast<char>('a' + numbers[2] % 2), numbers[0] % kClockBound, numbers[1] % kClockBound,
             numbers[2]};
    at += sizeof numbers;
  }
  const auto& [one, other] = begins;
  must(one.token().size() == writer::kEpochTokenBytes, "a token has its length");
  must(writer::is_of_later_process(one.token(), other.token()) == is_later(one, other),
       "the token says what the clocks said");
}
