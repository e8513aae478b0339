// The target "deletion": the writer's client appends to a stream of the emulator, over HTTP/2 bytes, while
// somebody deletes the stream: each append is answered, one way or the other.
//
// run_deletion() is a body for sim::run(); any number may run, each on an OS thread of its own.
#pragma once

namespace s2::fuzz {

void run_deletion();

}  // namespace s2::fuzz
