// Bodies that create and reconfigure basins and streams.
#include "emulator/resource_json.h"

#include <string>

#include "emulator/resources.h"
#include "fuzz/targets/target.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(input) {
  (void)emulator::create_basin_from_json(input);
  (void)emulator::ensure_basin_from_json(input);
  (void)emulator::create_stream_from_json(input);
  (void)emulator::ensure_stream_from_json(input);
  (void)emulator::seconds_from_text(input);
}
