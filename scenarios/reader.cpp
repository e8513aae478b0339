// See reader.h.
#include "scenarios/reader.h"

#include <fmt/format.h>
#include <httplib.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "scenarios/event_text.h"
#include "scenarios/reach.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kPageStreams = 1000;
constexpr int kPageRecords = 1000;
constexpr time_t kConnectSeconds = 5;
constexpr time_t kAnswerSeconds = 20;
constexpr int kMaxAttempts = 5;  // of one request that found nobody, or a busy service
constexpr auto kBetweenAttempts = std::chrono::milliseconds(100);

struct Unreadable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

std::string decoded_base64(const std::string& text) {
  std::string out;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    int value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = c - 'A';
    } else if (c >= 'a' && c <= 'z') {
      value = c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
      value = c - '0' + 52;
    } else if (c == '+') {
      value = 62;
    } else if (c == '/') {
      value = 63;
    } else if (c == '=') {
      break;
    } else {
      throw Unreadable("a record's body is not base64");
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>((bits >> have) & 0xFF);
    }
  }
  return out;
}

class Session {
 public:
  explicit Session(const ServiceAddress& service) : service_(service), deadline_(Clock::now() + kReadWithin) {
    const std::size_t scheme = service.endpoint.find("://");
    if (scheme == std::string::npos) throw Unreadable(fmt::format("`{}` is not a URL", service.endpoint));
    const std::size_t path = service.endpoint.find('/', scheme + 3);
    base_ = path == std::string::npos ? "" : service.endpoint.substr(path);
    while (!base_.empty() && base_.back() == '/') base_.pop_back();
    if (!base_.ends_with("/v1")) base_ += "/v1";
    origin_ = service.endpoint.substr(0, path);
    client_.emplace(origin_);
    if (!client_->is_valid())
      throw Unreadable(fmt::format("`{}` is not a URL that can be read", service.endpoint));
    client_->set_connection_timeout(kConnectSeconds, 0);
    client_->set_read_timeout(kAnswerSeconds, 0);
    client_->set_keep_alive(true);
    client_->set_tcp_nodelay(true);
    headers_ = {{"s2-basin", service.basin}, {"s2-format", "base64"}, {"accept", "application/json"}};
    if (!service.token.empty()) headers_.emplace("authorization", "Bearer " + service.token);
  }

  struct Answer {
    int status = 0;
    json body;
    std::string text;
  };

  Answer get(const std::string& target) {
    std::string why;
    for (int attempt = 1; attempt <= kMaxAttempts && Clock::now() < deadline_; ++attempt) {
      if (attempt > 1) std::this_thread::sleep_for(kBetweenAttempts * attempt);
      const auto result = client_->Get(base_ + target, headers_);
      if (!result) {
        why = result.error() == httplib::Error::Connection
                  ? why_unreachable(service_.endpoint, std::chrono::seconds(1))
                  : "no answer: " + httplib::to_string(result.error());
        continue;
      }
      if (result->status == 429 || result->status >= 500) {
        why = fmt::format("status {}", result->status);
        continue;
      }
      return {result->status, json::parse(result->body, nullptr, false), result->body};
    }
    throw Unreadable(fmt::format("cannot read {} of basin `{}`: {}", url_of(target), service_.basin,
                                 why.empty() ? "out of time" : why));
  }

  // A basin that does not exist is another 404.
  static bool is_no_stream(const Answer& answer) {
    return answer.status == 404 && answer.body.is_object() &&
           answer.body.value("code", "") == "stream_not_found";
  }

  [[noreturn]] void unexpected(const std::string& target, const Answer& answer) const {
    throw Unreadable(fmt::format("cannot read {} of basin `{}`: status {}: {}", url_of(target),
                                 service_.basin, answer.status, answer.text.substr(0, 200)));
  }

 private:
  std::string url_of(const std::string& target) const { return origin_ + base_ + target; }

  const ServiceAddress& service_;
  Clock::time_point deadline_;
  std::string origin_, base_;
  std::optional<httplib::Client> client_;
  httplib::Headers headers_;
};

std::vector<std::string> list_streams(Session& session, const std::string& prefix, int page) {
  std::vector<std::string> names;
  for (bool more = true; more;) {
    std::string target = fmt::format("/streams?limit={}&prefix={}", page, escaped(prefix));
    if (!names.empty()) target += "&start_after=" + escaped(names.back());
    const auto answer = session.get(target);
    if (answer.status != 200 || !answer.body.is_object()) session.unexpected(target, answer);
    const std::size_t before = names.size();
    for (const json& each : answer.body.at("streams")) {
      if (each.contains("deleted_at") && !each["deleted_at"].is_null()) continue;
      names.push_back(each.at("name").get<std::string>());
    }
    more = answer.body.value("has_more", false) && names.size() > before && page == kPageStreams;
    if (names.size() > kMaxStreamsRead)
      throw Unreadable(fmt::format("over {} streams to read", kMaxStreamsRead));
  }
  return names;
}

StoredRecord stored_record(const json& record, const std::string& run) {
  StoredRecord stored;
  stored.seq_num = record.at("seq_num").get<std::uint64_t>();
  stored.timestamp = record.at("timestamp").get<std::uint64_t>();
  std::string bytes;
  if (record.contains("headers") && record["headers"].is_array()) {
    for (const json& header : record["headers"]) {
      for (const json& part : header) bytes += decoded_base64(part.get<std::string>()) + "\n";
    }
  }
  if (record.contains("body") && record["body"].is_string())
    bytes += decoded_base64(record["body"].get<std::string>());
  stored.bytes = bytes.size();
  stored.probes = find_probes(bytes, run);
  return stored;
}

// Every record from the stream's first on; the tail. A stream that does not exist ends at 0.
std::uint64_t read_records(Session& session, const std::string& name,
                           const std::function<void(const json&)>& take) {
  std::uint64_t next = 0;
  for (;;) {
    const std::string target =
        fmt::format("/streams/{}/records?seq_num={}&count={}", escaped(name), next, kPageRecords);
    const auto answer = session.get(target);
    if (answer.status == 416 || Session::is_no_stream(answer)) return next;  // at the tail
    if (answer.status != 200 || !answer.body.is_object()) session.unexpected(target, answer);
    const json& records = answer.body.at("records");
    for (const json& record : records) take(record);
    if (records.empty()) return next;
    next = records.back().at("seq_num").get<std::uint64_t>() + 1;
    const auto tail = answer.body.find("tail");
    if (tail != answer.body.end() && tail->is_object() && tail->at("seq_num").get<std::uint64_t>() <= next)
      return next;
  }
}

// What `ask` returns, or the one line that it threw.
template <class Ask>
auto or_error(const ServiceAddress& service, const Ask& ask) -> tl::expected<decltype(ask()), std::string> {
  try {
    return ask();
  } catch (const Unreadable& error) {
    return tl::unexpected(std::string(error.what()));
  } catch (const json::exception& error) {
    return tl::unexpected(
        fmt::format("{} answered with something that is not S2's: {}", service.endpoint, error.what()));
  }
}

}  // namespace

tl::expected<std::vector<StoredStream>, std::string> Reader::read_all(const std::string& prefix,
                                                                      const std::string& run) {
  return or_error(service_, [&] {
    Session session(service_);
    std::vector<StoredStream> all;
    for (const std::string& name : list_streams(session, prefix, kPageStreams)) {
      std::vector<StoredRecord>& records = all.emplace_back(StoredStream{name, {}}).records;
      read_records(session, name, [&](const json& record) { records.push_back(stored_record(record, run)); });
    }
    return all;
  });
}

tl::expected<std::uint64_t, std::string> Reader::tail_of(const std::string& stream) {
  return or_error(service_, [&]() -> std::uint64_t {
    Session session(service_);
    const std::string target = fmt::format("/streams/{}/records/tail", escaped(stream));
    const auto tail = session.get(target);
    if (Session::is_no_stream(tail)) return 0;
    if (tail.status != 200 || !tail.body.is_object()) session.unexpected(target, tail);
    return tail.body.at("tail").at("seq_num").get<std::uint64_t>();
  });
}

tl::expected<StreamNumbers, std::string> Reader::numbers_of(const std::string& stream) {
  return or_error(service_, [&] {
    Session session(service_);
    StoredNumbers numbers;
    StreamNumbers found;
    found.tail = read_records(session, stream, [&](const json& record) {
      if (record.contains("body") && record["body"].is_string())
        numbers.take(decoded_base64(record["body"].get<std::string>()));
    });
    found.there = numbers.there();
    found.holes = numbers.holes();
    found.ended = numbers.ended();
    return found;
  });
}

tl::expected<void, std::string> Reader::check() {
  const auto listed = or_error(service_, [&] {
    Session session(service_);
    return list_streams(session, "", 1).size();
  });
  if (!listed) return tl::unexpected(listed.error());
  return {};
}

}  // namespace s2::scenarios
