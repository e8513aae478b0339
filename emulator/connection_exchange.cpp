// See connection_exchange.h.
#include "emulator/connection_exchange.h"

#include <algorithm>
#include <utility>

namespace s2::emulator {

ConnectionExchange::ConnectionExchange(Connection& connection, wire::StreamId id, wire::RequestHead head)
    : connection_(&connection),
      connection_id_(connection.id_),
      http2_(connection.http2_),
      id_(id),
      head_(std::move(head)) {}

void ConnectionExchange::send_head(const wire::ResponseHead& head, bool end) {
  if (!connection_ || cropped_) return;
  connection_->http_->send_head(id_, head, end);
  response_ended_ = end;
  connection_->kick();
}

void ConnectionExchange::send_data(std::string_view bytes, bool end) {
  if (!connection_ || cropped_) return;
  const std::size_t whole = bytes.size();
  auto ending = Connection::Ending::none;
  if (cut_next_piece_ && whole > 0) {
    bytes = bytes.substr(0, whole / 2);
    ending = Connection::Ending::rst;
  } else if (whole > body_left_ || (end && body_left_ != ~0ULL && whole >= body_left_)) {
    bytes = bytes.substr(0, static_cast<std::size_t>(body_left_));
    ending = Connection::Ending::fin;
  }
  if (body_left_ != ~0ULL) body_left_ -= std::min<std::uint64_t>(body_left_, bytes.size());
  cropped_ = ending != Connection::Ending::none;
  connection_->http_->send_data(id_, std::string(bytes), end && !cropped_);
  queued_ += bytes.size();
  if (cropped_) {
    connection_->ending_ = ending;
  } else {
    response_ended_ = end;
  }
  connection_->kick();
}

void ConnectionExchange::after_written(std::function<void(bool)> callback) {
  if (!connection_) return callback(false);
  // What was cropped never arrives whole: the mark stands where no byte will ever be.
  marks_.push_back({cropped_ ? ~0ULL : queued_, std::move(callback)});
  connection_->kick();
}

std::size_t ConnectionExchange::unsent() const {
  return connection_ ? connection_->http_->unsent(id_) : 0;
}

void ConnectionExchange::consumed(std::size_t bytes) {
  if (!connection_) return;
  connection_->held_body_bytes_ -= std::min(connection_->held_body_bytes_, bytes);
  connection_->http_->consumed(id_, bytes);
  connection_->kick();
}

void ConnectionExchange::cut() {
  if (connection_) connection_->reset();
}

void ConnectionExchange::hang() {
  if (connection_) connection_->hang();
}

void ConnectionExchange::goaway() {
  if (!connection_) return;
  connection_->http_->goaway();
  connection_->kick();
}

void ConnectionExchange::limit_bandwidth(std::uint64_t bytes) {
  if (connection_) connection_->bytes_per_second_ = bytes;
}

void ConnectionExchange::truncate_body(std::uint64_t bytes) {
  body_left_ = bytes;
}

void ConnectionExchange::take_reached_marks(std::deque<std::function<void(bool)>>& out) {
  const std::uint64_t left = queued_ - std::min<std::uint64_t>(queued_, connection_->http_->unsent(id_));
  while (!marks_.empty() && marks_.front().offset <= left) {
    out.push_back(std::move(marks_.front().callback));
    marks_.pop_front();
  }
}

void ConnectionExchange::detach() {
  if (!connection_) return;
  // One of the callbacks may be running now, and be the last to hold what it uses: they end after this turn.
  connection_->loop().post([body = std::exchange(on_body, nullptr), end = std::exchange(on_body_end, nullptr),
                            writable = std::exchange(on_writable, nullptr),
                            drain = std::exchange(on_drain, nullptr)] {});
  connection_ = nullptr;
  const auto gone = std::exchange(on_gone, nullptr);
  const auto marks = std::exchange(marks_, {});
  for (const Mark& mark : marks) mark.callback(false);
  if (gone) gone();
}

}  // namespace s2::emulator
