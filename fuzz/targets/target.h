// What all libFuzzer targets share: a claim that must hold for every input, and bytes that choose.
//
// Included by each fuzz/targets/*.cpp alone; each is a program of its own, on one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace s2::fuzz {

// Ends the program where a claim does not hold, so that libFuzzer keeps the input.
inline void must(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

inline void must_be_line(std::string_view error) {
  must(!error.empty() && error.find('\n') == std::string_view::npos, "an error is one line");
}

// Cuts text into pieces; the first bytes say how long each is, over and over.
template <class OnPiece>
void in_pieces(std::string_view lengths, std::string_view text, OnPiece&& on_piece) {
  for (std::size_t at = 0, i = 0; at < text.size(); ++i) {
    const std::size_t length =
        lengths.empty() ? 1 : 1 + static_cast<unsigned char>(lengths[i % lengths.size()]);
    on_piece(text.substr(at, length));
    at += std::min(length, text.size() - at);
  }
}

inline constexpr std::size_t kLengths = 4;  // leading bytes of an input that say how it is torn

inline std::string_view lengths_of(std::string_view input) {
  return input.substr(0, kLengths);
}
inline std::string_view text_of(std::string_view input) {
  return input.substr(std::min(kLengths, input.size()));
}

}  // namespace s2::fuzz

// A target is a function of its file's name. Where S2_REPLAYS_CORPORA is set, many are one program, which
// calls them by name (tests/fuzz/corpora); else it is libFuzzer's.
#ifdef S2_REPLAYS_CORPORA
namespace s2::fuzz {
using OneInput = void (*)(std::string_view input);
bool add_target(const char* name, OneInput target);
}  // namespace s2::fuzz
#define FUZZ_TARGET(name, input)                                                                 \
  static void fuzz_##name(std::string_view input);                                               \
  [[maybe_unused]] static const bool is_added_##name = s2::fuzz::add_target(#name, fuzz_##name); \
  static void fuzz_##name(std::string_view input)
#else
#define FUZZ_TARGET(name, input)                                                   \
  static void fuzz_##name(std::string_view input);                                 \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t n) { \
    fuzz_##name({reinterpret_cast<const char*>(data), n});                         \
    return 0;                                                                      \
  }                                                                                \
  static void fuzz_##name(std::string_view input)
#endif
