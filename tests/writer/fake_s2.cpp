// See fake_s2.h.
#include "tests/writer/fake_s2.h"

namespace s2::writer::test {

namespace {

wire::ApiError api_error(int status, std::string code) {
  wire::ApiError error;
  error.status = status;
  error.code = std::move(code);
  error.message = "as planned";
  return error;
}

bool is_fence(const wire::AppendRecord& record) {
  return wire::is_command(record.headers) && record.headers[0].value == "fence";
}

}  // namespace

class FakeChannel final : public AppendChannel {
 public:
  FakeChannel(FakeS2& s2, std::function<void()> wake) : s2_(s2), wake_(std::move(wake)) {}

  tl::expected<void, std::string> open(Time) override {
    answers_.clear();
    open_ = false;
    if (s2_.next_hurt(true, false) == Hurt::open_fails)
      return tl::unexpected(std::string("connection refused"));
    open_ = true;
    retiring_ = dead_ = false;
    return {};
  }

  tl::expected<void, std::string> send(const wire::AppendInput& input, Time) override {
    const std::lock_guard lock(s2_.mutex_);
    if (!open_) return tl::unexpected(std::string("no session is open"));
    if (dead_) return {};
    if (s2_.before_each_append) s2_.before_each_append(s2_);
    s2_.age_twins();
    const Hurt hurt = s2_.next_hurt(false, false);
    switch (hurt) {
      case Hurt::cut_before_commit:
        return lost();
      case Hurt::late_twin:
        s2_.twins_.push_back({input, s2_.late_by});
        return lost();
      case Hurt::unavailable_before:
        return refuse(api_error(503, "unavailable"));
      case Hurt::rate_limited:
        return refuse(api_error(429, "rate_limited"));
      case Hurt::denied_once:
        return refuse(api_error(403, "quota_exhausted"));
      default:
        break;
    }
    auto outcome = s2_.apply(input);
    if (const auto* error = std::get_if<wire::ApiError>(&outcome)) return refuse(*error);
    auto ack = std::get<wire::AppendAck>(outcome);
    switch (hurt) {
      case Hurt::cut_after_commit:
        return lost();
      case Hurt::unavailable_after:
        return refuse(api_error(503, "unavailable"));
      case Hurt::silent:
        dead_ = true;
        return {};
      case Hurt::garbled_ack:
        ack.start.seq_num += 7;
        ack.end.seq_num += 7;
        break;
      default:
        break;
    }
    answers_.emplace_back(AppendAcked{ack});
    if (hurt == Hurt::goaway) answers_.emplace_back(SessionRetiring{});
    wake_();
    return {};
  }

  void poll(std::vector<AppendEvent>& out, Time) override {
    for (std::size_t n = 0; n < s2_.acks_a_poll && !answers_.empty(); ++n) {
      if (std::holds_alternative<SessionRetiring>(answers_.front())) retiring_ = true;
      if (std::holds_alternative<SessionLost>(answers_.front()) ||
          std::holds_alternative<AppendRefused>(answers_.front())) {
        open_ = false;
      }
      out.push_back(std::move(answers_.front()));
      answers_.pop_front();
    }
    if (!answers_.empty()) wake_();
  }

  bool can_send() const override { return open_ && !retiring_; }
  bool can_ping() const override { return false; }
  void ping(Time) override {}
  Time last_heard() const override { return Time::min(); }
  Time last_progress() const override { return Time::min(); }
  void drop() override {
    open_ = false;
    answers_.clear();
  }
  void abort() override {}

  tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_back(std::uint64_t from, std::size_t count,
                                                                        Time) override {
    const std::lock_guard lock(s2_.mutex_);
    if (!s2_.may_read) return tl::unexpected(ReadError{true, api_error(403, "permission_denied"), ""});
    if (s2_.next_hurt(false, true) == Hurt::read_fails) return tl::unexpected(ReadError{false, {}, "cut"});
    std::vector<wire::SequencedRecord> out;
    for (std::size_t i = std::max(from, s2_.trimmed_below); i < s2_.records_.size() && out.size() < count;
         ++i) {
      out.push_back({i, 0, s2_.records_[i].headers, std::string(s2_.records_[i].body)});
    }
    return out;
  }

 private:
  tl::expected<void, std::string> lost() {
    dead_ = true;
    answers_.emplace_back(SessionLost{"cut"});
    wake_();
    return {};
  }
  tl::expected<void, std::string> refuse(wire::ApiError error) {
    dead_ = true;  // the session ends at its first error
    answers_.emplace_back(AppendRefused{std::move(error)});
    wake_();
    return {};
  }

  FakeS2& s2_;
  const std::function<void()> wake_;
  std::deque<AppendEvent> answers_;
  bool open_ = false;
  bool retiring_ = false;
  bool dead_ = false;  // takes bytes, applies nothing
};

std::unique_ptr<AppendChannel> FakeS2::make_channel(const std::string&, std::function<void()> wake) {
  return std::make_unique<FakeChannel>(*this, std::move(wake));
}

std::vector<wire::AppendRecord> FakeS2::stored() const {
  const std::lock_guard lock(mutex_);
  std::vector<wire::AppendRecord> out;
  for (const auto& record : records_) {
    if (!wire::is_command(record.headers)) out.push_back(record);
  }
  return out;
}

std::string FakeS2::token() const {
  const std::lock_guard lock(mutex_);
  return token_;
}

void FakeS2::foreign_append(wire::AppendInput input) {
  const std::lock_guard lock(mutex_);
  apply(input, /*foreign=*/true);
}

std::variant<wire::AppendAck, wire::ApiError> FakeS2::apply(const wire::AppendInput& input, bool foreign) {
  for (const auto& record : input.records) {
    if (is_fence(record) && !may_fence && !foreign) return api_error(403, "permission_denied");
    if (record.body.view().starts_with("bad")) return api_error(422, "invalid");
  }
  if (input.fencing_token && *input.fencing_token != token_) {
    wire::ApiError error;
    error.status = 412;
    error.fencing_token_mismatch = token_;
    return error;
  }
  if (input.match_seq_num && *input.match_seq_num != records_.size()) {
    wire::ApiError error;
    error.status = 412;
    error.seq_num_mismatch = records_.size();
    return error;
  }
  wire::AppendAck ack;
  ack.start.seq_num = records_.size();
  for (const auto& record : input.records) {
    if (is_fence(record)) token_ = std::string(record.body);
    records_.push_back(record);
  }
  ack.end.seq_num = ack.tail.seq_num = records_.size();
  return ack;
}

Hurt FakeS2::next_hurt(bool opening, bool reading) {
  const std::lock_guard lock(mutex_);
  if (plan.empty()) return Hurt::none;
  const Hurt next = plan.front();
  // An entry of the other kind waits for its call; but an idle plan must not wait for a call that never
  // comes.
  if ((next == Hurt::open_fails) != opening && next == Hurt::open_fails) {
    plan.pop_front();
    return Hurt::none;
  }
  if (next == Hurt::read_fails && !reading) {
    plan.pop_front();
    return Hurt::none;
  }
  if ((opening && next != Hurt::open_fails) || (reading && next != Hurt::read_fails)) return Hurt::none;
  plan.pop_front();
  return next;
}

void FakeS2::age_twins() {
  for (auto at = twins_.begin(); at != twins_.end();) {
    if (at->calls_left-- == 0) {
      const Twin twin = *at;
      at = twins_.erase(at);
      apply(twin.input);
    } else {
      ++at;
    }
  }
}

}  // namespace s2::writer::test
