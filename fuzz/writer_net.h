// What is between the writer and the service in one world: two ways over a network, and none, behind one
// face.
//
// For writer_world.cpp. A Network belongs to the body's thread; it goes after the writer that uses its
// client, and before the ledger that it tells what was sent and committed.
#pragma once

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
};

std::unique_ptr<Network> make_network(const WriterShape& shape, WriterWay way, WriterLedger& ledger);

}  // namespace s2::fuzz
