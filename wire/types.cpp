// Metering and command records: the only behaviour that plain S2 values have.
#include "wire/types.h"

namespace s2::wire {

std::size_t metered_bytes(const std::vector<Header>& headers, std::string_view body) {
  std::size_t total = 8 + 2 * headers.size() + body.size();
  for (const Header& header : headers) total += header.name.size() + header.value.size();
  return total;
}

std::size_t metered_bytes(const AppendRecord& record) {
  return metered_bytes(record.headers, record.body);
}

std::size_t metered_bytes(const SequencedRecord& record) {
  return metered_bytes(record.headers, record.body);
}

std::size_t metered_bytes(const std::vector<AppendRecord>& records) {
  std::size_t total = 0;
  for (const AppendRecord& record : records) total += metered_bytes(record);
  return total;
}

bool is_command(const std::vector<Header>& headers) {
  return headers.size() == 1 && headers[0].name.empty();
}

AppendRecord fence_command(std::string token) {
  return AppendRecord{std::nullopt, {Header{"", "fence"}}, std::move(token)};
}

AppendRecord trim_command(std::uint64_t trim_point) {
  std::string body(8, '\0');
  for (int i = 0; i < 8; ++i) body[i] = static_cast<char>(trim_point >> (56 - 8 * i));
  return AppendRecord{std::nullopt, {Header{"", "trim"}}, std::move(body)};
}

}  // namespace s2::wire
