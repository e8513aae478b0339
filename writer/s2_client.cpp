// The S2 client: channels over HttpLink, the choice between HTTP/2 and HTTP/1.1, and reading back. See
// s2_client.h.
#include "writer/s2_client.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "wire/proto.h"
#include "writer/append_exchange.h"
#include "writer/endpoint.h"
#include "writer/http_link.h"

namespace s2::writer {
namespace {

constexpr std::string_view kUserAgent = "s2-writer/0.1";
constexpr std::size_t kMaxReadAnswerBytes = 4 * 1024 * 1024;

// What all channels of a client share.
struct Shared {
  S2ClientOptions options;
  BasinEndpoint basin;
  Transport& transport;
  std::atomic<bool> only_http1{false};  // the peer answered HTTP/2 with HTTP/1.x, once
};

class S2Channel final : public AppendChannel {
 public:
  S2Channel(Shared& shared, const std::string& stream, std::function<void()> wake)
      : shared_(shared),
        target_("/v1/streams/" + percent_encode(stream) + "/records"),
        wake_(std::move(wake)) {}

  ~S2Channel() override { drop(); }

  tl::expected<void, std::string> open(Time deadline) override {
    exchange_.reset();
    if (link_) {  // it may have ended, or been told to go away, since the last session
      http_events_.clear();
      link_->receive(http_events_);
    }
    if (link_ && !(link_->sound() && link_->http().can_request())) drop();
    if (!link_) {
      auto made = connect(wake_, deadline);
      if (!made) return tl::unexpected(made.error());
      link_ = std::move(*made);
    }
    auto head = request("POST", target_, shared_.options.access_token);
    exchange_ = link_->protocol() == wire::Protocol::http2
                    ? make_session_exchange(std::move(head), shared_.options.compression)
                    : make_unary_exchange(std::move(head));
    if (!exchange_->start(link_->http())) {
      drop();
      return tl::unexpected(std::string("the connection takes no further session"));
    }
    if (auto flushed = link_->flush(deadline); !flushed) return tl::unexpected(note_loss());
    return {};
  }

  tl::expected<void, std::string> send(const wire::AppendInput& input, Time deadline) override {
    if (!can_send()) return tl::unexpected(std::string("no session is open"));
    exchange_->send(link_->http(), input);
    if (auto flushed = flush(deadline); !flushed) return tl::unexpected(flushed.error().message);
    return {};
  }

  void poll(std::vector<AppendEvent>& out, Time deadline) override {
    if (!link_ || !exchange_) return;
    http_events_.clear();
    link_->receive(http_events_);
    for (wire::HttpEvent& event : http_events_) exchange_->on_event(link_->http(), event, out);
    if (link_->sound())
      (void)flush(deadline);  // what the window lets go, ping answers; a failure shows below
    const bool session_is_over = exchange_->over();
    if (!link_->sound()) {
      const std::string reason = note_loss();
      if (!session_is_over) out.push_back(SessionLost{reason});
      drop();
    } else if (session_is_over) {
      exchange_.reset();
    }
  }

  bool can_send() const override {
    return link_ && exchange_ && link_->sound() && exchange_->can_send(link_->http());
  }
  bool can_ping() const override { return link_ && link_->protocol() == wire::Protocol::http2; }

  void ping(Time deadline) override {
    if (!can_ping() || !link_->sound()) return;
    link_->http().ping();
    (void)link_->flush(deadline);  // poll() tells what went wrong
  }

  Time last_heard() const override { return link_ ? link_->last_heard() : Time::min(); }
  Time last_progress() const override { return last_progress_; }

  void drop() override {
    exchange_.reset();
    if (!link_) return;
    forget(link_);
    link_.reset();
  }

  tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_back(std::uint64_t from, std::size_t count,
                                                                        Time deadline) override;
  tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_page(const ReadFrom& from,
                                                                        std::size_t count,
                                                                        Time deadline) override;

  void cut() override {
    std::vector<std::shared_ptr<HttpLink>> links;
    {
      const std::lock_guard lock(mutex_);
      links = links_;
    }
    for (const auto& link : links) link->close();
  }

  void abort() override {
    {
      const std::lock_guard lock(mutex_);
      aborted_ = true;
    }
    cut();
  }

 private:
  tl::expected<void, IoError> flush(Time deadline) {
    const std::size_t before = exchange_->unsent(link_->http());
    auto flushed = link_->flush(deadline);
    if (before > 0 && flushed && exchange_->unsent(link_->http()) < before)
      last_progress_ = HttpLink::Clock::now();
    return flushed;
  }

  wire::RequestHead request(std::string method, std::string target, const std::string& token) const {
    wire::RequestHead head;
    head.method = std::move(method);
    head.target = std::move(target);
    head.authority = shared_.basin.endpoint.authority();
    head.scheme = shared_.basin.endpoint.tls ? "https" : "http";
    head.headers.push_back({"authorization", "Bearer " + token});
    if (!shared_.basin.basin_in_host) head.headers.push_back({"s2-basin", shared_.options.basin});
    head.headers.push_back({"user-agent", std::string(kUserAgent)});
    return head;
  }

  wire::Protocol choose(const std::string& alpn) const {
    if (shared_.options.http == HttpChoice::http1) return wire::Protocol::http1;
    if (shared_.options.http == HttpChoice::http2) return wire::Protocol::http2;
    if (shared_.basin.endpoint.tls) return alpn == "h2" ? wire::Protocol::http2 : wire::Protocol::http1;
    return shared_.only_http1 || silent_deaths_ % 2 == 1 ? wire::Protocol::http1 : wire::Protocol::http2;
  }

  // A connected link that abort() knows.
  tl::expected<std::shared_ptr<HttpLink>, std::string> connect(std::function<void()> wake, Time deadline) {
    auto link = std::make_shared<HttpLink>(shared_.transport.make_connection(shared_.basin.endpoint),
                                           std::move(wake));
    {
      const std::lock_guard lock(mutex_);
      if (aborted_) return tl::unexpected(std::string("closed"));
      links_.push_back(link);
    }
    if (auto connected = link->connect(deadline); !connected) {
      forget(link);
      return tl::unexpected(connected.error().message);
    }
    link->start(choose(link->alpn()));
    return link;
  }

  void forget(const std::shared_ptr<HttpLink>& link) {
    const std::lock_guard lock(mutex_);
    std::erase(links_, link);
  }

  // Learns from a link that is lost: which protocol the next one should try.
  std::string note_loss() {
    if (link_->peer_speaks_http1()) shared_.only_http1 = true;
    // A server without HTTP/2 may answer its preface by closing without a word: the next link asks in
    // HTTP/1.1.
    silent_deaths_ = link_->heard_anything() ? 0 : silent_deaths_ + 1;
    return link_->lost_reason();
  }

  tl::expected<std::vector<wire::SequencedRecord>, ReadError> read_some(HttpLink& link, const ReadFrom& from,
                                                                        std::size_t count, Time deadline);

  Shared& shared_;
  const std::string target_;
  const std::function<void()> wake_;
  std::shared_ptr<HttpLink> link_;
  std::unique_ptr<AppendExchange> exchange_;
  std::vector<wire::HttpEvent> http_events_;
  Time last_progress_ = Time::min();
  std::size_t silent_deaths_ = 0;  // in a row: connections that ended without one byte from the peer

  std::mutex mutex_;
  bool aborted_ = false;
  std::vector<std::shared_ptr<HttpLink>> links_;  // for abort(): the session's, and a read-back's
};

tl::expected<std::vector<wire::SequencedRecord>, ReadError> S2Channel::read_back(std::uint64_t from,
                                                                                 std::size_t count,
                                                                                 Time deadline) {
  auto link = connect([] {}, deadline);
  if (!link) return tl::unexpected(ReadError{false, {}, link.error()});
  std::vector<wire::SequencedRecord> out;
  tl::expected<std::vector<wire::SequencedRecord>, ReadError> some;
  while (out.size() < count) {
    some = read_some(**link, {from + out.size(), std::nullopt}, count - out.size(), deadline);
    if (!some || some->empty()) break;
    std::move(some->begin(), some->end(), std::back_inserter(out));
  }
  forget(*link);
  if (!some) return some;
  return out;
}

tl::expected<std::vector<wire::SequencedRecord>, ReadError> S2Channel::read_page(const ReadFrom& from,
                                                                                 std::size_t count,
                                                                                 Time deadline) {
  auto link = connect([] {}, deadline);
  if (!link) return tl::unexpected(ReadError{false, {}, link.error()});
  auto some = read_some(**link, from, count, deadline);
  forget(*link);
  return some;
}

tl::expected<std::vector<wire::SequencedRecord>, ReadError> S2Channel::read_some(HttpLink& link,
                                                                                 const ReadFrom& from,
                                                                                 std::size_t count,
                                                                                 Time deadline) {
  const auto network = [](std::string why) { return tl::unexpected(ReadError{false, {}, std::move(why)}); };
  const std::string& token =
      shared_.options.read_token.empty() ? shared_.options.access_token : shared_.options.read_token;
  const std::string place = from.timestamp ? "?timestamp=" + std::to_string(*from.timestamp)
                                           : "?seq_num=" + std::to_string(from.seq_num);
  auto head = request("GET", target_ + place + "&count=" + std::to_string(count), token);
  head.headers.push_back({"accept", "application/protobuf"});
  const wire::StreamId id = link.http().send_request(head, true);
  if (id < 0) return network("the connection takes no further request");

  int status = 0;
  std::string body;
  while (true) {
    if (auto flushed = link.flush(deadline); !flushed) {
      if (link.peer_speaks_http1()) shared_.only_http1 = true;
      return network(flushed.error().message);
    }
    if (!link.wait_arrived(deadline)) return network("reading back: no answer in time");
    std::vector<wire::HttpEvent> events;
    link.receive(events);
    for (wire::HttpEvent& event : events) {
      if (auto* begin = std::get_if<wire::ResponseBegin>(&event)) {
        status = begin->head.status;
      } else if (auto* data = std::get_if<wire::BodyData>(&event)) {
        link.http().consumed(data->id, data->bytes.size());
        body += data->bytes;
        if (body.size() > kMaxReadAnswerBytes) return network("reading back: an answer over 4 MiB");
      } else if (std::holds_alternative<wire::StreamReset>(event)) {
        return network("reading back: the answer was cut short");
      } else if (auto* broken = std::get_if<wire::ProtocolError>(&event)) {
        return network(broken->message);
      } else if (std::holds_alternative<wire::MessageEnd>(event)) {
        // Beyond the tail there is nothing: an answer, not an error.
        if (status == 416) return std::vector<wire::SequencedRecord>();
        if (status != 200)
          return tl::unexpected(ReadError{true, wire::api_error_from_json(status, body), ""});
        auto batch = wire::read_batch_from_proto(body);
        if (!batch) return network("reading back: " + batch.error().message);
        return std::move(batch->records);
      }
    }
  }
}

class S2Client final : public AppendClient {
 public:
  S2Client(S2ClientOptions options, BasinEndpoint basin, Transport& transport)
      : shared_{std::move(options), std::move(basin), transport} {}
  std::unique_ptr<AppendChannel> make_channel(const std::string& stream,
                                              std::function<void()> wake) override {
    return std::make_unique<S2Channel>(shared_, stream, std::move(wake));
  }

 private:
  Shared shared_;
};

bool fits_a_header(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

tl::expected<std::unique_ptr<AppendClient>, std::string> make_s2_client(S2ClientOptions options,
                                                                        Transport& transport) {
  if (!fits_a_header(options.access_token) || options.access_token.empty()) {
    return tl::unexpected(std::string("S2_ACCESS_TOKEN is empty or holds a space or control character"));
  }
  if (!fits_a_header(options.read_token)) {
    return tl::unexpected(std::string("S2_READ_TOKEN holds a space or control character"));
  }
  if (options.basin.size() < wire::kMinBasinNameBytes || options.basin.size() > wire::kMaxBasinNameBytes ||
      !std::all_of(options.basin.begin(), options.basin.end(),
                   [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; })) {
    return tl::unexpected("S2_BASIN \"" + options.basin + "\" is not 8 to 48 of a-z, 0-9 and '-'");
  }
  auto basin = parse_basin_endpoint(options.basin_endpoint, options.basin);
  if (!basin) return tl::unexpected(basin.error());
  return std::make_unique<S2Client>(std::move(options), std::move(*basin), transport);
}

}  // namespace s2::writer
