// Bodies that create and reconfigure basins and streams, and that issue access tokens: taken, or refused with
// an answer that says why in a line.
#include "emulator/resource_json.h"

#include <string>

#include "emulator/access.h"
#include "emulator/resources.h"
#include "fuzz/targets/target.h"
#include "wire/json.h"

using namespace s2;
using s2::fuzz::must;

namespace {

template <class T>
void taken_or_refused(const emulator::Result<T>& result) {
  if (result) return;
  fuzz::must_be_line(result.error().message);
  must(result.error().status >= 400 && result.error().status <= 501, "a refusal has its status");
  must(wire::is_utf8(wire::to_json(result.error())), "a refusal is told in UTF-8");
}

}  // namespace

FUZZ_TARGET(resource_json, input) {
  taken_or_refused(emulator::create_basin_from_json(input));
  taken_or_refused(emulator::ensure_basin_from_json(input));
  taken_or_refused(emulator::create_stream_from_json(input));
  taken_or_refused(emulator::ensure_stream_from_json(input));
  taken_or_refused(emulator::basin_reconfiguration_from_json(input));
  taken_or_refused(emulator::stream_reconfiguration_from_json(input));
  (void)emulator::seconds_from_text(input);

  const auto token = emulator::access_token_from_json(input);
  taken_or_refused(token);
  if (!token) return;
  must(!token->id.empty() && token->id.size() <= emulator::kMaxAccessTokenIdBytes, "a token has a name");
  must(wire::is_utf8(emulator::to_json({.values = {*token}, .has_more = false})),
       "tokens are listed in UTF-8");
  must(token->basins.has("my-basin") || emulator::refusal_for(*token, "append", {}, "my-basin", "s"),
       "a token may do nothing in a basin that is not its own");
}
