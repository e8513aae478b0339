// What is between the writer and the service in one world: two ways over a network, and none, behind one
// face.
//
// For writer_world.cpp. A Network belongs to the body's thread; it goes after the writer that uses its
// client, and before the ledger that it tells what was sent and committed.
#pragma once

#include <functional>
#include <memory>

#include "fuzz/writer_ledger.h"
#include "fuzz/writer_world.h"

namespace s2::fuzz {

class Network {
 public:
  virtual ~Network() = default;
  virtual std::unique_ptr<writer::Producers> producers(const writer::ProducerOptions& options,
                                                       writer::ProducerListener& listener) = 0;
  virtual std::uint64_t attempts() const = 0;  // connections and appends that the writer tried so far
  virtual void let_all_land() {}               // returns when nothing is on its way to the service any more
};

// `on_death`: the writer's machine is gone; called under the network's lock.
std::unique_ptr<Network> make_network(const WriterShape& shape, WriterWay way, WriterLedger& ledger,
                                      std::function<void()> on_death);

}  // namespace s2::fuzz
