// Which events were stored behind a later one of their own line (process, session, publisher).
//
// Inside the judge only. Offered events are left out: no promise covers them.
#pragma once

#include <vector>

#include "scenarios/judge_facts.h"

namespace s2::scenarios {

std::vector<const EventFacts*> out_of_order(const Facts& facts);

}  // namespace s2::scenarios
