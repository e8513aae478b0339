// Requests to the endpoint behind the fault proxy: one at a time on a connection, connections used again.
//
// Belongs to the thread that runs the io_context. Callbacks come later, never from inside a call; after
// on_end, on_lost or cancel() none comes, and what they held is dropped. Without TLS a request goes out in
// the protocol that the caller names (HTTP/2 with prior knowledge, or HTTP/1.1); with TLS the endpoint
// chooses.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "scenarios/upstream_channel.h"
#include "wire/http.h"

namespace s2::scenarios {

struct UpstreamAnswer {
  std::function<void(const wire::ResponseHead&)> on_head;
  std::function<void(std::string)> on_body;
  std::function<void()> on_end;
  std::function<void()> on_lost;      // no answer, or no more of it: what became of the request is not known
  std::function<void()> on_progress;  // some of the request's body left; may be empty
};

class UpstreamConnection;

class UpstreamRequest {
 public:
  UpstreamRequest(wire::RequestHead head, UpstreamAnswer answer)
      : head_(std::move(head)), answer_(std::move(answer)) {}

  void send(std::string_view body, bool end);
  std::size_t unsent() const;  // bytes of the body that wait here
  void hold(bool on);          // takes no more of the answer from the connection, or goes on
  void cancel();

 private:
  friend class UpstreamConnection;
  friend class Upstream;

  wire::RequestHead head_;
  UpstreamAnswer answer_;
  std::weak_ptr<UpstreamConnection> connection_;
  std::string early_;  // of the body, until the connection stands
  bool early_end_ = false;
  bool ended_ = false;     // the body was given whole
  bool answered_ = false;  // the answer came whole
  bool held_ = false;
};

class Upstream {
 public:
  // Throws std::invalid_argument or std::runtime_error, one line each, for a URL that leads nowhere.
  Upstream(boost::asio::io_context& io, const std::string& endpoint);
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  const Origin& origin() const { return channels_.origin(); }
  // The head's authority and scheme are made here.
  std::shared_ptr<UpstreamRequest> request(wire::RequestHead head, bool http2, UpstreamAnswer answer);
  // Ends every connection; what was open is lost.
  void close();

 private:
  friend class UpstreamConnection;
  ChannelSource channels_;
  std::set<std::shared_ptr<UpstreamConnection>> connections_;
};

}  // namespace s2::scenarios
