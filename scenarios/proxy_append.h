// Appends on their way through the fault proxy: seen whole, counted, interfered with, passed on, answered.
//
// Belongs to the proxy's thread. The moments are the emulator's words, as far as a proxy can see them: an
// append is `committed` when the endpoint's acknowledgement has arrived here and nobody has been told of it.
// An append whose answer never came is unknown, and the writer's connection is reset, as the endpoint's was.
// What is no append that can be understood passes as it is.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/exchange.h"
#include "emulator/stage.h"
#include "scenarios/upstream.h"
#include "wire/error.h"
#include "wire/types.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxRelayedAppendBytes = 64 * 1024 * 1024;  // of a unary append; more is cut

inline constexpr std::size_t kLatencySamples = 3;  // the first ones hold the dialling, too

struct ProxyStage : emulator::Stage {
  ProxyStage(emulator::Loop& on, Upstream& to, std::uint64_t seed)
      : Stage(on, seed), loop(on), upstream(to) {}
  emulator::Loop& loop;
  Upstream& upstream;
  std::size_t ahead = 1;  // appends of one session that the endpoint may have at once
  std::chrono::nanoseconds latency = std::chrono::nanoseconds::max();  // the endpoint's shortest so far …
  std::size_t answers = 0;                                             // … of so many
  std::size_t under_way = 0;  // appends that the endpoint has and has not answered
};

using AppendResult = tl::expected<wire::AppendAck, wire::ApiError>;

// One append through its moments and the fault plan. Held by whoever will go on with it: when it is destroyed
// untold, a fault has ended it.
class ProxiedAppend : public std::enable_shared_from_this<ProxiedAppend> {
 public:
  struct Steps {
    std::function<void()> forward;  // to the endpoint; answered() or lost() follows, once
    std::function<bool()> tell;     // the endpoint's answer to the writer; false: there is nobody to tell
    std::function<void(const wire::ApiError&)> refuse;  // that instead of it
    std::function<void()> done;                         // what was told has left, or never will
  };
  struct Place {
    std::string_view op;  // "append" or "append_session"
    std::string basin;
    std::string stream;
  };

  ProxiedAppend(ProxyStage& stage, emulator::ExchangePtr exchange, Place place, wire::AppendInput input)
      : stage_(stage), exchange_(std::move(exchange)), place_(std::move(place)), input_(std::move(input)) {}

  // `waited`: for those before it.
  void begin(Steps steps, std::chrono::nanoseconds waited = {});
  void answered(AppendResult result);
  void lost();  // what became of it is not known, and nobody is told
  bool is_under_way() const { return next_ != nullptr; }

 private:
  emulator::ProtocolEvent moment(emulator::Moment which) const;
  void answer();
  void refuse(const wire::ApiError& error);
  void delivered(const AppendResult& told, bool written);
  void settled();

  ProxyStage& stage_;
  const emulator::ExchangePtr exchange_;
  const Place place_;
  const wire::AppendInput input_;
  std::uint64_t id_ = 0;
  Steps steps_;
  std::function<void()> next_;     // while the endpoint has it …
  std::int64_t forwarded_ns_ = 0;  // … since then
  AppendResult result_ = tl::unexpected(wire::ApiError{});
};

// Where an append goes, from its request's head.
ProxiedAppend::Place append_place(const wire::RequestHead& head, std::string_view op, std::string stream);
// The head of a request as it goes on to the endpoint.
wire::RequestHead head_to_pass(const wire::RequestHead& head);
// The endpoint has gone away in the middle of it: resets the writer's connection, and tells observers so, as
// of a fault that nobody planned.
void endpoint_lost(ProxyStage& stage, emulator::Exchange& exchange);
// A whole answer of the proxy's own making.
void answer_with_error(emulator::Exchange& exchange, const wire::ApiError& error);

// POST …/streams/{}/records, unary and as a session; `stream` is decoded.
void relay_unary_append(ProxyStage& stage, const emulator::ExchangePtr& exchange, std::string stream);
void relay_append_session(ProxyStage& stage, const emulator::ExchangePtr& exchange, std::string stream);

}  // namespace s2::scenarios
