// A second, tiny process that outlives the harness and kills what it started, should the harness itself be
// killed.
//
// Started once, first thing in main(), while there is one thread. It knows the process groups that are alive;
// when its pipe ends (the harness is gone, however that happened) it sends SIGKILL to each. Any thread may
// announce and forget; a child may announce its own between fork and exec. Without it (tests) only the
// started process itself dies with the harness (PDEATHSIG), not its children.
#pragma once

namespace s2::scenarios {

// Harmless when called twice; silently without effect where fork fails.
void start_guardian();
void guard_group(int group);
void forget_group(int group);

}  // namespace s2::scenarios
