// S2 as a run sees it, with everything that the harness can do to it: an emulator of the run's own, or any
// endpoint behind a fault proxy.
//
// Words and thread rules are the emulator's (emulator.h): any thread, except from inside an observer, where
// cut() alone may be called.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "emulator/emulator.h"
#include "scenarios/reader.h"

namespace s2::scenarios {

class FaultyService {
 public:
  virtual ~FaultyService() = default;

  virtual ServiceAddress for_writer() const = 0;
  virtual ServiceAddress for_reader() const = 0;  // no fault is in its way
  // The stream's operations in s2-verification's format; nothing where the service tells none.
  virtual std::optional<std::string> history(const std::string& stream) const = 0;

  virtual void observe(emulator::Observer observer) = 0;
  virtual void set_faults(const std::string& plan_json) = 0;
  virtual std::string faults() const = 0;
  virtual void stop_reading_at(std::uint64_t n) = 0;
  // From here on the appends of a session are taken one after another, so that an instant stands between two.
  virtual void one_at_a_time() = 0;
  virtual void cut(emulator::CutKind kind) = 0;
  virtual void heal() = 0;
  virtual void drain(std::chrono::milliseconds downtime) = 0;
  virtual std::size_t open_connections() const = 0;
  virtual std::size_t appends_under_way()
      const = 0;  // that may still take effect though their client is gone
};

// With one empty basin, which takes any token, at an address of this machine. Throws std::system_error.
std::unique_ptr<FaultyService> make_embedded_service(std::uint64_t seed, std::string host = "127.0.0.1");
// Throws std::exception, one line, when the address leads nowhere.
std::unique_ptr<FaultyService> make_proxied_service(ServiceAddress address, std::uint64_t seed);

}  // namespace s2::scenarios
