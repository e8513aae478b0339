// Rules that HTTP/1.1 and HTTP/2 share: what may stand in a head, what belongs to one hop only. For
// http1_*.cpp and http2_*.cpp; pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/http.h"

namespace s2::wire {

// RFC 9110 `token`: methods and header names.
bool is_token(std::string_view text);
// A request target that can stand in a request line: not empty, no blank, no control byte.
bool is_target(std::string_view text);
std::string lower_case(std::string_view text);
// connection, keep-alive, proxy-connection, transfer-encoding, upgrade: made or eaten by each hop itself.
bool is_hop_header(std::string_view lower_name);

// What may leave of a caller's headers: names in lower case; headers of one hop, `host` and names that are no
// token are left out; CR, LF, NUL and other control bytes in values become blanks, so that a value cannot
// start a new header.
HttpHeaders outgoing_headers(const HttpHeaders& headers);

// A content-length of digits only.
std::optional<std::uint64_t> parse_length(std::string_view text);

std::string_view reason_phrase(int status);
// Statuses whose response never has a body: 1xx, 204, 304.
bool never_has_body(int status);

// Delivers body bytes, joined to the event before when that is of the same message.
void add_body(std::vector<HttpEvent>& out, StreamId id, std::string_view bytes);

}  // namespace s2::wire
