// The net at the level of appends; see direct_s2.h.
#include "scenarios/direct_s2.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace s2::scenarios {

using writer::AppendEvent;

const char* name_of(DirectFault fault) {
  switch (fault) {
    case DirectFault::cut_before_commit:
      return "cut before commit";
    case DirectFault::cut_after_commit:
      return "lost ack";
    case DirectFault::late_twin:
      return "late twin";
    case DirectFault::busy:
      return "429";
    case DirectFault::unavailable:
      return "503";
    case DirectFault::error_after_commit:
      return "500 after commit";
    case DirectFault::retiring:
      return "goaway";
    case DirectFault::silent_before_commit:
      return "silence before commit";
    case DirectFault::silent_after_commit:
      return "silence after commit";
    case DirectFault::stranger:
      return "a stranger's append in place of one that is lost";
    case DirectFault::token_refused:
      return "401";
  }
  return "";
}

wire::AppendInput strangers_records(std::size_t count) {
  wire::AppendInput input;
  for (std::size_t n = 0; n < count; ++n) input.records.push_back({std::nullopt, {}, "a stranger's"});
  return input;
}

class DirectChannel final : public writer::AppendChannel {
 public:
  DirectChannel(DirectS2& net, std::string stream, std::function<void()> wake)
      : net_(net), stream_(std::move(stream)), wake_(std::move(wake)) {}
  ~DirectChannel() override { drop(); }

  tl::expected<void, std::string> open(Time deadline) override {
    leave();
    std::unique_lock lock(net_.mutex_);
    if (aborted_) return tl::unexpected<std::string>("closed");
    const std::uint64_t attempt = ++net_.opens_;
    if (net_.options_.refused_from != 0 && attempt >= net_.options_.refused_from &&
        attempt < net_.options_.refused_from + net_.options_.refused_opens) {
      return tl::unexpected<std::string>("connection refused");
    }
    if (DirectS2::Clock::now() >= deadline) return tl::unexpected<std::string>("connecting took too long");
    session_ = std::make_shared<DirectS2::Session>();
    session_->stream = stream_;
    session_->wake = wake_;
    session_->heard = DirectS2::Clock::now();
    net_.sessions_.push_back(session_);
    return {};
  }

  tl::expected<void, std::string> send(const wire::AppendInput& input, Time) override {
    const std::lock_guard lock(net_.mutex_);
    if (!session_ || session_->over || aborted_)
      return tl::unexpected<std::string>("connection reset by peer");
    ++net_.sends_;
    ++session_->unanswered;
    DirectS2::UnderWay& sent = session_->to_service.emplace_back();
    sent.input = input;
    if (net_.options_.latency.count() > 0) sent.due = DirectS2::Clock::now() + net_.options_.latency;
    if (net_.options_.on_send) sent.name = net_.options_.on_send(stream_, input);
    net_.tell_under_way();
    net_.work_.notify_one();
    return {};
  }

  void poll(std::vector<AppendEvent>& out, Time) override {
    const std::lock_guard lock(net_.mutex_);
    if (!session_) return;
    std::move(session_->to_client.begin(), session_->to_client.end(), std::back_inserter(out));
    session_->to_client.clear();
  }

  bool can_send() const override {
    const std::lock_guard lock(net_.mutex_);
    return session_ && !session_->over && !session_->retiring && session_->unanswered < kMaxUnansweredAppends;
  }

  void ping(Time) override {
    const std::lock_guard lock(net_.mutex_);
    if (!session_ || session_->over) return;
    if (net_.options_.latency.count() > 0) {  // it is the appends that take their time
      if (!session_->mute) session_->heard = DirectS2::Clock::now();
      return;
    }
    session_->to_service.emplace_back().ping = true;
    net_.work_.notify_one();
  }

  Time last_heard() const override {
    const std::lock_guard lock(net_.mutex_);
    return session_ ? session_->heard : Time::min();
  }
  Time last_progress() const override { return Time::min(); }
  bool can_ping() const override { return true; }
  void drop() override { leave(); }

  tl::expected<std::vector<wire::SequencedRecord>, writer::ReadError> read_back(std::uint64_t from,
                                                                                std::size_t count,
                                                                                Time) override {
    const std::lock_guard lock(net_.mutex_);
    if (aborted_) return tl::unexpected(writer::ReadError{false, {}, "closed"});
    emulator::ReadRequest request;
    request.from = emulator::FromSeqNum{from};
    request.count = count;
    request.clamp = true;
    std::vector<wire::SequencedRecord> records;
    auto cursor = net_.service_.open_read(kDirectBasin, stream_, request, net_.now_ms());
    if (!cursor) {
      if (cursor.error().tail) return records;  // nothing stands there yet
      return tl::unexpected(writer::ReadError{true, cursor.error(), ""});
    }
    while (true) {
      auto step = net_.service_.step(*cursor, net_.now_ms());
      if (!step) return tl::unexpected(writer::ReadError{true, step.error(), ""});
      std::move(step->batch.records.begin(), step->batch.records.end(), std::back_inserter(records));
      if (step->kind != emulator::ReadStep::Kind::batch) return records;
    }
  }

  void abort() override {
    const std::lock_guard lock(net_.mutex_);
    aborted_ = true;
    if (session_) session_->over = true;
  }

 private:
  // After it the net calls no wake of this channel any more.
  void leave() {
    std::unique_lock lock(net_.mutex_);
    if (!session_) return;
    session_->dropped = true;
    net_.work_.notify_one();  // what the service was deaf for may land now
    net_.changed_.wait(lock, [&] { return !session_->waking; });
    session_ = nullptr;
  }

  DirectS2& net_;
  const std::string stream_;
  const std::function<void()> wake_;
  DirectS2::SessionPtr session_;  // the pointer is the channel's thread's; but for abort(), under the lock
  bool aborted_ = false;
};

DirectS2::DirectS2(DirectOptions options) : options_(std::move(options)) {
  emulator::BasinConfig basin;
  basin.create_stream_on_append = true;
  static_cast<void>(service_.create_basin(kDirectBasin, basin, std::nullopt, now_ms()));
  thread_ = std::thread([this] { run(); });
}

DirectS2::~DirectS2() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    work_.notify_one();
  }
  thread_.join();
}

std::unique_ptr<writer::AppendChannel> DirectS2::make_channel(const std::string& stream,
                                                              std::function<void()> wake) {
  return std::make_unique<DirectChannel>(*this, stream, std::move(wake));
}

std::uint64_t DirectS2::attempts() const {
  const std::lock_guard lock(mutex_);
  return opens_ + sends_;
}

std::uint64_t DirectS2::now_ms() const {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

void DirectS2::run() {
  pthread_setname_np(pthread_self(), "service");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    Clock::time_point due = Clock::time_point::max();
    if (const SessionPtr session = next_session(due)) {
      take(lock, session);
    } else if (due != Clock::time_point::max()) {
      work_.wait_until(lock, due);
    } else {
      work_.wait(lock);
    }
  }
}

// One of those with something to take, drawn; forgets the ones that are done. Nothing: `due` is when there
// is.
DirectS2::SessionPtr DirectS2::next_session(Clock::time_point& due) {
  std::vector<SessionPtr> ready;
  const auto now = options_.latency.count() > 0 ? Clock::now() : Clock::time_point::max();
  for (auto each = sessions_.begin(); each != sessions_.end();) {
    const SessionPtr& session = *each;
    if (session->dropped && session->to_service.empty()) {
      each = sessions_.erase(each);
      continue;
    }
    ++each;
    if (session->to_service.empty() || (session->deaf && !session->dropped)) continue;
    if (session->to_service.front().due <= now) {
      ready.push_back(session);
    } else {
      due = std::min(due, session->to_service.front().due);
    }
  }
  if (ready.empty()) return nullptr;
  return ready.size() == 1 ? ready.front() : ready[options_.draw(ready.size())];
}

void DirectS2::take(std::unique_lock<std::mutex>& lock, const SessionPtr& session) {
  if (session->to_service.front().ping) {
    session->to_service.pop_front();
    session->heard = Clock::now();
    return;
  }
  const std::uint64_t number = ++appends_;
  const auto planned = std::find_if(options_.faults.begin(), options_.faults.end(),
                                    [&](const PlannedFault& each) { return each.append == number; });
  const bool faulty = planned != options_.faults.end() && !session->dropped;
  const DirectFault fault = faulty ? planned->fault : DirectFault::cut_before_commit;

  const auto refusal = [](int status, const char* code) {
    wire::ApiError error;
    error.status = status;
    error.code = code;
    return writer::AppendRefused{error};
  };
  if (faulty) {
    switch (fault) {
      case DirectFault::stranger: {
        const std::size_t records = session->to_service.front().input.records.size();
        if (service_.append(kDirectBasin, session->stream, strangers_records(records), now_ms()) &&
            options_.on_stranger)
          options_.on_stranger(session->stream, records);
        [[fallthrough]];
      }
      case DirectFault::cut_before_commit:
        session->to_service.clear();
        return answer(lock, session, writer::SessionLost{"connection reset by peer"}, true);
      case DirectFault::late_twin:
        session->deaf = true;
        return answer(lock, session, writer::SessionLost{"connection reset by peer"}, true);
      case DirectFault::busy:
      case DirectFault::unavailable:
      case DirectFault::token_refused:
        session->to_service.clear();
        return answer(lock, session,
                      fault == DirectFault::busy          ? refusal(429, "rate_limited")
                      : fault == DirectFault::unavailable ? refusal(503, "unavailable")
                                                          : refusal(401, "authn"),
                      true);
      case DirectFault::silent_before_commit:
        session->deaf = session->mute = true;
        return;
      default:
        break;
    }
  }

  UnderWay taken = std::move(session->to_service.front());
  session->to_service.pop_front();
  const std::uint64_t now = now_ms();
  auto ack = service_.append(kDirectBasin, session->stream, std::move(taken.input), now);
  if (!ack) {
    session->to_service.clear();
    return answer(lock, session, writer::AppendRefused{ack.error()}, true);
  }
  if (options_.on_commit) options_.on_commit(taken.name);
  if (faulty && fault == DirectFault::cut_after_commit) {
    session->to_service.clear();
    return answer(lock, session, writer::SessionLost{"connection reset by peer"}, true);
  }
  if (faulty && fault == DirectFault::error_after_commit) {
    session->to_service.clear();
    return answer(lock, session, refusal(500, "internal"), true);
  }
  if (faulty && fault == DirectFault::silent_after_commit) session->deaf = session->mute = true;
  // Committed, and not yet answered: others may come between.
  lock.unlock();
  lock.lock();
  answer(lock, session, writer::AppendAcked{*ack}, false);
  if (faulty && fault == DirectFault::retiring) {
    session->retiring = true;
    answer(lock, session, writer::SessionRetiring{}, false);
  }
}

void DirectS2::answer(std::unique_lock<std::mutex>& lock, const SessionPtr& session, AppendEvent event,
                      bool ends) {
  if (session->dropped || session->mute || session->over) return;
  session->heard = Clock::now();
  session->over = session->over || ends;
  if (std::holds_alternative<writer::AppendAcked>(event)) --session->unanswered;
  session->to_client.push_back(std::move(event));
  session->waking = true;
  lock.unlock();
  session->wake();
  lock.lock();
  session->waking = false;
  changed_.notify_all();
}

void DirectS2::tell_under_way() {
  if (!options_.on_under_way) return;
  std::vector<std::vector<std::uint64_t>> under_way;
  for (const SessionPtr& session : sessions_) {
    std::vector<std::uint64_t> names;
    for (const UnderWay& each : session->to_service) {
      if (!each.ping) names.push_back(each.name);
    }
    if (!names.empty()) under_way.push_back(std::move(names));
  }
  options_.on_under_way(under_way);
}

}  // namespace s2::scenarios
