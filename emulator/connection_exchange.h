// The Exchange of a real connection: passes on to its wire::HttpServer, and keeps count of the answer's body.
//
// Made and owned by a Connection, on the emulator's thread; routes hold it as ExchangePtr.
#pragma once

#include <deque>

#include "emulator/connection.h"

namespace s2::emulator {

class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(Connection& connection, wire::StreamId id, wire::RequestHead head);

  const wire::RequestHead& head() const override { return head_; }
  std::uint64_t connection() const override { return connection_id_; }
  bool over_http2() const override { return http2_; }
  bool is_open() const override { return connection_ != nullptr; }
  void send_head(const wire::ResponseHead& head, bool end) override;
  void send_data(std::string_view bytes, bool end) override;
  void after_written(std::function<void(bool)> callback) override;
  std::size_t unsent() const override;
  void consumed(std::size_t bytes) override;
  void cut() override;
  void hang() override;
  void goaway() override;
  void limit_bandwidth(std::uint64_t bytes) override;
  void truncate_body(std::uint64_t bytes) override;
  void cut_mid_response() override { cut_next_piece_ = true; }

  // --- for the Connection ---
  void request_ended() { request_ended_ = true; }
  bool is_finished() const { return request_ended_ && response_ended_ && marks_.empty(); }
  // Callbacks of marks whose bytes have left for the connection's output.
  void take_reached_marks(std::deque<std::function<void(bool)>>& out);
  bool has_marks() const { return !marks_.empty(); }
  void detach();  // the end: marks fail, callbacks are dropped

 private:
  struct Mark {
    std::uint64_t offset;  // of the answer's body
    std::function<void(bool)> callback;
  };

  Connection* connection_;
  const std::uint64_t connection_id_;
  const bool http2_;
  const wire::StreamId id_;
  const wire::RequestHead head_;
  std::uint64_t queued_ = 0;
  std::deque<Mark> marks_;
  std::uint64_t body_left_ = ~0ULL;  // truncate_body
  bool cut_next_piece_ = false;
  bool cropped_ = false;  // truncated or cut: nothing more goes out
  bool request_ended_ = false;
  bool response_ended_ = false;
};

}  // namespace s2::emulator
