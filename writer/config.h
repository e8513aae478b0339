// The writer's configuration: the environment of the real system and a few flags, made into one value.
//
// config_from() reads the environment through a function, so that tests need none of their own; it also reads
// the files of `@FILE` secrets. Called once, by main. Errors are one line each and never hold a secret. An
// empty variable counts as not set. Source: contract, "s2-writer".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "writer/backlog.h"
#include "writer/budget.h"
#include "writer/live_stream.h"
#include "writer/producer.h"
#include "writer/ring.h"
#include "writer/s2_client.h"
#include "writer/secret.h"
#include "writer/storage_writer.h"

namespace s2::writer {

struct Config {
  // Durable storage; all empty: none.
  std::string basin;
  Secret access_token;
  Secret read_token;  // for reading back; empty: the access token
  std::string stream;
  std::string account_endpoint;  // part of the environment; appends need the basin's endpoint only
  std::string basin_endpoint;
  HttpChoice http = HttpChoice::automatic;
  WireCompression compression = WireCompression::none;
  ProducerOptions producer;  // without its epoch token

  RingLimits ring;
  BudgetWishes budget;                                       // of a shutdown, as far as it is given
  ShutdownPlan shutdown;                                     // what comes of it
  std::string journal_dir;                                   // empty: no journal
  bool journal_wait = false;                                 // accepted means: in the journal
  std::size_t journal_backlog = kDefaultBacklogEvents;       // events
  DurableErrors durable_errors = DurableErrors::event;       // how a failed append is told
  DropStyle drop_style = DropStyle::gap;                     // how a drop stands in the stream
  std::optional<std::chrono::milliseconds> recovery_budget;  // 0: none at the start
  std::string recovery_session;                              // of the command `recover`; empty: all
  std::string driver = "stdio";                              // or "http"
  std::string listen_host = "127.0.0.1";
  int listen_port = 0;                                // 0: any that is free
  Secret api_token;                                   // of the http driver; empty: none is asked for
  std::chrono::milliseconds keep_alive = kKeepAlive;  // of its live streams

  bool stores() const { return !basin.empty(); }
};

// What main does with the command line.
struct CommandLine {
  enum class Action { run, recover, plan, help, version };
  Action action = Action::run;
  Config config;
};

using Environment = std::function<const char*(const char* name)>;

// `recover` and `plan` as the first argument are the commands of those names. Flags win over the environment.
// The error is the line for stderr; the exit code is 2.
tl::expected<CommandLine, std::string> config_from(const std::vector<std::string>& arguments,
                                                   const Environment& environment);

// The variables that look like this writer's and are none: `S2_WRITER_…` and `S2_BATCHER_…` of no setting. A
// slip in a name is worth a line of the log; it refuses nothing, for another version may know the name.
// What Kubernetes sets for a service called s2-writer (`…_PORT…`, `…_SERVICE_…`) is none of these.
// `variables`: as environ(7), ended by a null.
std::vector<std::string> unknown_variables(const char* const* variables);

// The text of --help: every flag and variable with its unit and default.
std::string help_text();

}  // namespace s2::writer
