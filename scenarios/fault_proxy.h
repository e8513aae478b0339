// A proxy in front of any S2 endpoint, inside this process: what the emulator can do to a writer, done to
// a writer of that endpoint.
//
// One object is one port on the loopback, a thread of its own, and connections to one endpoint; many live
// side by side. The writer speaks HTTP/1.1 or HTTP/2 in the clear to it, and the proxy the same to the
// endpoint, or TLS where its URL is https. It ends HTTP on both sides, sees each append and each
// acknowledgement, and uses the emulator's words for them (emulator.h): moments, the fault plan (appends and
// append sessions only: all else passes), cuts, drains. `committed` is the moment when the endpoint's
// acknowledgement has arrived here. What an observer sees is exact as with the emulator: until it returns the
// proxy neither reads, forwards nor sends.
//
// Every member may be called from any thread except from inside an observer; cut() also from there.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "emulator/emulator.h"

namespace s2::scenarios {

class FaultProxy {
 public:
  // `endpoint`: "http://host:port", "https://host", perhaps with a path. Throws std::exception, one line,
  // when it is none, its host is unknown, or no port is free. `seed` is for fault probabilities.
  explicit FaultProxy(const std::string& endpoint, std::uint64_t seed = 0);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  std::string endpoint() const;  // "http://127.0.0.1:43211", and the path of the endpoint

  void set_faults(const std::string& plan_json);  // throws std::invalid_argument
  std::string faults() const;                     // the plan, with how often each rule fired
  void observe(emulator::Observer observer);
  void stop_reading_at(std::uint64_t n);
  void cut(emulator::CutKind kind);
  void heal();
  // How many appends of one session the endpoint may have at once while no fault can fire any more; 1 until
  // said otherwise: then every moment stands between two appends, and an endpoint that is far away is slow.
  void let_ahead(std::size_t appends);
  // As a restart of S2 looks from outside: sessions are told, connections close, none is taken for
  // `downtime`.
  void drain(std::chrono::milliseconds downtime);

  std::size_t open_connections() const;  // of writers
  std::size_t appends_under_way()
      const;  // at the endpoint, not yet answered; cut or not, they may take effect

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::scenarios
