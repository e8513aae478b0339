// What becomes of a request at the fault proxy: an append is followed through its moments, everything else
// passes.
//
// Belongs to the proxy's thread.
#pragma once

#include "scenarios/proxy_append.h"

namespace s2::scenarios {

void relay(ProxyStage& stage, const emulator::ExchangePtr& exchange);

}  // namespace s2::scenarios
