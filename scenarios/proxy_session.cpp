// See proxy_append.h: append sessions. Frames go up one at a time, each after the answer to the one before,
// while something may still go wrong as planned: so a fault stands between two appends, as it does at the
// emulator. Without that several may be at the endpoint at once (ProxyStage::ahead).
//
// The frames that pass are the writer's and the endpoint's own bytes; they are decoded for the moments alone.
#include <algorithm>
#include <deque>
#include <utility>

#include "emulator/request.h"
#include "scenarios/proxy_append.h"
#include "wire/proto.h"
#include "wire/s2s.h"

namespace s2::scenarios {
namespace {

using emulator::ExchangePtr;

constexpr std::string_view kSessionOp = "append_session";
constexpr std::size_t kMaxUnsentBytes = 256 * 1024;  // each way, before the next frame is taken

// Cuts a stream of s2s frames into frames, as they are.
class FrameCutter {
 public:
  void receive(std::string_view bytes, std::deque<std::string>& frames) {
    rest_ += bytes;
    while (rest_.size() >= kLengthBytes) {
      std::size_t length = kLengthBytes;
      for (std::size_t i = 0, shift = 16; i < kLengthBytes; ++i, shift -= 8) {
        length += static_cast<std::size_t>(static_cast<unsigned char>(rest_[i])) << shift;
      }
      if (rest_.size() < length) return;
      frames.push_back(rest_.substr(0, length));
      rest_.erase(0, length);
    }
  }
  const std::string& rest() const { return rest_; }  // of a frame that is not whole

 private:
  static constexpr std::size_t kLengthBytes = 3;
  std::string rest_;
};

std::optional<wire::S2sFrame> frame_in(const std::string& bytes) {
  wire::S2sDecoder decoder;
  std::vector<wire::S2sFrame> frames;
  if (!decoder.receive(bytes, frames) || frames.size() != 1) return std::nullopt;
  return std::move(frames[0]);
}

std::optional<wire::AppendInput> append_in_frame(const std::string& bytes) {
  const auto frame = frame_in(bytes);
  if (!frame || frame->terminal) return std::nullopt;
  auto input = wire::append_input_from_proto(frame->body);
  return input ? std::optional(std::move(*input)) : std::nullopt;
}

class SessionRelay : public std::enable_shared_from_this<SessionRelay> {
 public:
  SessionRelay(ProxyStage& stage, ExchangePtr exchange, std::string stream)
      : stage_(stage), exchange_(std::move(exchange)), stream_(std::move(stream)) {}

  void begin() {
    const auto self = shared_from_this();
    UpstreamAnswer answer;
    answer.on_head = [self](const wire::ResponseHead& head) { self->take_head(head); };
    answer.on_body = [self](const std::string& bytes) { self->take_answer(bytes); };
    answer.on_end = [self] { self->answer_ended(); };
    answer.on_lost = [self] { self->lost(); };
    answer.on_progress = [self] { self->advance(); };
    request_ =
        stage_.upstream.request(head_to_pass(exchange_->head()), exchange_->over_http2(), std::move(answer));
    exchange_->on_body = [self](const std::string& bytes) { self->receive(bytes); };
    exchange_->on_body_end = [self] {
      self->input_ended_ = true;
      self->advance();
    };
    exchange_->on_drain = [self] { self->drain(); };
    exchange_->on_gone = [self] {
      self->over_ = true;
      self->frames_.clear();
      self->leave_soon();
    };
  }

 private:
  // --- from the writer ---
  void receive(const std::string& bytes) {
    if (over_) return exchange_->consumed(bytes.size());
    held_bytes_ += bytes.size();
    std::deque<std::string> whole;
    cutter_.receive(bytes, whole);
    for (std::string& frame : whole) frames_.push_back({std::move(frame), emulator::steady_ns()});
    advance();
  }

  void advance() {
    if (advancing_) return;
    advancing_ = true;
    while (!over_ && !frames_.empty() && may_take() && has_room()) take_frame();
    advancing_ = false;
    if (!over_ && (is_busy() || !frames_.empty())) return;
    exchange_->consumed(std::exchange(held_bytes_, 0));
    if (over_) return;
    if (input_ended_ && !std::exchange(passed_end_, true)) request_->send(cutter_.rest(), true);
    if (ended_above_) end();
  }

  bool is_busy() const { return !appends_.empty(); }

  // Only behind appends that are at the endpoint; one that a fault holds back holds up what comes after it.
  bool may_take() const {
    if (!is_busy()) return true;
    if (appends_.size() >= (stage_.faults.may_fire(kSessionOp) ? 1 : stage_.ahead)) return false;
    return std::all_of(appends_.begin(), appends_.end(), [](const auto& weak) {
      const auto append = weak.lock();
      return append && append->is_under_way();
    });
  }

  std::shared_ptr<ProxiedAppend> first_under_way() const {
    for (const auto& weak : appends_) {
      const auto append = weak.lock();
      if (append && append->is_under_way()) return append;
    }
    return nullptr;
  }

  bool has_room() {
    if (exchange_->unsent() > kMaxUnsentBytes) {
      exchange_->on_writable = [self = shared_from_this()] { self->advance(); };
      return false;
    }
    return request_->unsent() <= kMaxUnsentBytes;  // on_progress comes here again
  }

  void take_frame() {
    const auto [bytes, arrived_ns] = std::move(frames_.front());
    frames_.pop_front();
    auto input = append_in_frame(bytes);
    if (!input) return request_->send(bytes, false);  // the endpoint will say what is wrong with it
    ++untold_;
    const auto append = std::make_shared<ProxiedAppend>(
        stage_, exchange_, append_place(exchange_->head(), kSessionOp, stream_), std::move(*input));
    appends_.push_back(append);
    const auto self = shared_from_this();
    append->begin({.forward = [self, frame = bytes] { self->forward(frame); },
                   .tell = [self] { return self->tell(); },
                   .refuse = [self](const wire::ApiError& error) { self->fail(error, false); },
                   .done = [self] { self->done(); }},
                  std::chrono::nanoseconds(emulator::steady_ns() - arrived_ns));
  }

  void forward(const std::string& bytes) { ended_above_ ? resolve_rest() : request_->send(bytes, false); }

  // The endpoint says no more: what it has is refused as the session was, or its outcome is not known.
  void resolve_rest() {
    while (const auto append = first_under_way()) {
      refused_ ? append->answered(tl::unexpected(refusal_above())) : append->lost();
    }
    // What has been answered is told first.
    stage_.loop.post([self = shared_from_this()] {
      if (!self->refused_ && !self->over_ && self->untold_ > 0) endpoint_lost(self->stage_, *self->exchange_);
    });
  }

  // --- from the endpoint ---
  void take_head(const wire::ResponseHead& head) {
    if (head.status != 200) {
      refused_ = head;
    } else if (!over_ && !std::exchange(head_sent_, true)) {
      exchange_->send_head(head, false);
    }
  }

  void take_answer(const std::string& bytes) {
    if (refused_) {
      refusal_body_ += bytes;
      return;
    }
    std::deque<std::string> frames;
    answers_.receive(bytes, frames);
    for (std::string& frame : frames) {
      const auto append = first_under_way();
      answer_ += frame;
      const auto understood = frame_in(frame);
      last_said_ = last_said_ || (understood && understood->terminal);
      if (last_said_) frames_.clear();
      if (append) {
        answered_.push_back(std::exchange(answer_, {}));
        append->answered(result_in(understood));
      } else if (!is_busy()) {
        tell();
      }
    }
  }

  static AppendResult result_in(const std::optional<wire::S2sFrame>& frame) {
    if (frame && frame->terminal)
      return tl::unexpected(wire::api_error_from_json(frame->status, frame->body));
    if (frame) {
      if (auto ack = wire::append_ack_from_proto(frame->body)) return *ack;
    }
    return tl::unexpected(emulator::refusal(502, "other", "an acknowledgement that cannot be read"));
  }

  void answer_ended() {
    ended_above_ = true;
    if (first_under_way()) return resolve_rest();
    if (!is_busy()) end();
  }

  void lost() {
    ended_above_ = true;
    refused_.reset();
    resolve_rest();
    stage_.loop.post([self = shared_from_this()] {
      if (!self->over_) endpoint_lost(self->stage_, *self->exchange_);
    });
  }

  wire::ApiError refusal_above() const { return wire::api_error_from_json(refused_->status, refusal_body_); }

  // --- to the writer ---
  // What the endpoint has said of the next append, and nothing of those behind it: their instants come first.
  // False when there is nobody to tell.
  bool tell() {
    if (over_) return false;
    untold_ -= untold_ > 0;
    std::string said = std::exchange(answered_.empty() ? answer_ : answered_.front(), {});
    if (!answered_.empty()) answered_.pop_front();
    if ((refused_ || last_said_) && answered_.empty()) {
      answer_.insert(0, said);
      end();
    } else {
      exchange_->send_data(said, false);
    }
    return true;
  }

  // As the endpoint ended it: with an answer instead of a session, or after its last frame.
  void end() {
    if (std::exchange(over_, true)) return;
    if (refused_ && !head_sent_) {
      exchange_->send_head(*refused_, refusal_body_.empty());
      if (!refusal_body_.empty()) exchange_->send_data(refusal_body_, true);
    } else {
      exchange_->send_data(answer_, true);
    }
    frames_.clear();
    exchange_->consumed(std::exchange(held_bytes_, 0));
    leave_soon();
  }

  void done() {
    if (over_) leave_soon();
    // A cut that an observer has just asked for comes first.
    stage_.loop.post([self = shared_from_this()] {
      if (self->is_busy()) self->appends_.pop_front();
      if (!self->over_) self->advance();
    });
  }

  // In the proxy's own words, which are S2's.
  void fail(const wire::ApiError& error, bool reconnect_advised) {
    if (std::exchange(over_, true)) return;
    frames_.clear();
    if (!std::exchange(head_sent_, true)) exchange_->send_head({200, {{"content-type", "s2s/proto"}}}, false);
    exchange_->send_data(wire::encode_s2s({.terminal = true,
                                           .reconnect_advised = reconnect_advised,
                                           .body = wire::to_json(error),
                                           .status = error.status}),
                         true);
    exchange_->consumed(std::exchange(held_bytes_, 0));
    leave_soon();
  }

  // What waits here has surely had no effect, unless one is under way.
  void drain() {
    fail(
        emulator::refusal(503, untold_ > 0 ? "unavailable" : "server_draining", "the server is about to end"),
        true);
  }

  // Nobody listens any more. What the endpoint has is still waited for: it may take effect.
  void leave_soon() {
    stage_.loop.post([self = shared_from_this()] {
      const auto& appends = self->appends_;
      const bool waits =
          std::any_of(appends.begin(), appends.end(), [](const auto& each) { return !each.expired(); });
      if (!waits) self->request_->cancel();
    });
  }

  ProxyStage& stage_;
  const ExchangePtr exchange_;
  const std::string stream_;
  std::shared_ptr<UpstreamRequest> request_;
  FrameCutter cutter_;  // what the writer sends
  struct Waiting {
    std::string bytes;
    std::int64_t arrived_ns;
  };
  std::deque<Waiting> frames_;        // not yet taken; bounded by what the connection lets in
  FrameCutter answers_;               // what the endpoint sends
  std::deque<std::string> answered_;  // of these, what each append is to be told; not yet passed on
  std::string answer_;                // what comes behind them
  std::deque<std::weak_ptr<ProxiedAppend>> appends_;  // under way here: taken, and not yet told and gone
  std::size_t untold_ = 0;                            // the writer does not know what became of so many
  std::optional<wire::ResponseHead> refused_;         // the endpoint took no session
  std::string refusal_body_;
  std::size_t held_bytes_ = 0;
  bool advancing_ = false;
  bool head_sent_ = false;
  bool input_ended_ = false;
  bool passed_end_ = false;
  bool ended_above_ = false;  // nothing more comes from the endpoint
  bool last_said_ = false;    // the endpoint's terminal frame is here
  bool over_ = false;         // nothing more goes to the writer
};

}  // namespace

void relay_append_session(ProxyStage& stage, const ExchangePtr& exchange, std::string stream) {
  std::make_shared<SessionRelay>(stage, exchange, std::move(stream))->begin();
}

}  // namespace s2::scenarios
