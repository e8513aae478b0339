// Drives a writer over its telemetry API (`--writer-driver http`): operations in, the lines out that a writer
// would print over stdio, so that everything behind it is the same for both drivers.
//
// Operations are carried out one after another, as they were given; a flush, and the end of a session, on a
// thread of their own, so that publishes behind them go on. Acks come from polling `durable_through`; a
// viewer of the live stream is there all the while. A request without an answer makes no line: its event
// stays offered. `line` is called from any of the three threads, never after the destructor. What the API
// cannot do (two sessions at once, storage off) is rejected, or left out. Source: contract, "--writer-driver
// http".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "scenarios/driver_line.h"

namespace s2::scenarios {

class HttpCourier {
 public:
  using Line = std::function<void(const std::string&)>;

  // `url`: the API's base, as the writer said it. `end`: what an `end` asks for, called once.
  HttpCourier(const std::string& url, Line line, std::function<void()> end);
  // Waits for the answers to what is under way, kAnswersAtTheEnd at the most; what waits behind is dropped.
  ~HttpCourier();
  HttpCourier(const HttpCourier&) = delete;
  HttpCourier& operator=(const HttpCourier&) = delete;

  void take(DriverOp op);
  std::size_t waiting_bytes() const;  // of events that were taken and not yet sent

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2::scenarios
