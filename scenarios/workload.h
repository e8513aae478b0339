// Workloads as scripts: what the harness asks of the writer, step by step, drawn whole from a seed.
//
// Pure; any thread. Nothing here knows of faults or deaths: the realm plays the steps and tears down in
// between.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/event_text.h"
#include "scenarios/prng.h"
#include "scenarios/scenario.h"

namespace s2::scenarios {

struct Step {
  enum class Kind {
    start,  // a capture session begins; the realm waits for `started`
    publish,
    await_ack,   // until what was published so far is acknowledged, or a while
    flush,       // and the realm waits for the answer
    stop,        // the session ends; the realm waits for `stopped`
    stop_again,  // the same once more, which a writer may answer or not
    storage,     // storing is switched off, or on again; the realm waits for the writer's word
  };
  Kind kind = Kind::publish;
  std::int64_t at_us = 0;  // not before this, counted from the first step
  std::string session;
  int publisher = 0;
  EventShape shape;   // publish
  bool on = true;     // storage
  bool waits = true;  // start, stop
};

// A drawn scenario's workload (one kind, single values). Sessions are named by the run, so that several runs
// may share a basin. The last session is left open: ending it is the teardown's business.
std::vector<Step> make_steps(const Workload& workload, const std::string& run, std::uint64_t seed);
// One more small event, for publishers that go on until the writer is dead.
Step filler_step(const Workload& workload, const std::string& session, Prng& prng);

}  // namespace s2::scenarios
