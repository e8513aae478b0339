// The rules of an append that need no stream; see stream_rules.h.
#include "emulator/stream_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "emulator/errors.h"
#include "wire/json.h"

namespace s2::emulator {
namespace {

constexpr std::string_view kFence = "fence";
constexpr std::string_view kTrim = "trim";
constexpr std::size_t kTrimPointBytes = 8;

std::optional<std::string> token_problem(std::string_view token) {
  if (token.size() > wire::kMaxFencingTokenBytes) {
    return fmt::format("fencing token has {} bytes, at most {} are allowed", token.size(),
                       wire::kMaxFencingTokenBytes);
  }
  if (!wire::is_utf8(token)) return "fencing token is not valid UTF-8";
  return std::nullopt;
}

std::optional<std::string> command_problem(const wire::AppendRecord& record) {
  const std::string& command = record.headers[0].value;
  if (command == kFence) return token_problem(record.body);
  if (command == kTrim) {
    if (record.body.size() == kTrimPointBytes) return std::nullopt;
    return fmt::format("trim command has a body of {} bytes, {} are needed (a big-endian sequence number)",
                       record.body.size(), kTrimPointBytes);
  }
  return "unknown command record: a sole header without a name must have the value fence or trim";
}

std::optional<std::string> record_problem(const wire::AppendRecord& record) {
  if (wire::is_command(record.headers)) return command_problem(record);
  if (std::ranges::any_of(record.headers, [](const wire::Header& header) { return header.name.empty(); })) {
    return "a header has an empty name";
  }
  return std::nullopt;
}

}  // namespace

Result<std::size_t> check_append_input(const wire::AppendInput& input) {
  if (input.records.empty()) return invalid("append holds no record; 1 to 1000 are needed");
  if (input.records.size() > wire::kMaxBatchRecords) {
    return invalid(fmt::format("append holds {} records, at most {} are allowed", input.records.size(),
                               wire::kMaxBatchRecords));
  }
  if (input.fencing_token) {
    if (auto problem = token_problem(*input.fencing_token)) return invalid(*std::move(problem));
  }
  std::size_t metered = 0;
  for (std::size_t i = 0; i < input.records.size(); ++i) {
    if (auto problem = record_problem(input.records[i]))
      return invalid(fmt::format("record {}: {}", i, *problem));
    metered += wire::metered_bytes(input.records[i]);
  }
  if (metered > wire::kMaxBatchMeteredBytes) {
    return invalid(fmt::format("append has {} metered bytes, at most {} are allowed", metered,
                               wire::kMaxBatchMeteredBytes));
  }
  return metered;
}

std::optional<Command> command_of(const wire::AppendRecord& record) {
  if (!wire::is_command(record.headers)) return std::nullopt;
  if (record.headers[0].value == kFence) return Fence{std::string(record.body)};
  std::uint64_t trim_point = 0;
  for (char byte : record.body.view()) trim_point = trim_point << 8 | static_cast<unsigned char>(byte);
  return Trim{trim_point};
}

std::optional<std::uint64_t> timestamp_for(const std::optional<std::uint64_t>& given, std::uint64_t now,
                                           const StreamConfig& config) {
  if (config.timestamping_mode == TimestampingMode::arrival) return now;
  if (!given) {
    if (config.timestamping_mode == TimestampingMode::client_require) return std::nullopt;
    return now;
  }
  return config.timestamping_uncapped ? *given : std::min(*given, now);
}

}  // namespace s2::emulator
