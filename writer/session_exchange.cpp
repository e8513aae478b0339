// The append session: AppendInput frames up, AppendAck frames down, in one HTTP/2 request that stays open.
#include <utility>

#include "wire/proto.h"
#include "wire/s2s.h"
#include "writer/append_exchange.h"

namespace s2::writer {
namespace {

constexpr std::uint32_t kCancel = 8;  // HTTP/2 error code

class SessionExchange final : public AppendExchange {
 public:
  SessionExchange(wire::RequestHead head, WireCompression compression)
      : head_(std::move(head)),
        compression_(compression == WireCompression::zstd ? wire::Compression::zstd
                                                          : wire::Compression::none) {
    head_.headers.push_back({"content-type", "s2s/proto"});
    head_.headers.push_back({"accept", "s2s/proto"});
    head_.headers.push_back({"accept-encoding", "zstd, gzip"});
  }

  bool start(wire::HttpClient& http) override {
    id_ = http.send_request(head_, false);
    return id_ >= 0;
  }

  void send(wire::HttpClient& http, const wire::AppendInput& input) override {
    std::string frame(wire::kS2sHeadBytes, '\0');
    wire::append_proto(frame, input);
    wire::encode_s2s_in_place(frame, compression_);
    http.send_data(id_, std::move(frame), false);
  }

  bool can_send(const wire::HttpClient& http) const override {
    return !over_ && !retiring_ && http.unsent(id_) < kMaxUnsentBytes;
  }

  std::size_t unsent(const wire::HttpClient& http) const override { return http.unsent(id_); }
  bool over() const override { return over_; }

  void on_event(wire::HttpClient& http, wire::HttpEvent& event, std::vector<AppendEvent>& out) override {
    if (over_) return;
    if (auto* begin = std::get_if<wire::ResponseBegin>(&event); begin && begin->id == id_) {
      status_ = begin->head.status;
      const auto type = wire::find_header(begin->head.headers, "content-type");
      if (status_ == 200 && !type.starts_with("s2s/proto")) {
        end(http, out, SessionLost{"the answer to an append session is not s2s/proto"});
      }
    } else if (auto* data = std::get_if<wire::BodyData>(&event); data && data->id == id_) {
      on_body(http, *data, out);
    } else if (auto* ended = std::get_if<wire::MessageEnd>(&event); ended && ended->id == id_) {
      if (status_ == 200) {
        end(http, out,
            SessionLost{decoder_.at_boundary() ? "the server ended the session" : "the server tore a frame"});
      } else {
        end(http, out, AppendRefused{wire::api_error_from_json(status_, error_body_)});
      }
    } else if (auto* reset = std::get_if<wire::StreamReset>(&event); reset && reset->id == id_) {
      end(http, out, SessionLost{"the session was reset (HTTP/2 code " + std::to_string(reset->code) + ")"});
    } else if (auto* away = std::get_if<wire::GoAway>(&event)) {
      if (id_ > away->last_stream_id) {
        end(http, out, SessionLost{"the server went away before it saw the session"});
      } else {
        retire(http, out);
      }
    } else if (auto* broken = std::get_if<wire::ProtocolError>(&event)) {
      over_ = true;
      out.push_back(SessionLost{broken->message});
    }
  }

 private:
  void on_body(wire::HttpClient& http, const wire::BodyData& data, std::vector<AppendEvent>& out) {
    http.consumed(id_, data.bytes.size());
    if (status_ != 200) {
      error_body_.append(data.bytes, 0,
                         kMaxErrorBodyBytes - std::min(kMaxErrorBodyBytes, error_body_.size()));
      return;
    }
    std::vector<wire::S2sFrame> frames;
    const auto decoded = decoder_.receive(data.bytes, frames);
    for (const wire::S2sFrame& frame : frames) {
      if (frame.terminal) {
        end(http, out, AppendRefused{wire::api_error_from_json(frame.status, frame.body)});
        return;
      }
      auto ack = wire::append_ack_from_proto(frame.body);
      if (!ack) {
        end(http, out, SessionLost{"a garbled acknowledgement: " + ack.error().message});
        return;
      }
      out.push_back(AppendAcked{*ack});
      if (frame.reconnect_advised) retire(http, out);
    }
    if (!decoded) end(http, out, SessionLost{decoded.error().message});
  }

  // Our half ends: the server answers what is in flight and ends the session.
  void retire(wire::HttpClient& http, std::vector<AppendEvent>& out) {
    if (std::exchange(retiring_, true)) return;
    http.send_data(id_, "", true);
    out.push_back(SessionRetiring{});
  }

  void end(wire::HttpClient& http, std::vector<AppendEvent>& out, AppendEvent last) {
    over_ = true;
    http.reset(id_, kCancel);
    out.push_back(std::move(last));
  }

  wire::RequestHead head_;
  wire::Compression compression_;
  wire::StreamId id_ = -1;
  int status_ = 0;
  wire::S2sDecoder decoder_;
  std::string error_body_;
  bool retiring_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<AppendExchange> make_session_exchange(wire::RequestHead head, WireCompression compression) {
  return std::make_unique<SessionExchange>(std::move(head), compression);
}

}  // namespace s2::writer
