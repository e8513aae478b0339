// See realm_process.h: what stands around a run: the service, the process, the ledger.
#include "scenarios/realm_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "scenarios/clock.h"
#include "scenarios/command_line.h"
#include "scenarios/event_text.h"
#include "scenarios/fault_plan.h"
#include "scenarios/last_words.h"
#include "scenarios/linear_check.h"
#include "scenarios/process_run.h"
#include "scenarios/quantity.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr auto kOutputEndsWithin = 2s;  // after the death of the whole group
constexpr auto kSettlesWithin = 300ms;  // a connection that hangs by a fault stays
constexpr auto kAnsweredWithin = 5s;    // what an endpoint behind the proxy has when the writer dies
constexpr std::int64_t kNsPerUs = 1000;

// Variables of the writer that only a scenario may set.
const std::vector<std::string> kCleared = {"S2_BASIN",
                                           "S2_ACCESS_TOKEN",
                                           "S2_READ_TOKEN",
                                           "S2_STREAM",
                                           "S2_BATCHER_LINGER",
                                           "S2_BASIN_ENDPOINT",
                                           "S2_ACCOUNT_ENDPOINT",
                                           "S2_BATCHER_MAX_RECORDS",
                                           "S2_WRITER_RING_CAPACITY",
                                           "S2_WRITER_SHUTDOWN_BUDGET",
                                           "S2_WRITER_JOURNAL_DIR",
                                           "S2_WRITER_DRIVER",
                                           "S2_WRITER_LISTEN",
                                           "S2_WRITER_API_TOKEN"};

bool needs_private_network(const Scenario& scenario) {
  const auto& cuts = scenario.teardown.cuts;
  return std::find(cuts.begin(), cuts.end(), CutHow::veth) != cuts.end();
}

std::string exit_text(const Process& facts) {
  return facts.exit_signal ? fmt::format("by signal {}", facts.exit_signal)
                           : fmt::format("with exit code {}", facts.exit_code);
}

// What a writer did that accepted nothing: a protocol that is not spoken, most likely.
std::string instead_of_accepting(const Ledger& ledger, const std::string& log) {
  for (const Statement& said : ledger.statements) {
    if (said.kind != Statement::Kind::garbage) continue;
    return fmt::format("it said `{}`, which is no line of docs/writers.md{}", said.text, last_words(log));
  }
  const auto rejected = [](const Publication& p) { return p.acceptance == Acceptance::rejected; };
  const bool all = std::all_of(ledger.publications.begin(), ledger.publications.end(), rejected);
  return (all ? "it rejected what it was given"
              : R"(it answered nothing, and {"published":N,"seq":SEQ} was expected)") +
         last_words(log);
}

// Below the run's own directory, which is locked by the harness, and a writer locks its journal, too.
std::string journal_of(const ScratchDirectory& directory) {
  return directory.path() + "/journal";
}

}  // namespace

std::string fault_of_service(const std::string& history_text, const std::string& stream) {
  const auto history = parse_history(history_text, "history");
  if (!history)
    return fmt::format("the emulator's history of stream `{}` cannot be read: {}", stream, history.error());
  const Linearity linearity = check_linearity(*history);
  if (linearity.verdict != Linearity::Verdict::not_linearizable) return "";
  return fmt::format(
      "the emulator's answers for stream `{}` are not linearizable, a fault of the harness: {}", stream,
      linearity.why);
}

namespace {

// What a writer that is not ready did instead, in one line.
std::string not_ready(const std::string& program, Child& child, WriterDriver& driver,
                      std::chrono::milliseconds waited) {
  const std::string garbage = driver.first_garbage();
  if (!garbage.empty()) {
    return fmt::format("the writer `{}` printed `{}` where {{\"ready\":true}} was expected", program,
                       garbage);
  }
  if (driver.output_ended()) {
    child.wait_until(std::chrono::steady_clock::now() + 1s);
    if (child.ended()) {
      driver.wait_output_end(std::chrono::steady_clock::now() + 200ms);
      return fmt::format("the writer `{}` ended {} before it was ready{}", program, exit_text(child.facts()),
                         last_words(driver.log()));
    }
    return fmt::format("the writer `{}` closed its stdout before it was ready", program);
  }
  return fmt::format("the writer `{}` did not print {{\"ready\":true}} within {}", program,
                     print_duration(std::chrono::duration_cast<std::chrono::microseconds>(waited)));
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

std::string run_name(std::uint64_t seed, bool unique) {
  std::uint64_t chance = 0;
  if (unique) {
    std::random_device device;
    chance = (static_cast<std::uint64_t>(device()) << 32) | device();
  }
  return fmt::format("{:016x}", Prng::forked(seed ^ chance, "run").next());
}

ProcessRun::ProcessRun(const RealmOptions& options, const std::atomic<bool>& cancelled,
                       const RunRequest& request)
    : options_(options),
      cancelled_(cancelled),
      request_(request),
      drawn_(request.drawn),
      over_http_(options.over_http || drawn_.config.http || drawn_.teardown.kind == Teardown::browser_delete),
      run_(run_name(request.seed, options.external.has_value())),
      seen_(run_),
      steps_(make_steps(drawn_.workloads[0], run_, request.seed)),
      filler_prng_(Prng::forked(request.seed, "filler")) {
  ledger_.scenario = drawn_.name;
  ledger_.teardown = drawn_.teardown.kind;
  ledger_.fault = fault_name(drawn_);
  ledger_.workload = name(drawn_.workloads[0].kind);
  ledger_.seed = request.seed;
  ledger_.run = run_;
  ledger_.replay = request.replay;
  const WriterConfig& config = drawn_.config;
  if (config.ring_capacity) ledger_.ring_capacity = config.ring_capacity->lo;
  ledger_.linger_ns = static_cast<std::int64_t>(config.linger.value_or(exactly(100'000)).lo) * kNsPerUs;
  ledger_.grace_ns = static_cast<std::int64_t>(drawn_.teardown.grace.lo) * kNsPerUs;
  ledger_.shutdown_budget_ns =
      static_cast<std::int64_t>(config.shutdown_budget.value_or(exactly(10'000'000)).lo) * kNsPerUs;
  ledger_.slack_ns = std::chrono::nanoseconds(options_.slack).count();
  ledger_.heal_bound_ns = static_cast<std::int64_t>(drawn_.heal_bound.lo) * kNsPerUs;
  if (config.fixed_stream_percent == 100) ledger_.fixed_stream = run_ + "-fixed";
}

// The observer calls into child_ and seen_: the service goes first, whatever happened before.
ProcessRun::~ProcessRun() {
  killer_ = {};
  pulse_.reset();
  service_.reset();
}

// A directory of this run's own, where the scenario gives the writer one.
void ProcessRun::make_journal_dir() {
  if (!drawn_.config.journal) return;
  auto made = ScratchDirectory::make(Scratch::journal);
  if (!made) throw std::runtime_error(made.error());
  journal_dir_ = std::move(*made);
  std::filesystem::create_directory(journal_of(*journal_dir_));
}

// What the writer left there, in any format. One that left nothing knows of no journal, and promises nothing
// with it.
void ProcessRun::read_journal() {
  if (!journal_dir_) return;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(journal_dir_->path(), ignored)) {
    if (!entry.is_regular_file(ignored) || entry.file_size(ignored) == 0) continue;
    ledger_.journalled = true;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto found = find_probes(bytes, run_);
    ledger_.journal.insert(ledger_.journal.end(), found.begin(), found.end());
  }
  std::sort(ledger_.journal.begin(), ledger_.journal.end());
}

Command ProcessRun::command() const {
  Command command{options_.writer, {}, kCleared};
  if (drawn_.teardown.kind == Teardown::fork) command.lineage = Lineage::checkpointed;
  auto& set = command.set;
  const ServiceAddress address = service_->for_writer();
  set["S2_BASIN"] = address.basin;
  set["S2_ACCESS_TOKEN"] = address.token;
  set["S2_ACCOUNT_ENDPOINT"] = set["S2_BASIN_ENDPOINT"] = address.endpoint;
  if (!ledger_.fixed_stream.empty()) set["S2_STREAM"] = ledger_.fixed_stream;
  const auto duration = [](const Range& value) {
    return print_duration(std::chrono::microseconds(value.lo));
  };
  const WriterConfig& config = drawn_.config;
  if (config.ring_capacity) set["S2_WRITER_RING_CAPACITY"] = std::to_string(config.ring_capacity->lo);
  if (config.linger) set["S2_BATCHER_LINGER"] = duration(*config.linger);
  if (config.max_records) set["S2_BATCHER_MAX_RECORDS"] = std::to_string(config.max_records->lo);
  if (config.shutdown_budget) set["S2_WRITER_SHUTDOWN_BUDGET"] = duration(*config.shutdown_budget);
  if (over_http_) set["S2_WRITER_DRIVER"] = "http";
  if (journal_dir_) {
    set["S2_WRITER_JOURNAL_DIR"] = journal_of(*journal_dir_);
    set["S2_WRITER_JOURNAL_WAIT"] = "on";
  }
  for (const auto& [key, value] : config.environment) set[key] = value;
  return command;
}

bool ProcessRun::start() {
  make_journal_dir();
  if (needs_private_network(drawn_)) {
    auto network = PrivateNetwork::make();
    if (!network) {
      ledger_.invalid = network.error();
      return false;
    }
    network_ = std::move(*network);
  }
  service_ = options_.external ? make_proxied_service(*options_.external, request_.seed)
             : network_        ? make_embedded_service(request_.seed, PrivateNetwork::kServiceAddress)
                               : make_embedded_service(request_.seed);
  pulse_.emplace([this] {
    service_->open_connections();
    return !seen_.fired();  // a kill at an instant holds the service up, and behind it there is nobody to be
                            // late
  });
  // All of it stands before the writer does: it may dial, and die, before this thread sees it.
  service_->observe([this](const emulator::ProtocolEvent& event) { seen_.observe(event); });
  service_->set_faults(fault_plan_json(drawn_.faults));
  const bool deletes = drawn_.teardown.kind == Teardown::browser_delete;
  if (deletes) {
    auto browser = LiveBrowser::start();
    if (!browser) {
      ledger_.invalid = browser.error();
      return false;
    }
    browser_ = std::move(*browser);
  }
  const auto instant = instant_of(drawn_);
  if ((deletes || drawn_.teardown.kind == Teardown::kill) && protocol_time(instant->kind)) {
    service_->one_at_a_time();
    if (!after_the_end_was_asked(instant->kind)) arm(*instant);
  }
  if (!launch()) return false;
  begin_downtime();
  return true;
}

// S2 that is not there yet: the writer has to dial for a while.
void ProcessRun::begin_downtime() {
  for (const Fault& fault : drawn_.faults) {
    if (fault.kind != FaultKind::down) continue;
    const auto lasts = std::chrono::milliseconds(fault.duration.lo / 1000);
    const std::int64_t begin = now_ns();
    service_->drain(lasts);
    ledger_.faults.push_back(
        {"down at the start", true, begin, begin + std::chrono::nanoseconds(lasts).count()});
  }
}

void ProcessRun::arm(const Instant& instant) {
  seen_.arm(instant, [this] {
    target_.wait(nullptr);
    if (browser_) return destroy_vm();
    const bool was_alive = target_.load()->kill_and_reap();
    // The host dies with it: what waits in the sockets is lost (a wall-clock kill leaves it to the kernel).
    service_->cut(emulator::CutKind::reset);
    return was_alive;
  });
  if (instant.kind == InstantKind::byte) service_->stop_reading_at(instant.value);
}

bool ProcessRun::launch() {
  const PrivateNetwork::AtWriter there(network_.get());  // the writer, and the threads that drive it
  Pipes pipes;
  auto child = Child::start(command(), pipes);
  if (!child) {
    ledger_.invalid = child.error();
    return false;
  }
  child_ = std::move(*child);
  target_.store(child_.get());
  target_.notify_all();
  std::function<void()> end_http;
  if (over_http_) end_http = [child = child_.get()] { child->term(); };
  driver_ = std::make_unique<WriterDriver>(pipes, run_, numbers_, std::move(end_http));
  // A writer that dials first thing may be killed before it is ready: that is a death like another.
  if (!driver_->wait_ready(Clock::now() + options_.ready_within) && !seen_.fired()) {
    ledger_.invalid = not_ready(options_.writer[0], *child_, *driver_, options_.ready_within);
    return false;
  }
  if (over_http_ && !drawn_.config.http && !driver_->over_http() && !seen_.fired()) {
    ledger_.invalid =
        fmt::format("the writer `{}` is ready, and names no `http://HOST:PORT`: it has no telemetry API",
                    options_.writer[0]);
    return false;
  }
  child_->note_ready(now_ns());
  return true;
}

bool ProcessRun::succeed() {
  earlier_.push_back({std::move(child_), std::move(driver_)});
  starts_ = flushes_ = stops_ = switches_ = 0;
  if (!launch()) return false;
  driver_->start(session_);
  driver_->wait_for(Statement::Kind::started, ++starts_, Clock::now() + options_.ready_within);
  return true;
}

// Lets the service take in what the dead writer had sent before: bytes in its sockets are on their way like
// any other.
void ProcessRun::settle() {
  service_->heal();
  const auto wait = [](auto open, Clock::time_point deadline) {
    while (open() > 0 && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  };
  wait([&] { return service_->open_connections(); }, Clock::now() + kSettlesWithin);
  wait([&] { return service_->appends_under_way(); }, Clock::now() + kAnsweredWithin);
  service_->observe(nullptr);
  service_->set_faults("[]");
}

void ProcessRun::read_back() {
  auto stored = Reader(service_->for_reader()).read_all(options_.external ? run_ : "", run_);
  if (!stored) {
    if (ledger_.invalid.empty()) ledger_.invalid = "the streams could not be read back: " + stored.error();
    return;
  }
  ledger_.stored = std::move(*stored);
  for (const StoredStream& stream : ledger_.stored) {
    auto history = service_->history(stream.name);
    if (!history) continue;
    histories_.push_back(std::move(*history));
    if (harness_fault_.empty()) harness_fault_ = fault_of_service(histories_.back(), stream.name);
  }
  if (ledger_.invalid.empty()) ledger_.invalid = harness_fault_;
}

// What one process left, at the end of the run.
void ProcessRun::take_ledger(Child& child, WriterDriver& driver) {
  child.kill_and_reap();
  child.end_group();
  // What a leaked process still holds open ends with it; one that left the group is not waited for for ever.
  if (!driver.wait_output_end(Clock::now() + kOutputEndsWithin)) driver.abandon();
  const int epoch = static_cast<int>(ledger_.processes.size());
  for (Publication& made : driver.publications()) {
    made.epoch = epoch;
    ledger_.publications.push_back(std::move(made));
  }
  for (Statement& said : driver.statements()) {
    said.epoch = epoch;
    ledger_.statements.push_back(std::move(said));
  }
  if (!earlier_.empty()) log_ += fmt::format("--- process {} (pid {}) ---\n", epoch + 1, child.pid());
  const std::string log = options_.external ? without(driver.log(), options_.external->token) : driver.log();
  log_ += log;
  for (const auto kind : {Statement::Kind::acked, Statement::Kind::dropped, Statement::Kind::lost}) {
    ledger_.acks_observed = ledger_.acks_observed || driver.count(kind) > 0;
  }
  Process& process = ledger_.processes.emplace_back(child.facts());
  if (process.failed()) process.last_words = last_words(log);
}

void ProcessRun::finish() {
  killer_ = {};
  browser_.reset();
  for (const Life& life : earlier_) take_ledger(*life.child, *life.driver);
  if (child_ && driver_) take_ledger(*child_, *driver_);
  std::stable_sort(ledger_.publications.begin(), ledger_.publications.end(),
                   [](const Publication& a, const Publication& b) { return a.n < b.n; });
  std::stable_sort(ledger_.statements.begin(), ledger_.statements.end(),
                   [](const Statement& a, const Statement& b) { return a.t_ns < b.t_ns; });
  if (service_) {
    fault_plan_ = service_->faults();
    settle();
    for (const FiredFault& fault : seen_.faults()) ledger_.faults.push_back(fault);
    ledger_.appends = seen_.appends();
  }
  judge_validity();
}

// A run in which the fault or the kill did not come as drawn proves nothing. One that the writer ended by
// itself, unasked, does: that is the judge's.
void ProcessRun::judge_validity() {
  const FiredFaults fired = fired_faults(drawn_.faults, fault_plan_);
  if (!fired.exhausted) ledger_.faults_ended = false;
  if (cancelled_.load()) ledger_.invalid = "interrupted";
  if (!ledger_.invalid.empty()) return;
  const Process& process = ledger_.processes.back();
  const bool by_itself =
      process.kill_ns < 0 && process.term_ns < 0 && driver_->count(Statement::Kind::stdin_closed) == 0;
  if (by_itself) return;
  if (!fired.missing.empty()) {
    ledger_.invalid = fmt::format("the fault `{}` did not fire", fired.missing);
    return;
  }
  // A writer that ends in peace and accepted nothing has been asked for nothing: every promise is kept, and
  // none is proven.
  const auto accepted = [](const Publication& p) { return p.acceptance == Acceptance::accepted; };
  if (process.kill_ns < 0 && process.term_ns < 0 && !ledger_.publications.empty() &&
      std::none_of(ledger_.publications.begin(), ledger_.publications.end(), accepted)) {
    ledger_.invalid = fmt::format("the writer accepted {}: {}",
                                  ledger_.publications.size() == 1
                                      ? "no event"
                                      : fmt::format("none of {} events", ledger_.publications.size()),
                                  instead_of_accepting(ledger_, log_));
    return;
  }
  const Teardown kind = drawn_.teardown.kind;
  const bool must_kill =
      kind == Teardown::kill || kind == Teardown::flush_then_kill || kind == Teardown::browser_delete;
  if (must_kill && !ledger_.kill.fired) {
    ledger_.invalid = fmt::format("the kill at `{}` did not fire", ledger_.kill.instant);
  } else if (kind == Teardown::browser_delete) {
    const Instant instant = *instant_of(drawn_);
    if (const std::string why = not_met(instant); !why.empty())
      ledger_.invalid = fmt::format("the kill did not meet `{}`: {}", name(instant.kind), why);
  }
}

RunOutcome ProcessRun::go() {
  try {
    if (start()) tear_down();
  } catch (const std::exception& error) {
    ledger_.invalid =
        fmt::format("the {} did not serve: {}", options_.external ? "fault proxy" : "emulator", error.what());
  }
  const auto service_stalled = pulse_ ? pulse_->longest() : 0ms;
  pulse_.reset();
  finish();
  read_journal();
  if (ledger_.invalid.empty()) read_back();
  service_.reset();
  ledger_.invalid = printable(ledger_.invalid);
  return {std::move(ledger_), std::move(log_), std::move(histories_), printable(harness_fault_),
          service_stalled};
}

std::string ProcessRealm::why_not(const Scenario& scenario) const {
  if (scenario.teardown.kind == Teardown::browser_delete) {
    if (!options_.over_http && !options_.own_writer)
      return "its writer is driven over the telemetry API: --writer-driver http";
    return why_no_browser();
  }
  if (scenario.teardown.kind == Teardown::fork) return why_no_fork();
  if (!needs_private_network(scenario)) return "";
  if (options_.external) return "an endpoint is not within reach of a run's own network";
  return why_no_private_network();
}

RunOutcome ProcessRealm::run(const RunRequest& request) const {
  return ProcessRun(options_, cancelled_, request).go();
}

}  // namespace s2::scenarios
