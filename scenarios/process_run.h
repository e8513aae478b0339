// One run in the realm `process`, from the first process to the finished ledger. Used by realm_process.cpp
// alone.
//
// One thread plays it; the service's thread calls into the ServiceLedger, the driver's thread moves bytes,
// and at most one killer thread waits for a wall-clock instant. All of them end before the run does.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/checkpoint.h"
#include "scenarios/child.h"
#include "scenarios/faulty_service.h"
#include "scenarios/live_browser.h"
#include "scenarios/private_network.h"
#include "scenarios/realm_process.h"
#include "scenarios/scratch_directory.h"
#include "scenarios/service_ledger.h"
#include "scenarios/stall_meter.h"
#include "scenarios/workload.h"
#include "scenarios/writer_driver.h"

namespace s2::scenarios {

inline constexpr std::chrono::milliseconds kFlushDeadline{2000};  // given to the writer with each flush
inline constexpr std::chrono::seconds kPublishWithin{5};          // room in the queue to the writer

class ProcessRun {
 public:
  using Clock = std::chrono::steady_clock;

  ProcessRun(const RealmOptions& options, const std::atomic<bool>& cancelled, const RunRequest& request);
  ~ProcessRun();
  RunOutcome go();
  // Whether a process of the command, told who it is (docs/forks.md), answers.
  bool answers_identity();

 private:
  // --- before and after (realm_process.cpp) ---
  // False: the run is invalid, and the ledger says why.
  bool start();
  bool launch();  // a process of the command, as child_ and driver_
  void begin_downtime();
  bool succeed();  // another beside or after it, which is played from here on; it gets the session, too
  void finish();
  void take_ledger(Child& child, WriterDriver& driver);
  void judge_validity();
  void arm(const Instant& instant);  // the kill at a moment that the service shows
  void settle();
  void read_back();
  Command command() const;
  void make_journal_dir();
  void read_journal();

  // --- playing the workload (process_run.cpp) ---
  void play_until(std::size_t end);  // steps up to that index, unless the writer dies
  void play_step(const Step& step);
  void publish(const Step& step);
  void publish_filler(std::chrono::microseconds pause);
  void keep_publishing(
      Clock::time_point until);  // the rest of the steps, then fillers, while the writer lives
  bool over() const;             // dead, or cancelled
  std::size_t step_at(std::uint64_t percent) const;

  // --- the ways to die (process_teardown.cpp) ---
  void tear_down();
  void end_gracefully(EndBy how);
  void await_read();
  bool goes_on() const;
  void await_faults();
  std::vector<std::uint64_t> to_be_stored() const;  // the numbers of what was accepted so far
  std::chrono::milliseconds stop_deadline() const;
  void kill_in_time();
  void flush_then_kill();
  void cut_network();
  void heal_network();
  void cut_and_heal();
  void cut_and_end();
  void drain_service();
  void overflow();
  void pause();
  void respawn();
  void zombie();

  // --- class browser-delete (process_browser.cpp) ---
  void delete_browser();
  void await_while_driven(const Instant& instant);
  void meet_instant(const Instant& instant);
  void ask_control_plane(const Instant& instant);
  int late_publisher() const;
  bool destroy_vm();
  void destroy_at(const Instant& instant);
  void note_destroyed(const Instant& instant, bool fired, std::int64_t t_ns);
  std::string not_met(const Instant& instant) const;

  // --- class fork (process_fork.cpp) ---
  struct Life {
    std::unique_ptr<Child> child;
    std::unique_ptr<WriterDriver> driver;
  };
  void fork();
  std::optional<Checkpoint> checkpoint_source();
  std::optional<Life> start_branch(const Checkpoint& checkpoint, int epoch, bool inherits);
  bool await_identity(const Checkpoint& checkpoint, int epoch, const Life& life);
  void play_branches(const std::vector<Life>& branches);

  void await_stored();  // everything accepted, within the heal bound
  void kill_now(const std::string& instant);
  void kill_after(std::chrono::microseconds delay, const std::string& instant);  // on the killer thread
  void kill_if_alive(Clock::time_point deadline);                                // the harness's last resort
  EndBy end_or(EndBy usual) const;

  const RealmOptions& options_;
  const std::atomic<bool>& cancelled_;
  const RunRequest& request_;
  const Scenario& drawn_;
  const bool over_http_;
  const std::string run_;
  std::optional<ScratchDirectory> journal_dir_, checkpoint_dir_;

  std::unique_ptr<PrivateNetwork> network_;  // null: the machine's
  ServiceLedger seen_;                       // outlives the service, which calls it
  std::unique_ptr<FaultyService> service_;
  std::optional<ServicePulse> pulse_;  // of service_
  std::unique_ptr<Child> child_;
  std::atomic<Child*> target_{nullptr};  // child_, for a kill that comes before start() has it
  std::unique_ptr<WriterDriver> driver_;
  std::unique_ptr<LiveBrowser> browser_;  // publishes into driver_: it ends first
  std::vector<Life> earlier_;             // processes before child_, dead or paused
  const std::shared_ptr<EventNumbers> numbers_ = std::make_shared<EventNumbers>(0);
  std::jthread killer_;

  std::vector<Step> steps_;
  std::size_t next_step_ = 0;
  std::string session_;  // the last one started
  Prng filler_prng_;
  std::optional<Clock::time_point> played_since_;
  Clock::duration paused_for_{0};                                    // shifts the steps' times
  std::size_t starts_ = 0, flushes_ = 0, stops_ = 0, switches_ = 0;  // asked so far

  std::mutex kill_mutex_;  // guards ledger_.kill
  Ledger ledger_;
  std::string log_;
  std::string fault_plan_;  // as the service gave it back, with how often each rule fired
  std::vector<std::string> histories_;
  std::string harness_fault_;
};

}  // namespace s2::scenarios
