// A small generative model of an honest writer: a Plan drawn by RapidCheck becomes the ledgers of a run in
// which every promise is kept. The judge's property tests start from it.
//
// Pure; one thread.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <vector>

#include "scenarios/ledger.h"

namespace s2::scenarios {

inline constexpr std::int64_t kMs = 1'000'000;

struct Plan {
  Teardown teardown = Teardown::stop;
  bool idempotent = true;    // every append carries match_seq_num
  bool mute = false;         // says nothing of acks, drops and losses
  bool ends_itself = false;  // term-short, cut-kill: there was time to report
  int sessions = 1;          // one after another
  int publishers = 1;
  int drop = 0;                      // events overwritten before they were read, where the class allows drops
  std::size_t batch = 1;             // events an append
  std::size_t death_after = 0;       // appends that are durable before a death that loses something
  std::vector<std::uint8_t> events;  // one each: its acceptance, publisher and whether storage is on
  std::vector<std::uint8_t> mishaps;  // one each append: what goes wrong with it
};

Ledger honest_run(const Plan& plan);

// Draws plans of every class; `only` narrows it.
rc::Gen<Plan> any_plan();
rc::Gen<Plan> plan_of(Teardown teardown);

}  // namespace s2::scenarios
