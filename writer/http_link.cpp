// One HTTP connection; see http_link.h.
#include "writer/http_link.h"

#include <array>
#include <utility>

#include "writer/thread_name.h"

namespace s2::writer {

HttpLink::HttpLink(std::unique_ptr<Connection> connection, std::function<void()> wake)
    : connection_(std::move(connection)), wake_(std::move(wake)) {}

HttpLink::~HttpLink() {
  connection_->close();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    room_cv_.notify_all();
  }
  if (reader_.joinable()) reader_.join();
}

tl::expected<void, IoError> HttpLink::connect(Time deadline) {
  auto connected = connection_->connect(deadline);
  if (!connected) lost_ = connected.error().message;
  return connected;
}

void HttpLink::start(wire::Protocol protocol) {
  protocol_ = protocol;
  http_ = protocol == wire::Protocol::http2 ? wire::make_http2_client() : wire::make_http1_client();
  reader_ = std::thread([this] { read_on(); });
}

void HttpLink::read_on() {
  name_this_thread("reader");
  std::array<char, kReadPieceBytes> piece;
  while (true) {
    const auto got = connection_->read(piece.data(), piece.size());
    {
      std::unique_lock lock(mutex_);
      if (!got || *got == 0) {
        ended_ = true;
        end_reason_ = got ? "the peer closed the connection" : got.error().message;
      } else {
        last_heard_ = Clock::now();
        inbox_.append(piece.data(), *got);
      }
      arrived_cv_.notify_all();
    }
    wake_();
    std::unique_lock lock(mutex_);
    room_cv_.wait(lock, [this] { return inbox_.size() < kMaxInboxBytes || closing_; });
    if (ended_ || closing_) return;
  }
}

void HttpLink::receive(std::vector<wire::HttpEvent>& out) {
  if (!http_) return;
  std::string bytes;
  bool ended = false;
  {
    const std::lock_guard lock(mutex_);
    bytes = std::exchange(inbox_, {});
    ended = ended_;
    if (ended && lost_.empty()) lost_ = end_reason_;
    room_cv_.notify_all();
  }
  if (!bytes.empty()) {
    // A server's first HTTP/2 frame is short SETTINGS and cannot begin with this letter; "HTTP/1.1 400 …"
    // does.
    if (!heard_ && protocol_ == wire::Protocol::http2 && bytes.front() == 'H') {
      peer_speaks_http1_ = true;
      lost_ = "the peer speaks HTTP/1.x only";
    }
    heard_ = true;
    if (!peer_speaks_http1_) http_->receive(bytes, out);
  }
  if (ended && !end_seen_) {
    end_seen_ = true;
    if (!peer_speaks_http1_) http_->receive_eof(out);
  }
}

tl::expected<void, IoError> HttpLink::flush(Time deadline) {
  if (!http_ || !sound()) return tl::unexpected(IoError{IoError::Kind::closed, lost_});
  while (true) {
    const std::string piece = http_->take_output(kWritePieceBytes);
    if (piece.empty()) return {};
    if (auto written = connection_->write(piece, deadline); !written) {
      lost_ = written.error().message;
      return written;
    }
  }
}

bool HttpLink::wait_arrived(Time deadline) {
  std::unique_lock lock(mutex_);
  return arrived_cv_.wait_until(lock, deadline, [this] { return !inbox_.empty() || ended_; });
}

HttpLink::Time HttpLink::last_heard() const {
  const std::lock_guard lock(mutex_);
  return last_heard_;
}

}  // namespace s2::writer
