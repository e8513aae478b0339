// See connection.h.
#include "emulator/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "emulator/connection_exchange.h"
#include "emulator/moments.h"
#include "emulator/server.h"

namespace s2::emulator {
namespace {

constexpr std::size_t kOutputChunkBytes = 256 * 1024;  // taken from the wire::HttpServer at once
constexpr std::uint64_t kRateSteps = 50;               // a second, where the bandwidth is limited
constexpr std::uint32_t kRefusedStream = 7;            // HTTP/2 error code

}  // namespace

Connection::Connection(Server& server, std::unique_ptr<Socket> socket, std::uint64_t id)
    : server_(server), socket_(std::move(socket)), id_(id) {}

Connection::~Connection() = default;

Loop& Connection::loop() {
  return server_.loop_;
}

void Connection::start() {
  ProtocolEvent event = event_of(Moment::connection_opened);
  event.connection = id_;
  server_.moments_.emit(std::move(event));
  arm_read();
}

// --- input ---

void Connection::arm_read() {
  if (reading_ || read_resting_ || is_idle() || (peer_ended_ && !lingering_)) return;
  if (held_body_bytes_ > kMaxHeldBodyBytes && !lingering_) return;
  reading_ = true;
  socket_->when_readable([self = shared_from_this()] {
    self->reading_ = false;
    self->on_readable();
  });
}

void Connection::on_readable() {
  if (is_idle()) return;
  std::array<char, kReadChunkBytes> buffer;
  const std::size_t wanted =
      lingering_ ? buffer.size() : server_.moments_.may_read(rate_chunk(buffer.size()));
  const auto [io, n] = socket_->read_some(buffer.data(), wanted);
  if (io == Socket::Io::would_block) return arm_read();
  if (io == Socket::Io::ended) {
    if (lingering_) return over();
    on_eof();
  } else if (io == Socket::Io::failed) {
    return over();
  } else if (!lingering_) {
    const auto self = shared_from_this();
    server_.moments_.received(id_, n);
    if (is_idle()) return;
    in_turn_ = true;
    take(std::string_view(buffer.data(), n));
    in_turn_ = false;
    if (bytes_per_second_ != 0 && !dead_) {
      read_resting_ = true;
      server_.clock_.after(rate_pause(n), [self] {
        self->read_resting_ = false;
        self->arm_read();
      });
    }
  }
  pump();
  arm_read();
}

void Connection::take(std::string_view bytes) {
  std::vector<wire::HttpEvent> events;
  if (!http_) {
    first_bytes_.append(bytes);
    const wire::Protocol protocol = wire::detect_protocol(first_bytes_);
    if (protocol == wire::Protocol::undecided) return;
    http2_ = protocol == wire::Protocol::http2;
    http_ = http2_ ? wire::make_http2_server() : wire::make_http1_server();
    http_->receive(std::exchange(first_bytes_, {}), events);
  } else {
    http_->receive(bytes, events);
  }
  handle(events);
}

void Connection::on_eof() {
  peer_ended_ = true;
  if (!http_) {
    ending_ = Ending::fin;
    return;
  }
  std::vector<wire::HttpEvent> events;
  http_->receive_eof(events);
  handle(events);
  // A client of HTTP/1.1 may end its side and still wait for a plain answer; who listened to a stream is
  // gone.
  std::vector<wire::StreamId> gone;
  for (const auto& [id, exchange] : exchanges_) {
    if (http2_ || exchange->on_drain) gone.push_back(id);
  }
  for (const wire::StreamId id : gone) exchange_gone(id);
  if (exchanges_.empty()) ending_ = Ending::fin;
}

void Connection::handle(std::vector<wire::HttpEvent>& events) {
  for (wire::HttpEvent& event : events) {
    if (dead_ || hung_) return;
    handle(event);
  }
}

void Connection::handle(wire::HttpEvent& event) {
  if (auto* request = std::get_if<wire::RequestBegin>(&event)) return begin(*request);
  if (auto* body = std::get_if<wire::BodyData>(&event)) {
    const auto found = exchanges_.find(body->id);
    if (found == exchanges_.end() || !found->second->on_body) {
      http_->consumed(body->id,
                      body->bytes.size());  // nobody wants it: an answered request, or a refused one
      return;
    }
    held_body_bytes_ += body->bytes.size();
    const auto exchange = found->second;
    exchange->on_body(std::move(body->bytes));
  } else if (const auto* end = std::get_if<wire::MessageEnd>(&event)) {
    const auto found = exchanges_.find(end->id);
    if (found == exchanges_.end()) return;
    const auto exchange = found->second;
    exchange->request_ended();
    if (exchange->on_body_end) exchange->on_body_end();
  } else if (const auto* reset = std::get_if<wire::StreamReset>(&event)) {
    exchange_gone(reset->id);
  } else if (std::holds_alternative<wire::ProtocolError>(event)) {
    ending_ = Ending::fin;
  }
}

void Connection::begin(wire::RequestBegin& request) {
  if (exchanges_.size() >= kMaxExchanges) return http_->reset(request.id, kRefusedStream);
  auto exchange = std::make_shared<ConnectionExchange>(*this, request.id, std::move(request.head));
  exchanges_[request.id] = exchange;
  server_.handler_(exchange);
}

void Connection::exchange_gone(wire::StreamId id) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const auto exchange = found->second;
  exchanges_.erase(found);
  exchange->detach();
}

// --- output ---

void Connection::kick() {
  if (kicked_ || in_turn_ || pumping_ || is_idle()) return;
  kicked_ = true;
  loop().post([self = shared_from_this()] {
    self->kicked_ = false;
    self->pump();
    self->arm_read();
  });
}

void Connection::pump() {
  if (pumping_ || lingering_ || is_idle()) return;
  const auto self = shared_from_this();
  pumping_ = true;
  while (!is_idle() && !write_waiting_) {
    if (out_position_ == out_.size() && !refill()) break;
    if (!write_some()) break;
    fire_marks();
  }
  pumping_ = false;
  if (is_idle() || write_waiting_) return;
  retire_finished();
  end_if_flushed();
}

// Takes the next output; false when there is none, and nobody has more to say now.
bool Connection::refill() {
  if (!http_) return false;
  do {
    out_ = http_->take_output(kOutputChunkBytes);
    out_position_ = 0;
    taken_ += out_.size();
    collect_marks();
    if (out_.empty()) fire_marks();
    if (is_idle()) return false;
  } while (out_.empty() && wake_producers());
  return !out_.empty();
}

bool Connection::write_some() {
  const std::size_t wanted = rate_chunk(out_.size() - out_position_);
  const auto [io, n] = socket_->write_some(std::string_view(out_).substr(out_position_, wanted));
  const auto self = shared_from_this();
  if (io == Socket::Io::would_block) {
    write_waiting_ = true;
    socket_->when_writable([self] {
      self->write_waiting_ = false;
      self->pump();
    });
    return false;
  }
  if (io != Socket::Io::moved) {
    over();
    return false;
  }
  out_position_ += n;
  written_ += n;
  if (bytes_per_second_ != 0) {
    write_waiting_ = true;
    server_.clock_.after(rate_pause(n), [self] {
      self->write_waiting_ = false;
      self->pump();
    });
  }
  return true;
}

void Connection::collect_marks() {
  std::deque<std::function<void(bool)>> reached;
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange->has_marks()) exchange->take_reached_marks(reached);
  }
  for (auto& callback : reached) marks_.push_back({taken_, std::move(callback)});
}

void Connection::fire_marks() {
  while (!marks_.empty() && marks_.front().offset <= written_) {
    const auto callback = std::move(marks_.front().callback);
    marks_.pop_front();
    callback(true);
  }
}

bool Connection::wake_producers() {
  std::vector<std::function<void()>> ready;
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange->on_writable && exchange->unsent() < kWritableBytes) {
      ready.push_back(std::exchange(exchange->on_writable, nullptr));
    }
  }
  for (const auto& callback : ready) callback();
  return !ready.empty() && !is_idle();
}

void Connection::retire_finished() {
  for (auto it = exchanges_.begin(); it != exchanges_.end();) {
    const auto exchange = it->second;
    if (!exchange->is_finished() || exchange->unsent() > 0) {
      ++it;
      continue;
    }
    it = exchanges_.erase(it);
    exchange->on_gone = nullptr;  // it went well
    exchange->detach();
  }
}

// --- endings ---

void Connection::end_if_flushed() {
  if (peer_ended_ && exchanges_.empty() && ending_ == Ending::none) ending_ = Ending::fin;
  if (http_ && http_->finished() && ending_ == Ending::none) ending_ = Ending::fin;
  if (ending_ == Ending::none || out_position_ < out_.size()) return;
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange->unsent() > 0) return;
  }
  if (ending_ == Ending::rst) return reset();
  shut_down_and_linger();
}

// Closing with unread input would reset the connection and could take our last bytes with it: end our side,
// and read on for a while.
void Connection::shut_down_and_linger() {
  if (peer_ended_) return over();
  socket_->end_sending();
  lingering_ = true;
  server_.clock_.after(kLingerGrace, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->over();
  });
  arm_read();
}

void Connection::reset() {
  over(/*with_reset=*/true);
}

void Connection::over(bool with_reset) {
  if (dead_) return;
  dead_ = true;
  const auto self = shared_from_this();
  socket_->close(with_reset);
  ProtocolEvent event = event_of(Moment::connection_closed);
  event.connection = id_;
  server_.moments_.emit(std::move(event));
  const auto marks = std::exchange(marks_, {});
  for (const Mark& mark : marks) mark.callback(false);
  while (!exchanges_.empty()) exchange_gone(exchanges_.begin()->first);
  server_.forget(id_);
}

void Connection::hang() {
  hung_ = true;
  socket_->stop_waiting();
  server_.sweep_hung();
}

void Connection::pause() {
  paused_ = true;
}

void Connection::resume() {
  paused_ = false;
  kick();
  arm_read();
}

void Connection::drain() {
  if (!http_) return reset();
  std::vector<std::shared_ptr<ConnectionExchange>> talking;
  for (const auto& [id, exchange] : exchanges_) talking.push_back(exchange);
  for (const auto& exchange : talking) {
    if (exchange->on_drain) std::exchange(exchange->on_drain, nullptr)();
  }
  http_->goaway();
  ending_ = Ending::fin;
  kick();
}

std::size_t Connection::rate_chunk(std::size_t wanted) const {
  if (bytes_per_second_ == 0) return wanted;
  return std::min<std::size_t>(wanted, std::max<std::uint64_t>(1, bytes_per_second_ / kRateSteps));
}

std::chrono::milliseconds Connection::rate_pause(std::size_t bytes) const {
  return std::chrono::milliseconds(std::max<std::uint64_t>(1, bytes * 1000 / bytes_per_second_));
}

}  // namespace s2::emulator
