// See process_run.h: class `browser-delete`. A user's program drives a real browser, what that emits goes to
// the writer over the telemetry API, and the program deletes the browser in its `finally`: the control plane
// asks for a flush, checks the tail and destroys, which is SIGKILL to writer and browser, and records what
// became of it (teardown.h). Where the chosen instant comes before its destroy, host and VM die there, and
// the control plane finds a VM that is gone.
#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>

#include "scenarios/clock.h"
#include "scenarios/kill_instants.h"
#include "scenarios/process_run.h"
#include "scenarios/teardown.h"

namespace s2::scenarios {
namespace {

using namespace std::chrono_literals;

constexpr auto kProgramEndsWithin = 60s;  // the user's, on a busy machine
constexpr auto kInstantWithin = 10s;      // after the program's end, or for a refusal
constexpr auto kControlPlaneDeadline = 3000ms;
constexpr auto kDeadlineOfASuspendedVm = 500ms;
constexpr auto kLateAnswerWithin = 2s;
constexpr std::uint64_t kLingeringEvents = 20;
constexpr auto kLingersFor = 150ms;  // accepted so long ago: the reader has had its turn
constexpr std::int64_t kLingeredNs = 50'000'000;
constexpr std::ptrdiff_t kRefusals = 3;  // then the back-off is long enough to be met
constexpr auto kLook = 2ms;
constexpr std::string_view kLateEvent = R"({"type":"console_log","data":{"text":"a late publisher"}})";

bool was_refused(const ServiceAppend& append) {
  return append.outcome != ServiceAppend::Outcome::acked && append.answered_ns >= 0 && !append.committed;
}

}  // namespace

// The host does it: both at once, and what waits in their sockets goes with them.
bool ProcessRun::destroy_vm() {
  const bool writer = target_.load()->kill_and_reap();
  const bool browser = browser_->kill();
  service_->cut(emulator::CutKind::reset);
  return writer && browser;
}

void ProcessRun::destroy_at(const Instant& instant) {
  const std::int64_t t_ns = now_ns();
  const bool alive = destroy_vm();
  note_destroyed(instant, alive, t_ns);
}

void ProcessRun::note_destroyed(const Instant& instant, bool fired, std::int64_t t_ns) {
  const std::lock_guard lock(kill_mutex_);
  ledger_.kill = {print(instant), protocol_time(instant.kind), fired, t_ns,
                  kill_instant_number(instant.kind)};
}

// Asks for what it does not see: an event that the judge does not know. The status; 0: no answer.
int ProcessRun::late_publisher() const {
  httplib::Client client(driver_->telemetry());
  client.set_read_timeout(kLateAnswerWithin);
  const auto answer = client.Post("/telemetry/events", std::string(kLateEvent), "application/json");
  return answer ? answer->status : 0;
}

// While the program still runs: instants that no armed moment shows.
void ProcessRun::await_while_driven(const Instant& instant) {
  const auto deadline = Clock::now() + kProgramEndsWithin;
  const auto met = [&] {
    if (instant.kind == InstantKind::lingering) return driver_->accepted() >= kLingeringEvents;
    const auto appends = seen_.appends();
    return std::count_if(appends.begin(), appends.end(), was_refused) >= kRefusals;
  };
  while (!met()) {
    if (over() || Clock::now() >= deadline) return;
    std::this_thread::sleep_for(kLook);
  }
  std::this_thread::sleep_for(instant.kind == InstantKind::lingering ? kLingersFor : kLook * 5);
  destroy_at(instant);
}

// Behind the program's `finally`, and before the control plane has asked for anything.
void ProcessRun::meet_instant(const Instant& instant) {
  if (instant.kind == InstantKind::mid_close) await_read();  // then it is known how much was accepted
  const auto deadline = Clock::now() + kInstantWithin;
  switch (instant.kind) {
    case InstantKind::after_term:
      child_->term();
      return destroy_at(instant);
    case InstantKind::shutting_down:
      child_->term();
      while (late_publisher() != 503) {
        if (child_->ended() || Clock::now() >= deadline) return;
      }
      return destroy_at(instant);
    case InstantKind::mid_drain:
      arm(instant);
      child_->term();
      break;
    case InstantKind::mid_close:
      arm({instant.kind, driver_->accepted()});  // not all of it need come in one append
      child_->term();
      break;
    case InstantKind::closed: {
      driver_->stop(session_, stop_deadline().count());
      driver_->wait_for(Statement::Kind::stopped, ++stops_, deadline);
      const int status = late_publisher();
      if (status == 0 || status == 200) return;
      return destroy_at(instant);
    }
    case InstantKind::suspended:
      child_->pause();
      return;
    case InstantKind::flushed:
      return;
    default:
      break;  // armed from the start; the page goes on
  }
  while (!seen_.fired() && !child_->ended() && Clock::now() < deadline) std::this_thread::sleep_for(kLook);
}

void ProcessRun::delete_browser() {
  const Instant instant = *instant_of(drawn_);
  play_until(1);
  Prng prng = Prng::forked(request_.seed, "program");
  const std::chrono::milliseconds watched(prng.between(200, 700));
  const bool mistake = prng.chance(50);
  if (auto driven = browser_->drive(watched, mistake,
                                    [this](const EventShape& shape) {
                                      driver_->publish(session_, 0, shape, Clock::now() + kPublishWithin);
                                    });
      !driven) {
    ledger_.invalid = driven.error();
    return;
  }
  if (instant.kind == InstantKind::lingering || instant.kind == InstantKind::backing_off)
    await_while_driven(instant);
  if (!browser_->wait_deleted(Clock::now() + kProgramEndsWithin)) {
    ledger_.invalid = "the user's program did not come to its `finally`";
    return;
  }
  log_ += browser_->caught().empty()
              ? ""
              : fmt::format("--- the user's program caught: {} ---\n", browser_->caught());
  if (!child_->ended()) meet_instant(instant);
  if (seen_.fired()) note_destroyed(instant, true, seen_.fired_ns());
  ask_control_plane(instant);
}

void ProcessRun::ask_control_plane(const Instant& instant) {
  TeardownRequest request;
  request.telemetry = driver_->telemetry();
  request.service = service_->for_reader();
  request.stream = ledger_.fixed_stream.empty() ? session_ : ledger_.fixed_stream;
  request.deadline = instant.kind == InstantKind::suspended ? kDeadlineOfASuspendedVm : kControlPlaneDeadline;
  if (child_->ended()) service_->heal();
  Statement said;
  said.kind = Statement::Kind::ask_flush;
  said.session = session_;
  said.deadline_ms = request.deadline.count();
  said.t_ns = now_ns();
  DeletionRecord made;
  made.asked_ns = said.t_ns;
  if (!child_->ended()) ledger_.statements.push_back(said);
  const TeardownRecord record = s2::scenarios::tear_down(request, [&]() -> tl::expected<void, std::string> {
    if (!child_->ended()) destroy_at(instant);
    service_->heal();  // for the control plane's own reader, which sees all that is committed by now
    made.t_ns = now_ns();
    return {};
  });
  if (record.flushed_ns >= 0) {
    said.kind = Statement::Kind::flushed;
    said.through = record.through.value_or(0);
    said.t_ns = record.flushed_ns;
    ledger_.statements.push_back(said);
  }
  made.complete = record.complete;
  made.missing = record.missing;
  made.missing_more = record.missing_more;
  ledger_.deletion = made;
}

// Whether the ledgers bear out the instant that the kill was to meet; else why not.
std::string ProcessRun::not_met(const Instant& instant) const {
  const std::int64_t death = ledger_.kill.t_ns;
  bool unsent = false, lingered = false;
  for (const Publication& made : ledger_.publications) {
    if (made.acceptance == Acceptance::rejected || made.sent_ns > death) continue;
    if (std::any_of(ledger_.appends.begin(), ledger_.appends.end(), [&](const ServiceAppend& a) {
          return std::find(a.probes.begin(), a.probes.end(), made.n) != a.probes.end();
        }))
      continue;
    unsent = true;
    lingered = lingered || (made.answered_ns >= 0 && made.answered_ns + kLingeredNs < death);
  }
  const auto unanswered = std::any_of(ledger_.appends.begin(), ledger_.appends.end(),
                                      [](const ServiceAppend& a) { return a.answered_ns < 0; });
  switch (instant.kind) {
    case InstantKind::lingering:
      if (unanswered) return "an append was under way";
      return lingered ? "" : "nothing lingered";
    case InstantKind::byte:
      return unsent ? "" : "nothing was partly sent";
    case InstantKind::backing_off:
      return !ledger_.appends.empty() && was_refused(ledger_.appends.back())
                 ? ""
                 : "an append came after the refusal";
    case InstantKind::mid_drain:
      return unsent ? "" : "nothing was left to drain";
    case InstantKind::mid_close:
      return unsent ? "not all was sent" : "";
    default:
      return "";
  }
}

}  // namespace s2::scenarios
