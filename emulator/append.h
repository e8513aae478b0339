// One append, unary or a frame of a session, through its moments: received, committed, acknowledged or
// refused.
//
// On the emulator's thread. The observer, the history and the fault plan all see every append here. An append
// is acknowledged when its answer is in the socket, not before.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "emulator/exchange.h"
#include "emulator/world.h"

namespace s2::emulator {

struct Append {
  std::string_view op;  // "append" or "append_session"
  std::string basin;
  std::string stream;
  StreamConfigLayer if_created;
  wire::AppendInput input;
  std::int64_t arrived_ns;  // Clock::elapsed_ns()
};

// Sends what became of it: the one thing in which unary appends and sessions differ. Called at most once; not
// at all when a fault took the connection.
using TellAppend = std::function<void(const Result<wire::AppendAck>&)>;

#ifdef PLANTED_BUGS
// A second build of append.cpp alone, for s2-fuzz-bugs: an append to a session whose stream was deleted is
// never answered.
extern bool delete_drops_append;
#endif

void run_append(World& world, const ExchangePtr& exchange, Append append, TellAppend tell);

// The append session of POST /v1/streams/{}/records with Content-Type s2s/proto.
void serve_append_session(World& world, const ExchangePtr& exchange, std::string basin, std::string stream,
                          StreamConfigLayer if_created);

}  // namespace s2::emulator
