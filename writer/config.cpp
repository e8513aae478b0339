// Reading of flags and environment; see config.h. One table names every variable: --help is made from it.
#include "writer/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "wire/http.h"
#include "wire/types.h"
#include "writer/duration.h"

namespace s2::writer {

namespace {

using Problem = std::optional<std::string>;  // what was expected; nothing: the value is good
using std::chrono::milliseconds;

constexpr std::size_t kMaxSecretFileBytes = 64 * 1024;

tl::expected<Secret, std::string> secret_from(const std::string& value) {
  if (value.front() != '@') return Secret(value);
  std::ifstream file(value.substr(1), std::ios::binary);
  std::string text(kMaxSecretFileBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty())
    return tl::unexpected(fmt::format("the file {} cannot be read, or is empty", value.substr(1)));
  return Secret(std::move(text));
}

Problem duration_into(milliseconds& target, const std::string& value, milliseconds least) {
  auto parsed = parse_duration(value);
  if (!parsed) return parsed.error();
  if (*parsed < least) return fmt::format("expected at least {}ms", least.count());
  target = *parsed;
  return std::nullopt;
}

template <class Integer>
Problem integer_into(Integer& target, const std::string& value, std::int64_t least, std::int64_t most) {
  auto parsed = parse_integer(value);
  if (!parsed) return parsed.error();
  if (*parsed < least || *parsed > most) return fmt::format("expected {} to {}", least, most);
  target = static_cast<Integer>(*parsed);
  return std::nullopt;
}

Problem secret_into(Secret& target, const std::string& value) {
  auto secret = secret_from(value);
  if (!secret) return secret.error();
  target = *secret;
  return std::nullopt;
}

Problem problem_of(const tl::expected<void, std::string>& parsed) {
  if (parsed) return std::nullopt;
  return parsed.error();
}

Problem listen_into(Config& config, const std::string& value) {
  const std::size_t colon = value.rfind(':');
  std::string host = value.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto port = parse_integer(colon == std::string::npos ? "" : value.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535 || host.empty() ||
      (!brackets && host.find(':') != std::string::npos))
    return "expected HOST:PORT such as 127.0.0.1:8080 or [::1]:0";
  config.listen_host = host;
  config.listen_port = static_cast<int>(*port);
  return std::nullopt;
}

struct Setting {
  const char* variable;
  const char* flag;  // or null
  const char* help;
  Problem (*take)(Config&, const std::string& value);
};

constexpr std::int64_t kMaxRingEvents = 16 * 1024 * 1024;
constexpr std::int64_t kMaxBacklogEvents = 100'000'000;

const auto& settings() {
  static const std::array table = {
      Setting{"S2_BASIN", nullptr, "basin; with S2_ACCESS_TOKEN: durable storage, without both: none",
              [](Config& c, const std::string& v) -> Problem { return c.basin = v, std::nullopt; }},
      Setting{"S2_ACCESS_TOKEN", nullptr, "token, or @FILE; append rights to the streams are enough",
              [](Config& c, const std::string& v) { return secret_into(c.access_token, v); }},
      Setting{"S2_READ_TOKEN", nullptr,
              "token, or @FILE, for reading back after a lost ack (the access token)",
              [](Config& c, const std::string& v) { return secret_into(c.read_token, v); }},
      Setting{"S2_STREAM", nullptr, "one stream for all sessions (a stream a session, named by its id)",
              [](Config& c, const std::string& v) -> Problem {
                if (v.size() > wire::kMaxStreamNameBytes) return "expected a name of at most 512 bytes";
                if (wire::is_dots(v)) return wire::kDotsAreNoName;
                return c.stream = v, std::nullopt;
              }},
      Setting{
          "S2_ACCOUNT_ENDPOINT", nullptr, "URL of the account's API; appends do not need it",
          [](Config& c, const std::string& v) -> Problem { return c.account_endpoint = v, std::nullopt; }},
      Setting{"S2_BASIN_ENDPOINT", nullptr,
              "URL of the basin's API, {basin} stands for its name (the cloud's)",
              [](Config& c, const std::string& v) -> Problem { return c.basin_endpoint = v, std::nullopt; }},
      Setting{"S2_BATCHER_LINGER", nullptr, "duration from a batch's first record to its sending (100ms)",
              [](Config& c, const std::string& v) {
                return duration_into(c.producer.linger, v, milliseconds(0));
              }},
      Setting{"S2_BATCHER_MAX_RECORDS", nullptr, "records a batch, 1 to 1000 (50)",
              [](Config& c, const std::string& v) {
                return integer_into(c.producer.max_batch_records, v, 1, wire::kMaxBatchRecords);
              }},
      Setting{
          "S2_WRITER_RING_CAPACITY", nullptr, "events in the ring, at least 1 (1024)",
          [](Config& c, const std::string& v) { return integer_into(c.ring.events, v, 1, kMaxRingEvents); }},
      Setting{"S2_WRITER_RING_BYTES", nullptr, "size of the ring, whichever is reached first (64MiB)",
              [](Config& c, const std::string& v) -> Problem {
                auto size = parse_size(v);
                if (!size) return size.error();
                if (*size <= 0) return "expected at least 1B";
                return c.ring.bytes = *size, std::nullopt;
              }},
      Setting{"S2_WRITER_SHUTDOWN_BUDGET", nullptr,
              "duration of a whole shutdown, all steps together (10s, or nine tenths of the nearest grace; "
              "more where the steps given ask for more)",
              [](Config& c, const std::string& v) {
                return duration_into(c.budget.whole.emplace(), v, milliseconds(1));
              }},
      Setting{"S2_WRITER_GRACE", nullptr,
              "what a SIGTERM leaves before SIGKILL: 25s; where one surrounds another, from the inside out: "
              "25s,30s (not known)",
              [](Config& c, const std::string& v) { return problem_of(parse_graces(v, c.budget)); }},
      Setting{"S2_WRITER_STEP_BUDGETS", nullptr,
              "budgets of single steps of a shutdown, such as drain=2s,acks=1s (shares: see s2-writer plan)",
              [](Config& c, const std::string& v) { return problem_of(parse_step_budgets(v, c.budget)); }},
      Setting{"S2_WRITER_ACK_LATENCY", nullptr,
              "longest duration of an append's answer: a shutdown must have time for it, and waits for it "
              "(not known)",
              [](Config& c, const std::string& v) {
                return duration_into(c.budget.ack_latency.emplace(), v, milliseconds(1));
              }},
      Setting{"S2_WRITER_FENCING", nullptr, "on|off: fence the stream against a resumed twin (on)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "on" && v != "off") return "expected on or off";
                return c.producer.fencing = v == "on", std::nullopt;
              }},
      Setting{"S2_WRITER_OPEN_TIMEOUT", nullptr, "duration to connect and open a session (5s)",
              [](Config& c, const std::string& v) {
                return duration_into(c.producer.open_timeout, v, milliseconds(1));
              }},
      Setting{"S2_WRITER_ACK_TIMEOUT", nullptr, "duration without an ack after which it reconnects (5s)",
              [](Config& c, const std::string& v) {
                return duration_into(c.producer.ack_timeout, v, milliseconds(1));
              }},
      Setting{"S2_WRITER_BACKOFF_CAP", nullptr, "longest duration between two attempts (2s)",
              [](Config& c, const std::string& v) {
                return duration_into(c.producer.backoff_cap, v, milliseconds(1));
              }},
      Setting{"S2_WRITER_HTTP", nullptr, "auto|1.1|2 (auto)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "auto" && v != "1.1" && v != "2") return "expected auto, 1.1 or 2";
                c.http = v == "auto"  ? HttpChoice::automatic
                         : v == "1.1" ? HttpChoice::http1
                                      : HttpChoice::http2;
                return std::nullopt;
              }},
      Setting{"S2_WRITER_COMPRESSION", nullptr, "none|zstd (none)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "none" && v != "zstd") return "expected none or zstd";
                c.compression = v == "zstd" ? WireCompression::zstd : WireCompression::none;
                return std::nullopt;
              }},
      Setting{"S2_WRITER_DRIVER", "--driver",
              "stdio: JSON Lines on stdin and stdout; http: the telemetry API (stdio)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "stdio" && v != "http") return "expected stdio or http";
                return c.driver = v, std::nullopt;
              }},
      Setting{"S2_WRITER_LISTEN", "--listen",
              "HOST:PORT of the http driver, [HOST]:PORT for IPv6; port 0: any that is free (127.0.0.1:0)",
              [](Config& c, const std::string& v) { return listen_into(c, v); }},
      Setting{"S2_WRITER_API_TOKEN", nullptr,
              "token, or @FILE, that requests to the http driver must carry (none is asked for)",
              [](Config& c, const std::string& v) { return secret_into(c.api_token, v); }},
      Setting{
          "S2_WRITER_KEEP_ALIVE", nullptr,
          "duration of silence after which a live stream of the http driver says a comment (15s)",
          [](Config& c, const std::string& v) { return duration_into(c.keep_alive, v, milliseconds(1)); }},
      Setting{"S2_WRITER_JOURNAL_DIR", "--journal-dir",
              "directory of the JSONL files, made if missing (no journal)",
              [](Config& c, const std::string& v) -> Problem { return c.journal_dir = v, std::nullopt; }},
      Setting{"S2_WRITER_JOURNAL_WAIT", nullptr,
              "on|off: an event is accepted only once its line is in the journal (off)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "on" && v != "off") return "expected on or off";
                return c.journal_wait = v == "on", std::nullopt;
              }},
      Setting{"S2_WRITER_JOURNAL_BACKLOG", nullptr,
              "events that the ring overwrote while S2 took none, and that are stored from the journal; "
              "more, and "
              "the oldest are dropped; 0: all are (1000000)",
              [](Config& c, const std::string& v) {
                return integer_into(c.journal_backlog, v, 0, kMaxBacklogEvents);
              }},
      Setting{"S2_WRITER_DURABLE_ERROR", nullptr,
              "event|counter: a failed append is one system_durable_error event, or only counted (event)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "event" && v != "counter") return "expected event or counter";
                c.durable_errors = v == "event" ? DurableErrors::event : DurableErrors::counter;
                return std::nullopt;
              }},
      Setting{"S2_WRITER_DROP", nullptr,
              "gap|marker: a drop is a gap in the stream's numbers, or a system_events_dropped record there "
              "(gap)",
              [](Config& c, const std::string& v) -> Problem {
                if (v != "gap" && v != "marker") return "expected gap or marker";
                c.drop_style = v == "gap" ? DropStyle::gap : DropStyle::marker;
                return std::nullopt;
              }},
      Setting{
          "S2_WRITER_IN_FLIGHT_RECORDS", nullptr,
          "records of a stream that are on their way to S2, 1 to 8192; behind them events wait in the ring "
          "(8192)",
          [](Config& c, const std::string& v) {
            return integer_into(c.producer.max_in_flight_records, v, 1, kMaxInFlightRecords);
          }},
      Setting{"S2_WRITER_RECOVERY_BUDGET", "--recovery-budget",
              "duration that a recovery from the journal may take; 0s: none at the start (5s there, 1m with "
              "recover)",
              [](Config& c, const std::string& v) {
                return duration_into(c.recovery_budget.emplace(), v, milliseconds(0));
              }},
      Setting{
          "S2_WRITER_RECOVERY_SESSION", "--session", "with recover: only this session's events (all)",
          [](Config& c, const std::string& v) -> Problem { return c.recovery_session = v, std::nullopt; }},
  };
  return table;
}

}  // namespace

tl::expected<CommandLine, std::string> config_from(const std::vector<std::string>& arguments,
                                                   const Environment& environment) {
  CommandLine line;
  // Asked for help, it helps, however wrong the environment is.
  for (const std::string& argument : arguments) {
    const bool help = argument == "--help" || argument == "-h";
    if (!help && argument != "--version") continue;
    line.action = help ? CommandLine::Action::help : CommandLine::Action::version;
    return line;
  }
  for (const Setting& setting : settings()) {
    const char* value = environment(setting.variable);
    if (value == nullptr || *value == '\0') continue;
    if (auto problem = setting.take(line.config, value)) {
      return tl::unexpected(fmt::format("{}: {}", setting.variable, *problem));
    }
  }
  const bool recovers = !arguments.empty() && arguments.front() == "recover";
  const bool plans = !arguments.empty() && arguments.front() == "plan";
  if (recovers) line.action = CommandLine::Action::recover;
  if (plans) line.action = CommandLine::Action::plan;
  for (std::size_t i = recovers || plans ? 1 : 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    std::optional<std::string> value;
    if (auto equals = name.find('='); name.starts_with("--") && equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Setting* found = nullptr;
    for (const Setting& setting : settings()) {
      if (setting.flag != nullptr && name == setting.flag) found = &setting;
    }
    if (found == nullptr) return tl::unexpected(fmt::format("unknown argument {}: see --help", name));
    if (!value && i + 1 < arguments.size()) value = arguments[++i];
    if (!value || value->empty()) return tl::unexpected(fmt::format("{} needs a value", name));
    if (auto problem = found->take(line.config, *value))
      return tl::unexpected(fmt::format("{}: {}", name, *problem));
  }
  Config& config = line.config;
  const std::size_t batch_records =
      std::min(config.producer.max_batch_records, config.producer.max_in_flight_records);
  config.budget.ring_events = config.ring.events;
  config.budget.ring_bytes = config.ring.bytes;
  config.budget.batch_records = static_cast<std::int64_t>(batch_records);
  config.budget.batches_in_flight = static_cast<std::int64_t>(
      std::min(config.producer.max_in_flight_records / batch_records, kMaxInFlightBatches));
  config.budget.fencing = config.producer.fencing;
  if (config.budget.ack_latency && *config.budget.ack_latency >= config.producer.ack_timeout) {
    return tl::unexpected<std::string>(
        "S2_WRITER_ACK_LATENCY is not less than S2_WRITER_ACK_TIMEOUT, behind which nobody waits for an "
        "answer: make the one shorter or the other longer");
  }
  config.producer.ack_latency = config.budget.ack_latency.value_or(milliseconds(0));
  auto plan = plan_shutdown(config.budget);
  if (!plan) return tl::unexpected(plan.error());
  config.shutdown = *plan;
  if (config.basin.empty() != config.access_token.empty()) {
    return tl::unexpected(fmt::format(
        "half a configuration: {} is set and {} is missing; set both, or none for no durable storage",
        config.basin.empty() ? "S2_ACCESS_TOKEN" : "S2_BASIN",
        config.basin.empty() ? "S2_BASIN" : "S2_ACCESS_TOKEN"));
  }
  if (config.driver == "http" && config.api_token.empty() && !wire::is_loopback(config.listen_host)) {
    return tl::unexpected(
        fmt::format("--listen {} is off loopback, where anybody may ask: S2_WRITER_API_TOKEN must be set",
                    config.listen_host));
  }
  if (!recovers && !config.recovery_session.empty())
    return tl::unexpected<std::string>("--session goes with recover: s2-writer recover --session ID …");
  if (recovers && config.journal_dir.empty())
    return tl::unexpected<std::string>("recover needs --journal-dir: where the dead writer kept its journal");
  if (recovers && !config.stores())
    return tl::unexpected<std::string>("recover needs S2_BASIN and S2_ACCESS_TOKEN: where to store");
  if (recovers && config.recovery_budget == milliseconds(0))
    return tl::unexpected<std::string>("--recovery-budget: recover needs some time, such as 30s");
  return line;
}

std::vector<std::string> unknown_variables(const char* const* variables) {
  std::vector<std::string> unknown;
  for (; *variables != nullptr; ++variables) {
    const std::string_view text = *variables, name = text.substr(0, text.find('='));
    if (!name.starts_with("S2_WRITER_") && !name.starts_with("S2_BATCHER_")) continue;
    const std::string_view what = name.substr(name.find('_', 3) + 1);
    if (what.starts_with("PORT") || what.starts_with("SERVICE_")) continue;
    const bool known = std::any_of(settings().begin(), settings().end(),
                                   [&](const Setting& setting) { return name == setting.variable; });
    if (!known) unknown.emplace_back(name);
  }
  return unknown;
}

std::string help_text() {
  std::string text =
      "s2-writer: the reference event writer: events in on stdin, durable in S2, claims out on stdout\n\n"
      "usage: s2-writer [--driver stdio|http] [--listen HOST:PORT] [--journal-dir DIR] [-h|--help] "
      "[--version]\n"
      "       s2-writer recover --journal-dir DIR [--session ID] [--recovery-budget 30s]: stores what a "
      "writer "
      "that was killed left\n"
      "                 in its journal and S2 lacks; a line of JSON a stream on stdout\n"
      "       s2-writer plan: what each step of a shutdown may take with these budgets\n\n"
      "Flags win over the environment; defaults in parentheses; durations 250ms, 5s, 2m; sizes 64KiB, "
      "1MiB.\n\n";
  for (const Setting& setting : settings()) {
    text += fmt::format("  {:<26} {:<14} {}\n", setting.variable, setting.flag != nullptr ? setting.flag : "",
                        setting.help);
  }
  text +=
      "\nexit codes: 0 nothing unsaved, 1 something unsaved (reported on stdout), 2 usage, 3 cannot run\n";
  return text;
}

}  // namespace s2::writer
