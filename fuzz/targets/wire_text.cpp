// Base64, UTF-8 and the format header.
#include <string>

#include "fuzz/targets/target.h"
#include "wire/http.h"
#include "wire/json.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(wire_text, input) {
  const auto back = wire::base64_decode(wire::base64_encode(input));
  must(back && *back == input, "base64 comes back");
  if (const auto bytes = wire::base64_decode(input))
    must(wire::base64_encode(*bytes) == input, "base64 has one spelling");
  const std::string lossy = wire::utf8_lossy(input);
  must(wire::is_utf8(lossy), "what replaces invalid bytes is UTF-8");
  must(!wire::is_utf8(input) || lossy == input, "valid UTF-8 stays");
  (void)wire::format_from_header(input);
  (void)wire::detect_protocol(input);
}
