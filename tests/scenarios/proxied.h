// A fault proxy before an emulator, in both protocols, and what an observer of it has seen.
//
// For tests; Seen may be asked from any thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/fault_proxy.h"
#include "tests/emulator/test_client.h"

namespace s2::scenarios {

using emulator::CutKind;
using emulator::Moment;
using emulator::ProtocolEvent;
using emulator::test::Answer;
using emulator::test::Client;
using emulator::test::Endpoint;
using emulator::test::Http;
using emulator::test::kBasin;
using emulator::test::kPatience;
using emulator::test::RawSocket;
using emulator::test::Session;

// What an observer has seen.
class Seen {
 public:
  emulator::Observer observer() {
    return [this](const ProtocolEvent& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
      if (event.input && !event.input->records.empty())
        bodies_.emplace_back(event.input->records[0].body.view());
      changed_.notify_all();
    };
  }
  std::size_t count(Moment moment) const {
    const std::lock_guard lock(mutex_);
    return count_locked(moment);
  }
  bool wait(Moment moment, std::size_t n = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count_locked(moment) >= n; });
  }
  ProtocolEvent last(Moment moment) const {
    const std::lock_guard lock(mutex_);
    for (auto at = events_.rbegin(); at != events_.rend(); ++at) {
      if (at->moment == moment) return *at;
    }
    throw std::runtime_error("no such moment");
  }
  // Of the appends, in their order.
  std::vector<Moment> order() const {
    const std::lock_guard lock(mutex_);
    std::vector<Moment> order;
    for (const ProtocolEvent& event : events_) {
      if (event.append_id != 0) order.push_back(event.moment);
    }
    return order;
  }

 private:
  std::size_t count_locked(Moment moment) const {
    std::size_t n = 0;
    for (const ProtocolEvent& event : events_) n += event.moment == moment;
    return n;
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ProtocolEvent> events_;
  std::vector<std::string> bodies_;
};

class Proxied : public testing::TestWithParam<Http> {
 protected:
  Proxied() { proxy.observe(seen.observer()); }
  ~Proxied() override { proxy.observe(nullptr); }

  Client client() { return Client(proxy.endpoint(), GetParam()); }
  // How many records the endpoint has, asked past the proxy.
  std::uint64_t stored(const std::string& stream = "s") { return behind.client().tail(stream); }
  bool comes_to_be_stored(std::uint64_t n) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (stored() != n && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return stored() == n;
  }
  void plan(const std::string& fault, const std::string& more = "") {
    proxy.set_faults(R"([{"match":{"op":"append")" + more + R"(},"fault":)" + fault +
                     R"(},{"match":{"op":"append_session")" + more + R"(},"fault":)" + fault + "}]");
  }

  Endpoint behind;
  Seen seen;
  FaultProxy proxy{behind.emulator.endpoint()};
};

inline std::string protocol_of(const testing::TestParamInfo<Http>& version) {
  return version.param == Http::one ? "Http1" : "Http2";
}

}  // namespace s2::scenarios
