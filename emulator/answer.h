// One whole answer to a request, and sending it: content type and length, compression, CORS.
//
// On the emulator's thread. Source: S2 spec "content", "errors"; CORS as a permissive server does it.
#pragma once

#include <string>

#include "emulator/exchange.h"
#include "emulator/world.h"
#include "wire/error.h"

namespace s2::emulator {

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";  // left out where there is no body
  wire::HttpHeaders headers{};
};

Answer error_answer(const wire::ApiError& error);

// Sends it whole. A body over 1 KiB goes compressed where the client accepts it.
void send(const World& world, Exchange& exchange, Answer answer);
// Begins an answer that streams: never compressed, never cached.
void begin_stream(const World& world, Exchange& exchange, std::string content_type);

// Headers that let pages of any origin use the API; none with --no-cors, or under /_emulator.
wire::HttpHeaders cors_headers(const World& world, const wire::RequestHead& head);

}  // namespace s2::emulator
