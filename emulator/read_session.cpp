// See read_session.h.
#include "emulator/read_session.h"

#include "emulator/answer.h"
#include "emulator/request.h"

namespace s2::emulator {
namespace {

constexpr std::chrono::milliseconds kMinHeartbeat{5'000};
constexpr std::chrono::milliseconds kMaxHeartbeat{15'000};

class ReadSession : public std::enable_shared_from_this<ReadSession> {
 public:
  ReadSession(World& world, ExchangePtr exchange, ReadSessionStart start, std::unique_ptr<ReadVoice> voice)
      : world_(world), exchange_(std::move(exchange)), start_(std::move(start)), voice_(std::move(voice)) {}

  void begin() {
    if (!exchange_->is_open()) return finish();
    begin_stream(world_, *exchange_, voice_->content_type());
    const auto self = shared_from_this();
    exchange_->on_drain = [self] {
      self->fail(refusal(503, "server_draining", "the server is about to end"), true);
    };
    exchange_->on_gone = [self] { self->finish(); };
    advance();
  }

 private:
  void advance() {
    while (!over_) {
      if (exchange_->unsent() >= kWritableBytes) {
        exchange_->on_writable = [self = shared_from_this()] { self->advance(); };
        return;
      }
      auto step = world_.service.step(start_.cursor, world_.clock.now_ms());
      if (!step) return fail(step.error(), false);
      tail_ = step->tail;
      if (step->kind == ReadStep::Kind::done) return end();
      if (step->kind == ReadStep::Kind::waiting) return follow();
      deliver(step->batch);
    }
  }

  void deliver(const wire::ReadBatch& batch) {
    exchange_->send_data(voice_->batch(batch), false);
    arm_wait();
    if (subscribed_) arm_heartbeat();
    if (!start_.history) return;
    if (whole_.take(batch)) {
      exchange_->after_written(
          [self = shared_from_this(), op = *start_.history, whole = whole_](bool written) {
            written ? self->world_.history.read_success(op, whole) : self->world_.history.read_failure(op);
          });
      start_.history.reset();
    } else if (!whole_.possible()) {
      forget_history();
    }
  }

  // At the tail: the first time, a heartbeat says so.
  void follow() {
    if (subscribed_) return;
    auto subscription = world_.service.subscribe(start_.cursor, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wake();
    });
    if (!subscription) return fail(subscription.error(), false);
    subscription_ = std::move(*subscription);
    subscribed_ = true;
    if (wait_timer_ == 0) arm_wait();
    beat();
  }

  void wake() {
    if (woken_ || over_) return;
    woken_ = true;
    world_.soon([self = shared_from_this()] {
      self->woken_ = false;
      self->advance();
    });
  }

  void beat() {
    if (over_) return;
    // A reader that takes nothing needs no further sign of life.
    if (exchange_->unsent() < kWritableBytes) {
      exchange_->send_data(voice_->heartbeat(tail_, world_.clock.now_ms()), false);
    }
    arm_heartbeat();
  }

  void arm_heartbeat() {
    world_.clock.cancel(heartbeat_timer_);
    std::uniform_int_distribution<std::int64_t> between(kMinHeartbeat.count(), kMaxHeartbeat.count());
    heartbeat_timer_ =
        world_.clock.after(std::chrono::milliseconds(between(world_.random())), [weak = weak_from_this()] {
          if (const auto self = weak.lock()) self->beat();
        });
  }

  // `wait` bounds the time between records. S2 spec "read": wait.
  void arm_wait() {
    if (!start_.wait_secs) return;
    world_.clock.cancel(wait_timer_);
    wait_timer_ = world_.clock.after(std::chrono::seconds(*start_.wait_secs), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->wait_timer_ = 0;  // at the tail it begins anew, for a reader that was still behind
      if (self->subscribed_) self->end();
    });
  }

  void end() {
    if (over_) return;
    exchange_->send_data(voice_->end(), true);
    finish();
  }

  void fail(const wire::ApiError& error, bool reconnect_advised) {
    if (over_) return;
    exchange_->send_data(voice_->error(error, reconnect_advised), true);
    finish();
  }

  void finish() {
    over_ = true;
    forget_history();
    subscription_ = {};
    world_.clock.cancel(heartbeat_timer_);
    world_.clock.cancel(wait_timer_);
  }

  void forget_history() {
    if (start_.history) world_.history.withdraw(*std::exchange(start_.history, std::nullopt));
  }

  World& world_;
  const ExchangePtr exchange_;
  ReadSessionStart start_;
  const std::unique_ptr<ReadVoice> voice_;
  WholeRead whole_;
  Subscription subscription_;
  wire::StreamPosition tail_;
  Clock::TimerId heartbeat_timer_ = 0;
  Clock::TimerId wait_timer_ = 0;
  bool subscribed_ = false;
  bool woken_ = false;
  bool over_ = false;
};

}  // namespace

void start_read_session(World& world, const ExchangePtr& exchange, ReadSessionStart start,
                        std::unique_ptr<ReadVoice> voice) {
  std::make_shared<ReadSession>(world, exchange, std::move(start), std::move(voice))->begin();
}

}  // namespace s2::emulator
