// Append sessions: AppendInput frames up, AppendAck frames down, in order, while the request is still open.
//
// On the emulator's thread. A session lives as long as its exchange's callbacks or a frame under way. It
// takes one frame at a time; what comes meanwhile waits, and is not given back to the connection until it is
// taken (back-pressure), and no frame is taken while acks pile up unsent. A delay that a fault gives to each
// counts from a frame's arrival: it is latency, as of a far service, and takes nothing from the rate. The
// first refusal ends the session.
// S2 spec "s2s", "append session".
#include <deque>
#include <vector>

#include "emulator/answer.h"
#include "emulator/append.h"
#include "emulator/request.h"
#include "wire/proto.h"
#include "wire/s2s.h"

namespace s2::emulator {
namespace {

constexpr std::size_t kMaxUnsentAckBytes = 256 * 1024;

class AppendSession : public std::enable_shared_from_this<AppendSession> {
 public:
  AppendSession(World& world, ExchangePtr exchange, Append blank)
      : world_(world), exchange_(std::move(exchange)), blank_(std::move(blank)) {}

  void begin() {
    begin_stream(world_, *exchange_, "s2s/proto");
    const auto self = shared_from_this();
    exchange_->on_body = [self](const std::string& bytes) { self->receive(bytes); };
    exchange_->on_body_end = [self] {
      self->input_ended_ = true;
      self->advance();
    };
    exchange_->on_drain = [self] { self->drain(); };
  }

 private:
  void receive(const std::string& bytes) {
    if (over_) return exchange_->consumed(bytes.size());
    held_bytes_ += bytes.size();
    if (!broken_) {
      std::vector<wire::S2sFrame> whole;
      const auto decoded = decoder_.receive(bytes, whole);
      for (wire::S2sFrame& frame : whole) frames_.push_back({std::move(frame), world_.clock.elapsed_ns()});
      if (!decoded) broken_ = refusal(decoded.error());
    }
    advance();
  }

  void advance() {
    if (advancing_) return;
    advancing_ = true;
    while (!over_ && !busy_ && !frames_.empty() && has_room()) take_frame();
    advancing_ = false;
    if (!over_ && (busy_ || !frames_.empty())) return;
    give_back();
    if (over_) return;
    if (broken_) return fail(*broken_);
    if (!input_ended_) return;
    if (!decoder_.at_boundary()) return fail(refusal(400, "bad_frame", "the session ended inside a frame"));
    over_ = true;
    exchange_->send_data("", true);
  }

  bool has_room() {
    if (exchange_->unsent() <= kMaxUnsentAckBytes) return true;
    exchange_->on_writable = [self = shared_from_this()] { self->advance(); };
    return false;
  }

  void take_frame() {
    const auto [frame, arrived_ns] = std::move(frames_.front());
    frames_.pop_front();
    if (frame.terminal) return fail(refusal(400, "bad_frame", "a client sends no terminal frame"));
    auto input = wire::append_input_from_proto(frame.body);
    if (!input) return fail(refusal(400, "bad_frame", input.error().message));
    Append append = blank_;
    append.input = std::move(*input);
    append.arrived_ns = arrived_ns;
    busy_ = true;
    run_append(world_, exchange_, std::move(append), [self = shared_from_this()](const auto& result) {
      self->busy_ = false;
      if (result) {
        self->exchange_->send_data(wire::encode_s2s({.body = wire::to_proto(*result)}), false);
      } else {
        self->fail(result.error());
      }
      self->advance();
    });
  }

  void fail(const wire::ApiError& error, bool reconnect_advised = false) {
    if (over_) return;
    over_ = true;
    frames_.clear();
    exchange_->send_data(wire::encode_s2s({.terminal = true,
                                           .reconnect_advised = reconnect_advised,
                                           .body = wire::to_json(error),
                                           .status = error.status}),
                         true);
    give_back();
  }

  // The last words promise that what is not acknowledged had no effect only when that is so.
  void drain() {
    fail(busy_ ? refusal(503, "unavailable", "the server is about to end")
               : refusal(503, "server_draining", "the server is about to end"),
         true);
  }

  void give_back() { exchange_->consumed(std::exchange(held_bytes_, 0)); }

  World& world_;
  const ExchangePtr exchange_;
  const Append blank_;
  wire::S2sDecoder decoder_;
  struct Waiting {
    wire::S2sFrame frame;
    std::int64_t arrived_ns;
  };
  std::deque<Waiting> frames_;  // not yet taken; bounded by what the connection lets in
  std::optional<wire::ApiError> broken_;
  std::size_t held_bytes_ = 0;
  bool busy_ = false;  // an append is under way
  bool advancing_ = false;
  bool input_ended_ = false;
  bool over_ = false;
};

}  // namespace

void serve_append_session(World& world, const ExchangePtr& exchange, std::string basin, std::string stream,
                          StreamConfigLayer if_created) {
  const auto opened = world.service.open_for_append(basin, stream, world.clock.now_ms(), if_created);
  if (!opened) return send(world, *exchange, error_answer(opened.error()));
  Append blank{.op = "append_session",
               .basin = std::move(basin),
               .stream = std::move(stream),
               .if_created = if_created,
               .input = {},
               .arrived_ns = 0};
  std::make_shared<AppendSession>(world, exchange, std::move(blank))->begin();
}

}  // namespace s2::emulator
