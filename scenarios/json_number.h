// Numbers in JSON that somebody else wrote. Pure; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

namespace s2::scenarios {

// The member of that name; nothing where `object` is no object, or the member no number from 0 to 2^64-1.
inline std::optional<std::uint64_t> number_in(const nlohmann::json& object, const char* name) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

}  // namespace s2::scenarios
