// The telemetry API without its sockets: what each route answers, over one writer.
//
// One capture session at a time, set by PUT and ended when nothing is enabled any more. Any thread may call;
// changes of the state wait for each other, publishes do not wait for them. The writer and the client outlive
// this. Bodies that come in are at most kMaxApiBodyBytes: whoever has the socket sees to it. Source:
// docs/telemetry-api.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "writer/s2_client.h"
#include "writer/telemetry_config.h"
#include "writer/writer.h"

namespace s2::writer {

inline constexpr std::size_t kMaxApiBodyBytes = 2 * 1024 * 1024;
inline constexpr std::size_t kDefaultPage = 100;  // stored events a page
inline constexpr std::size_t kMaxPage = 1000;
inline constexpr std::size_t kMaxPageBytes = 8 * 1024 * 1024;  // of their bodies; a page is cut there

struct ApiAnswer {
  int status = 200;
  std::string body;  // JSON; empty: none
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string problem = {};  // of an api_problem(): what its body says, for the log
};

// GET /telemetry/events, from its query. Empty texts are not given.
struct StoredQuery {
  std::string stream;  // empty: the current session's, or the last one's
  std::string offset;  // S2 sequence number to read from
  std::string limit;
  std::string since, until;  // record timestamps in milliseconds since the epoch: since ≤ t < until
};

class TelemetryApi {
 public:
  // `client`: of the durable storage; null: none. `longest_wait`: of a flush that names no deadline.
  TelemetryApi(Writer& writer, AppendClient* client, std::chrono::milliseconds longest_wait);

  ApiAnswer state();
  ApiAnswer put(std::string_view body);
  ApiAnswer patch(std::string_view body);
  ApiAnswer publish(std::string_view body);
  ApiAnswer flush(std::string_view body);
  ApiAnswer identify(std::string_view body);
  ApiAnswer stored(const StoredQuery& query);

  // From now on nothing is accepted and no state is set: 503.
  void refuse();

 private:
  struct Current {
    SessionRef session;
    TelemetryConfig config;
    std::string applied_at;
  };
  using CurrentRef = std::shared_ptr<const Current>;

  CurrentRef current() const;
  bool refused() const;
  ApiAnswer told(const CurrentRef& current, int status);
  ApiAnswer set(const TelemetryConfig& config, const std::optional<std::string>& id, bool replaces);
  ApiAnswer clear();

  Writer& writer_;
  AppendClient* const client_;
  const std::chrono::milliseconds longest_wait_;

  std::mutex changing_;  // one PUT, PATCH or identity at a time; taken before mutex_
  mutable std::mutex mutex_;
  CurrentRef current_;       // null: unset
  std::string last_stream_;  // of the session that was current last
  std::string next_id_;      // of the session that begins next, where an identity was given while unset
  bool refused_ = false;
};

// An error as every route tells it.
ApiAnswer api_problem(int status, const std::string& what);

}  // namespace s2::writer
