// See scripted_transport.h.
#include "tests/writer/scripted_transport.h"

#include <algorithm>
#include <cstring>

namespace s2::writer::test {

class ScriptedConnection final : public Connection {
 public:
  ScriptedConnection(ScriptedTransport& transport, PeerScript script, std::size_t index)
      : transport_(transport), script_(std::move(script)), index_(index) {}
  ~ScriptedConnection() override {
    const std::lock_guard lock(transport_.mutex_);
    --transport_.alive_;
  }

  tl::expected<void, IoError> connect(Deadline deadline) override {
    std::unique_lock lock(mutex_);
    if (script_.unreachable) {
      cv_.wait_until(lock, deadline, [this] { return closed_; });
      return tl::unexpected(IoError{IoError::Kind::timed_out, "connecting: no answer"});
    }
    return {};
  }

  tl::expected<std::size_t, IoError> read(char* into, std::size_t capacity) override {
    std::unique_lock lock(mutex_);
    cv_.wait(lock, [this] { return closed_ || !incoming_.empty() || ended_; });
    if (closed_) return tl::unexpected(IoError{IoError::Kind::closed, "closed"});
    const std::size_t n = std::min(capacity, incoming_.size());
    std::memcpy(into, incoming_.data(), n);
    incoming_.erase(0, n);
    return n;
  }

  tl::expected<void, IoError> write(std::string_view bytes, Deadline deadline) override {
    std::unique_lock lock(mutex_);
    if (script_.deaf) {
      cv_.wait_until(lock, deadline, [this] { return closed_; });
      return tl::unexpected(IoError{IoError::Kind::timed_out, "writing: no room"});
    }
    if (closed_) return tl::unexpected(IoError{IoError::Kind::closed, "closed"});
    if (ended_) return tl::unexpected(IoError{IoError::Kind::reset, "writing: broken pipe"});
    {
      const std::lock_guard transport_lock(transport_.mutex_);
      transport_.written_[index_] += bytes;
    }
    if (writes_ < script_.answers.size()) incoming_ += script_.answers[writes_];
    ++writes_;
    if (script_.ends && writes_ >= script_.answers.size()) ended_ = true;
    cv_.notify_all();
    return {};
  }

  std::string alpn() const override { return ""; }
  void close() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    cv_.notify_all();
  }

 private:
  ScriptedTransport& transport_;
  const PeerScript script_;
  const std::size_t index_;
  std::mutex mutex_;
  std::condition_variable cv_;
  std::string incoming_;
  std::size_t writes_ = 0;
  bool ended_ = false;
  bool closed_ = false;
};

std::unique_ptr<Connection> ScriptedTransport::make_connection(const Endpoint&) {
  const std::lock_guard lock(mutex_);
  PeerScript script = peers.front();
  if (peers.size() > 1) peers.pop_front();
  written_.emplace_back();
  ++alive_;
  return std::make_unique<ScriptedConnection>(*this, std::move(script), written_.size() - 1);
}

std::size_t ScriptedTransport::connections() const {
  const std::lock_guard lock(mutex_);
  return written_.size();
}

std::vector<std::string> ScriptedTransport::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

std::size_t ScriptedTransport::alive() const {
  const std::lock_guard lock(mutex_);
  return alive_;
}

}  // namespace s2::writer::test
