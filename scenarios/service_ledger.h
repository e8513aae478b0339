// The service's ledger: which appends reached S2, what became of them, and which faults fired, as the
// service's observer saw it; and the kill at an instant of protocol time.
//
// observe() runs on the service's thread (the emulator's, or the fault proxy's); everything else on any
// other. When the armed instant comes, the kill is called inside observe(): until it returns the service
// neither reads, commits nor sends.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/emulator.h"
#include "scenarios/ledger.h"
#include "scenarios/scenario.h"

namespace s2::scenarios {

class ServiceLedger {
 public:
  explicit ServiceLedger(std::string run);
  ~ServiceLedger();
  ServiceLedger(const ServiceLedger&) = delete;
  ServiceLedger& operator=(const ServiceLedger&) = delete;

  void observe(const emulator::ProtocolEvent& event);

  // At most one instant; that of `mid_close` is the append with which as many events have come as its value
  // says. `kill` returns when the writer is dead, and false if it was dead before.
  void arm(const Instant& instant, std::function<bool()> kill);
  bool fired() const;  // waits for a kill that has begun: others see the death before it is noted here
  std::int64_t fired_ns() const;

  // Waits until `count` events (by their probes) are acknowledged or committed; false at the deadline.
  bool wait_acked(std::uint64_t count, std::chrono::steady_clock::time_point deadline);
  bool wait_committed(const std::vector<std::uint64_t>& events,
                      std::chrono::steady_clock::time_point deadline);
  std::size_t appends_received() const;

  std::vector<ServiceAppend> appends() const;  // by received_ns
  std::vector<FiredFault> faults() const;      // those of the fault plan

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::scenarios
