// See ledger_json.h. Each struct lists its fields once (`fields`), for both directions.
//
// Reading is strict about types and lenient about absence: a missing key keeps its default, so that files of
// an older build still open.
#include "scenarios/ledger_json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <type_traits>

#include "scenarios/escape.h"
#include "scenarios/promises.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kAcceptances = {"accepted", "rejected", "offered"};
constexpr std::array<std::string_view, 3> kOutcomes = {"acked", "refused", "unknown"};
constexpr std::array<std::string_view, 18> kStatements = {
    "ready",     "started",   "dropped",  "acked",       "flushed",        "flush_failed",
    "stopped",   "lost",      "storage",  "identified",  "not_identified", "garbage",
    "ask_start", "ask_flush", "ask_stop", "ask_storage", "ask_identity",   "stdin_closed"};

template <class Enum, std::size_t N>
Enum from_name(const std::array<std::string_view, N>& names, const std::string& text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  throw std::invalid_argument("\"" + text + "\" is not one of its values");
}

void put(json& j, Acceptance v) {
  j = kAcceptances[static_cast<std::size_t>(v)];
}
void put(json& j, ServiceAppend::Outcome v) {
  j = kOutcomes[static_cast<std::size_t>(v)];
}
void put(json& j, Statement::Kind v) {
  j = kStatements[static_cast<std::size_t>(v)];
}
void put(json& j, Teardown v) {
  j = name(v);
}
void get(const json& j, Acceptance& v) {
  v = from_name<Acceptance>(kAcceptances, j.get<std::string>());
}
void get(const json& j, ServiceAppend::Outcome& v) {
  v = from_name<ServiceAppend::Outcome>(kOutcomes, j.get<std::string>());
}
void get(const json& j, Statement::Kind& v) {
  v = from_name<Statement::Kind>(kStatements, j.get<std::string>());
}
void get(const json& j, Teardown& v) {
  const auto found = teardown_named(j.get<std::string>());
  if (!found) throw std::invalid_argument("\"" + j.get<std::string>() + "\" is no class of teardown");
  v = *found;
}

template <class T>
  requires std::is_arithmetic_v<T>
void put(json& j, T v) {
  j = v;
}
void put(json& j, const std::string& v) {
  j = utf8(v);
}
template <class T>
  requires std::is_arithmetic_v<T>
void get(const json& j, T& v) {
  const bool fits = std::is_same_v<T, bool> ? j.is_boolean()
                    : std::is_unsigned_v<T> ? j.is_number_unsigned()
                                            : j.is_number_integer();
  if (!fits) throw std::invalid_argument(std::string("is ") + j.type_name() + ", another type was expected");
  v = j.get<T>();
}
void get(const json& j, std::string& v) {
  v = j.get<std::string>();
}

template <class Io>
void fields(Io& io, Publication& p) {
  io("n", p.n), io("publisher", p.publisher), io("epoch", p.epoch), io("session", p.session),
      io("type", p.type);
  io("bytes", p.bytes), io("kept_bytes", p.kept_bytes), io("storage_on", p.storage_on),
      io("acceptance", p.acceptance), io("seq", p.seq);
  io("sent_ns", p.sent_ns), io("answered_ns", p.answered_ns);
}
template <class Io>
void fields(Io& io, Statement& s) {
  io("kind", s.kind), io("epoch", s.epoch), io("session", s.session), io("from", s.from), io("to", s.to);
  io("through", s.through), io("pending", s.pending), io("deadline_ms", s.deadline_ms), io("text", s.text);
  io("t_ns", s.t_ns);
}
template <class Io>
void fields(Io& io, ServiceAppend& a) {
  io("id", a.id), io("connection", a.connection), io("stream", a.stream), io("probes", a.probes);
  io("records", a.records), io("match_seq_num", a.match_seq_num), io("committed", a.committed);
  io("start_seq_num", a.start_seq_num), io("end_seq_num", a.end_seq_num), io("outcome", a.outcome);
  io("error_code", a.error_code), io("received_ns", a.received_ns), io("committed_ns", a.committed_ns);
  io("answered_ns", a.answered_ns);
}
template <class Io>
void fields(Io& io, FiredFault& f) {
  io("what", f.what), io("outcome_unknown", f.outcome_unknown), io("begin_ns", f.begin_ns),
      io("end_ns", f.end_ns);
}
template <class Io>
void fields(Io& io, Process& p) {
  io("pid", p.pid), io("spawned_ns", p.spawned_ns), io("ready_ns", p.ready_ns), io("term_ns", p.term_ns);
  io("kill_ns", p.kill_ns), io("pause_ns", p.pause_ns), io("resume_ns", p.resume_ns),
      io("alive_ns", p.alive_ns), io("exited_ns", p.exited_ns);
  io("exit_code", p.exit_code), io("exit_signal", p.exit_signal), io("leaked_pids", p.leaked_pids);
  io("last_words", p.last_words);
}
template <class Io>
void fields(Io& io, StoredRecord& r) {
  io("seq_num", r.seq_num), io("timestamp", r.timestamp), io("bytes", r.bytes), io("probes", r.probes);
}
template <class Io>
void fields(Io& io, StoredStream& s) {
  io("name", s.name), io("records", s.records);
}
template <class Io>
void fields(Io& io, KillFacts& k) {
  io("instant", k.instant), io("protocol_time", k.protocol_time), io("fired", k.fired), io("t_ns", k.t_ns);
  io("number", k.number);
}
template <class Io>
void fields(Io& io, MissingRange& m) {
  io("from", m.from), io("to", m.to);
}
template <class Io>
void fields(Io& io, DeletionRecord& d) {
  io("complete", d.complete), io("missing", d.missing), io("missing_more", d.missing_more);
  io("asked_ns", d.asked_ns), io("t_ns", d.t_ns);
}
template <class Io>
void fields(Io& io, Branch& b) {
  io("epoch", b.epoch), io("source", b.source), io("inherits", b.inherits), io("session", b.session);
  io("stream", b.stream), io("taken_ns", b.taken_ns);
}
template <class Io>
void fields(Io& io, Ledger& l) {
  io("scenario", l.scenario), io("teardown", l.teardown), io("fault", l.fault), io("workload", l.workload);
  io("realm", l.realm), io("seed", l.seed), io("run", l.run), io("replay", l.replay);
  io("ring_capacity", l.ring_capacity), io("ring_bytes", l.ring_bytes), io("linger_ns", l.linger_ns);
  io("grace_ns", l.grace_ns), io("shutdown_budget_ns", l.shutdown_budget_ns), io("slack_ns", l.slack_ns),
      io("heal_bound_ns", l.heal_bound_ns);
  io("fixed_stream", l.fixed_stream), io("publications", l.publications), io("statements", l.statements);
  io("appends", l.appends), io("faults", l.faults), io("processes", l.processes), io("stored", l.stored);
  io("kill", l.kill), io("deletion", l.deletion), io("branches", l.branches),
      io("acks_observed", l.acks_observed), io("faults_ended", l.faults_ended);
  io("journalled", l.journalled), io("journal", l.journal);
  io("invalid", l.invalid);
}

class Out {
 public:
  template <class T>
  void operator()(const char* key, T& value) {
    to(object_[key], value);
  }
  json take() { return std::move(object_); }

 private:
  template <class T>
  static void to(json& j, T& value) {
    if constexpr (requires { put(j, value); }) {
      put(j, value);
    } else {
      Out out;
      fields(out, value);
      j = out.take();
    }
  }
  template <class T>
  static void to(json& j, std::vector<T>& values) {
    j = json::array();
    for (T& value : values) to(j.emplace_back(), value);
  }
  template <class T>
  static void to(json& j, std::optional<T>& value) {
    if (value) to(j, *value);
  }
  json object_ = json::object();
};

class In {
 public:
  In(const json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) throw std::invalid_argument(path_ + ": an object was expected");
  }
  template <class T>
  void operator()(const char* key, T& value) {
    const auto it = object_.find(key);
    if (it != object_.end()) from(*it, value, path_ + "/" + key);
  }

 private:
  template <class T>
  static void from(const json& j, T& value, const std::string& path) {
    if constexpr (requires { get(j, value); }) {
      try {
        get(j, value);
      } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(path + ": " + e.what());
      } catch (const json::exception&) {
        throw std::invalid_argument(path + ": is " + j.type_name() + ", another type was expected");
      }
    } else {
      In in(j, path);
      fields(in, value);
    }
  }
  template <class T>
  static void from(const json& j, std::vector<T>& values, const std::string& path) {
    if (!j.is_array()) throw std::invalid_argument(path + ": an array was expected");
    values.resize(j.size());
    for (std::size_t i = 0; i < j.size(); ++i) from(j[i], values[i], path + "/" + std::to_string(i));
  }
  template <class T>
  static void from(const json& j, std::optional<T>& value, const std::string& path) {
    value.reset();
    if (!j.is_null()) from(j, value.emplace(), path);
  }
  const json& object_;
  std::string path_;
};

}  // namespace

std::string ledger_to_json(const Ledger& ledger) {
  Ledger copy = ledger;  // `fields` serves both directions and therefore takes what it could change
  Out out;
  fields(out, copy);
  return out.take().dump();
}

tl::expected<Ledger, std::string> ledger_from_json(std::string_view text) {
  try {
    const json j = json::parse(text);
    Ledger ledger;
    In in(j, "timeline");
    fields(in, ledger);
    return ledger;
  } catch (const std::exception& e) {  // json::parse_error and the invalid_argument above
    std::string line = e.what();
    for (char& c : line) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    return tl::unexpected("timeline.json cannot be read: " + line);
  }
}

}  // namespace s2::scenarios
