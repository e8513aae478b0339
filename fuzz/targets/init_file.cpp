// The resource file of --init-file, applied to a service.
#include <string>

#include "emulator/resources.h"
#include "emulator/service.h"
#include "fuzz/targets/target.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(init_file, input) {
  const auto resources = emulator::resources_from_json(input);
  if (!resources) return must(resources.error().find('\n') == std::string::npos, "an error is one line");
  emulator::Service service;
  (void)emulator::apply(*resources, service, 1);
}
