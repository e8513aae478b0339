// The HTTP driver: the telemetry API on a socket, claims and losses on stdout, until SIGTERM.
//
// run_http() owns the calling thread, which waits for signals. Each connection is served by a thread
// (http_server.h); live viewers may have kMaxViewers of them at most, and connections that send no whole
// request lose theirs: a flush that is sent at once is answered, unless other flushes wait on every thread.
// While it shuts down, events are refused with 503, live streams end at once, and flushes are still answered.
// The first line on stdout is `ready http://ADDRESS:PORT`; what follows are the lines `acked`, `dropped` and
// `lost` of the stdio driver. Where a peer or the journal's disk holds a thread at the end, the process ends
// here (_Exit) with the exit code, once all is said.
//
// Hostile pages run beside it: a request with an `Origin` gets 403, one without the API token, where there is
// one, 401; without one, a writer on loopback answers to loopback names only, else 421. Source:
// docs/telemetry-api.md.
#pragma once

#include <chrono>
#include <string>

#include "writer/live_stream.h"
#include "writer/log.h"
#include "writer/s2_client.h"
#include "writer/secret.h"
#include "writer/writer.h"

namespace s2::writer {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any that is free
  int out_fd = 1;
  int signal_fd = -1;  // readable: shut down
  Secret api_token = {};
  std::chrono::milliseconds keep_alive = kKeepAlive;  // of live streams
  std::chrono::milliseconds shutdown_budget{10'000};
  WriterOptions writer = {};
  Writer::MakeProducers make_producers = {};  // empty: no durable storage
  AppendClient* client = nullptr;             // for the stored stream; null: none
  Log log = {};
};

// The exit code: 0 nothing is unsaved, 1 something is and was said, 3 the writer cannot run (the log says
// why).
int run_http(HttpOptions options);

// Whether both are the same, in a time that tells nothing of where they differ.
bool same_secret(const std::string& a, const std::string& b);

}  // namespace s2::writer
