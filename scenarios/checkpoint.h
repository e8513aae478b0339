// A process is checkpointed, and restored as often as one likes, by CRIU (https://criu.org): the program
// `criu` of the PATH, or the one that the environment's CRIU names.
//
// Needs Linux, root, and a CRIU that fits the kernel; why_no_checkpoint() says whether it does. Any thread;
// two calls for one directory not at the same time. Errors are one line, in CRIU's own words.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "scenarios/child.h"

namespace s2::scenarios {

// What a process was, on disk. The directory is the caller's, and may go when the last restore is done.
struct Checkpoint {
  std::string directory;
  std::array<std::string, 3> pipes;  // its standard streams, as CRIU names them
};

// Stops the process for good: what is left of it is the checkpoint, and `child` has ended as if by SIGKILL.
// It was started as Lineage::checkpointed, with nothing but pipes for standard streams, and none of them may
// hold unread bytes: those are in no restore. Its TCP connections are closed, as a restored VM finds them.
tl::expected<Checkpoint, std::string> take_checkpoint(Child& child, const std::string& directory);

// One restore, with pipes of its own, in a PID namespace of its own. It comes back before the process runs;
// what is written to its stdin meanwhile is the first that it reads. `name` is unique in the directory.
tl::expected<std::unique_ptr<Child>, std::string> restore(const Checkpoint& checkpoint,
                                                          const std::string& name, Pipes& pipes);
// Of a restore that has ended: why there was nothing restored. Empty: there was.
std::string why_not_restored(const Checkpoint& checkpoint, const std::string& name);

// Why no process can be checkpointed and restored here; empty: one can. Tried once, with a small one.
const std::string& why_no_checkpoint();

}  // namespace s2::scenarios
