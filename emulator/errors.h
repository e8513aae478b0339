// Shorthand for the refusals that the room makes itself. Values only; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "wire/error.h"

namespace s2::emulator {

inline tl::unexpected<wire::ApiError> refuse(int status, std::string_view code, std::string message) {
  wire::ApiError error;
  error.status = status;
  error.code = code;
  error.message = std::move(message);
  return tl::unexpected<wire::ApiError>(std::move(error));
}

inline tl::unexpected<wire::ApiError> invalid(std::string message) {
  return refuse(422, "invalid", std::move(message));
}

}  // namespace s2::emulator
