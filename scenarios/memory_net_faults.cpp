// What goes wrong in the network in memory: silences, and the end of the writer's machine; see memory_net.h.
#include "scenarios/memory_net_impl.h"

namespace s2::scenarios {

using memory_net::Arrival;

void MemoryNet::Impl::go_wrong(const ByteFault& fault, const LinkPtr& link) {
  if (gone_) return;
  if (options_.on_fault) options_.on_fault(fault);
  const Time now = SteadyClock::now();
  const Time until = fault.lasts.count() == 0 ? Time::max() : now + fault.lasts;
  if (fault.closed.count() > 0) {
    closed_until_ = std::max(closed_until_, now + fault.closed);
    closed_refuses_ = fault.refuses;
  }
  switch (fault.kind) {
    case ByteFault::Kind::reset:
      end(link, true, true);
      end(link, false, true);
      return;
    case ByteFault::Kind::half_open:
      return silence_lane(link, fault.to_server, until);
    case ByteFault::Kind::silence:
      silent_until_ = std::max(silent_until_, until);
      silence(true, true);
      if (until != Time::max()) at(until, nullptr, true, {Arrival::What::heard_again});
      return;
    case ByteFault::Kind::gone:
      return lose_the_writer();
  }
}

void MemoryNet::Impl::silence_lane(const LinkPtr& link, bool to_server, Time until) {
  Lane& lane = lane_of(*link, to_server);
  lane.silent = true;
  lane.silent_until = std::max(lane.silent_until, until);
  if (until != Time::max()) at(until, link, to_server, {Arrival::What::heard_again});
}

// A lane, or without a link the whole net.
void MemoryNet::Impl::hear_again(const LinkPtr& link, bool to_server) {
  const Time now = SteadyClock::now();
  if (!link) {
    if (now >= silent_until_) silence(false, false);
    return;
  }
  Lane& lane = lane_of(*link, to_server);
  if (now < lane.silent_until) return;  // another silence began meanwhile
  lane.silent = false;
  for (const Arrival& arrival : std::exchange(lane.kept, {})) deliver(link, to_server, now, arrival);
}

void MemoryNet::Impl::silence(bool to_server, bool to_client) {
  server_deaf_ = to_server;
  client_deaf_ = to_client;
  std::erase_if(links_, [](const auto& link) { return link.expired(); });
  for (const auto& weak : links_) {
    const LinkPtr link = weak.lock();
    if (!link) continue;
    for (const bool direction : {true, false}) {
      if (direction ? server_deaf_ : client_deaf_) continue;
      for (const Arrival& arrival : std::exchange(lane_of(*link, direction).held, {}))
        happen(link, direction, arrival);
    }
  }
}

// Of what is on its way to the server a drawn prefix of each connection arrives, in two parts, and in a drawn
// order with the others'. The server is not told that anybody has left.
void MemoryNet::Impl::lose_the_writer() {
  gone_ = true;
  std::vector<std::vector<Landing>> by_link;
  for (const auto& weak : links_) {
    const LinkPtr link = weak.lock();
    if (!link || link->to_server.under_way.empty()) continue;
    const auto lands = static_cast<std::size_t>(options_.draw(link->to_server.under_way.size() + 1));
    const auto later = static_cast<std::size_t>(options_.draw(lands + 1));
    by_link.push_back({{link, later}, {link, lands - later}});
  }
  while (!by_link.empty()) {
    const auto at = by_link.begin() + static_cast<std::ptrdiff_t>(options_.draw(by_link.size()));
    landing_.push_back(std::move(at->back()));
    at->pop_back();
    if (at->empty()) by_link.erase(at);
  }
  if (!landing_.empty()) soon([this] { land_next(); });
}

// In the loop's thread, without the lock. The next one comes behind what the server does upon this one.
void MemoryNet::Impl::land_next() {
  const std::lock_guard lock(mutex_);
  const Landing landing = std::move(landing_.front());
  landing_.pop_front();
  if (landing.bytes > 0) bytes_arrive(landing.link, true, landing.bytes);
  if (!landing_.empty()) soon([this] { land_next(); });
}

}  // namespace s2::scenarios
