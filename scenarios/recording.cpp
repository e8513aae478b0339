// See recording.h.
#include "scenarios/recording.h"

#include <fmt/format.h>
#include <zstd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "scenarios/json_number.h"

// The recording's bytes, as they are in the file.
asm(".pushsection .rodata\n"
    ".global s2_recording_begin\n"
    "s2_recording_begin:\n"
    ".incbin \"" RECORDING_FILE
    "\"\n"
    ".global s2_recording_end\n"
    "s2_recording_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" {
extern const char s2_recording_begin[];
extern const char s2_recording_end[];
}

namespace s2::scenarios {
namespace {

constexpr std::uint64_t kMaxTimeUs = std::uint64_t{24} * 3600 * 1'000'000;  // a day: longer is a slip

std::string unpack(std::string_view packed) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  std::string out;
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  std::string chunk(ZSTD_DStreamOutSize(), '\0');
  while (input.pos < input.size) {
    ZSTD_outBuffer output{chunk.data(), chunk.size(), 0};
    const std::size_t rest = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(rest))
      throw std::runtime_error(std::string("the recording: ") + ZSTD_getErrorName(rest));
    out.append(chunk, 0, output.pos);
    if (out.size() > kMaxRecordingBytes) throw std::runtime_error("the recording is over its limit");
    if (output.pos == 0 && input.pos == input.size && rest != 0) break;
  }
  return out;
}

}  // namespace

tl::expected<std::vector<RecordedEvent>, std::string> parse_recording(std::string_view text) {
  std::vector<RecordedEvent> events;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    auto parsed = nlohmann::json::parse(one, nullptr, false);
    if (!parsed.is_object()) return tl::unexpected(fmt::format("line {}: expected a JSON object", line));
    if (line == 1) {
      if (number_in(parsed, "version") != 1U) {
        return tl::unexpected(std::string(R"(line 1: expected the header {"version":1,…})"));
      }
      continue;
    }
    const auto at = number_in(parsed, "t_us");
    const auto event = parsed.find("event");
    if (!at || *at > kMaxTimeUs || event == parsed.end()) {
      return tl::unexpected(fmt::format("line {}: expected `t_us`, a whole number, and `event`", line));
    }
    auto shape = shape_of_json(std::move(*event));
    if (!shape) return tl::unexpected(fmt::format("line {}: `event` is an object with a `type`", line));
    events.push_back({static_cast<std::int64_t>(*at), std::move(*shape)});
  }
  if (events.empty()) return tl::unexpected(std::string("it holds no event"));
  return events;
}

const std::vector<RecordedEvent>& browser_recording() {
  static const std::vector<RecordedEvent> events = [] {
    auto parsed = parse_recording(
        unpack({s2_recording_begin, static_cast<std::size_t>(s2_recording_end - s2_recording_begin)}));
    if (!parsed) throw std::runtime_error("the recording: " + parsed.error());
    return std::move(*parsed);
  }();
  return events;
}

}  // namespace s2::scenarios
