// A Transport in memory for peers that misbehave: each connection is given a script of what the peer says.
//
// A peer takes every byte that is written (unless it is `deaf`, then write() waits for its deadline) and
// answers the n-th write with the n-th line of its script; after the last line it is silent, or ends the
// connection.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "writer/transport.h"

namespace s2::writer::test {

struct PeerScript {
  std::vector<std::string> answers;  // to the first write, the second, …
  bool ends = false;                 // after the last answer; else it is silent for ever
  bool deaf = false;                 // takes no byte
  bool unreachable = false;          // connect() waits for its deadline
};

class ScriptedTransport final : public Transport {
 public:
  std::deque<PeerScript> peers;  // one a connection; the last one serves all further connections
  std::unique_ptr<Connection> make_connection(const Endpoint& endpoint) override;

  std::size_t connections() const;
  std::vector<std::string> written() const;  // all bytes of each connection
  std::size_t alive() const;                 // connection objects that exist

 private:
  friend class ScriptedConnection;
  mutable std::mutex mutex_;
  std::vector<std::string> written_;
  std::size_t alive_ = 0;
};

}  // namespace s2::writer::test
