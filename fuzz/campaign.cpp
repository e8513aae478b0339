// Jobs of a campaign: forked, heard by pipes, summed up. See campaign.h.
#include "fuzz/campaign.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "fuzz/result_json.h"
#include "fuzz/run_output.h"
#include "fuzz/watchdog.h"
#include "fuzz/writer_journal.h"

namespace s2::fuzz {
namespace {

using RealClock = std::chrono::steady_clock;

// A job looks at `stop` between executions, and makes its failure small: it gets so long after the stop.
constexpr std::chrono::seconds kPatience{30};
constexpr int kPollMs = 100;

struct Job {
  pid_t pid = -1;
  int pipe = -1;
  std::string said;
  bool gone = false;
};

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

Job fork_job(const CampaignOptions& options, unsigned number, const volatile bool& stop) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "a pipe for a job");
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "a process for a job");
  if (pid == 0) {
    ::close(ends[0]);
    ::signal(SIGINT, SIG_IGN);      // of the terminal: the parent says when to stop, by SIGTERM
    struct sigaction on_term = {};  // which may come twice, from the parent and to the group
    if (::sigaction(SIGTERM, nullptr, &on_term) == 0) {
      on_term.sa_flags &= ~static_cast<int>(SA_RESETHAND);
      ::sigaction(SIGTERM, &on_term, nullptr);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    watch_for_points();
    write_all(ends[1], to_json_line(run_job(options, number, stop)));
    ::_exit(0);
  }
  ::close(ends[1]);
  return {pid, ends[0], "", false};
}

Finding crash_of(const CampaignOptions& options, unsigned number, int status) {
  Finding finding;
  finding.target = options.target;
  finding.mutant = options.mutant;
  finding.invariant = "I8";
  const bool hung = WIFEXITED(status) && WEXITSTATUS(status) == kHungExitCode;
  finding.kind = hung ? "hung" : "crashed";
  finding.by = hung ? "timeout" : "crash";
  finding.detail = (hung ? "an execution passed no point for " + std::to_string(kWithoutAPoint.count()) +
                               " s and did not end (its stack is on stderr)"
                    : WIFSIGNALED(status)
                        ? std::string("the process of a job ended by signal ") + strsignal(WTERMSIG(status))
                        : "the process of a job ended by exit code " + std::to_string(WEXITSTATUS(status))) +
                   "; again: s2-fuzz explore --target " + options.target + " --strategy " + options.strategy +
                   " --preemptions " + std::to_string(options.preemptions) +
                   (options.mutant.empty() ? "" : " --mutant " + options.mutant) + " --duration " +
                   std::to_string(options.duration.count()) + "ms --seed " + std::to_string(options.seed) +
                   " --jobs 1 --shard " + std::to_string(options.shard + number * options.shards + 1) + "/" +
                   std::to_string(options.shards * options.jobs);
  return finding;
}

}  // namespace

std::vector<std::string> strategy_names() {
  return {"portfolio", "random", "urw", "pct", "dfs", "dfs-full"};
}

std::unique_ptr<Strategy> make_strategy(const std::string& name, const Target& target, unsigned preemptions,
                                        std::uint64_t seed) {
  constexpr unsigned kPctDepth = 3;
  if (name == "portfolio") return make_portfolio();
  if (name == "random") return make_random();
  if (name == "urw") return make_urw();
  if (name == "pct") return make_pct(kPctDepth);
  if (name == "dfs" || name == "dfs-full")
    return make_dfs({.preemptions = preemptions,
                     .rising = preemptions < DfsOptions::kNoBound,
                     .draw_seed = mixed(seed),
                     .reduced = name == "dfs" && target.guarded});
  return nullptr;
}

bool is_one_tree(const CampaignOptions& options) {
  const auto target = target_named(options.target);
  return options.strategy.starts_with("dfs") && target && !target->draws;
}

CampaignResult run_job(const CampaignOptions& options, unsigned job, const volatile bool& stop) {
  const auto target = target_named(options.target);
  const unsigned shards = options.shards * options.jobs, shard = options.shard + job * options.shards;
  const auto strategy = make_strategy(options.strategy, *target, options.preemptions, options.seed + shard);
  ExploreOptions explore_options;
  explore_options.seed = options.seed;
  explore_options.max_executions = ~std::uint64_t{0};
  if (options.executions != 0)
    explore_options.max_executions =
        options.executions / options.jobs + (job < options.executions % options.jobs);
  explore_options.max_time = options.duration;
  if (options.core_time.count() != 0) explore_options.max_core_time = options.core_time;
  explore_options.shard = shard;
  explore_options.shards = shards;
  explore_options.world = target->world;
  explore_options.stop = [&stop] { return bool{stop}; };
  const LandingCounts before = target->landings ? target->landings() : LandingCounts{};
  const Exploration found = explore(*strategy, explore_options, target->program);

  CampaignResult result;
  result.executions = found.executions;
  result.points = found.points;
  result.choices = found.choices;
  result.preemptions = found.preemptions;
  if (target->landings) {
    const LandingCounts after = target->landings();
    result.kill_instants = found.points + after.judged - before.judged;
    result.cut = after.cut - before.cut;
  }
  result.abandoned = found.abandoned;
  result.reruns = found.reruns;
  result.differing = found.differing;
  result.exhausted = found.exhausted;
  if (const auto* dfs = dynamic_cast<const Dfs*>(strategy.get()); dfs != nullptr) {
    result.states = dfs->states();
    result.classes = dfs->classes();
  }
  result.seconds = std::chrono::duration<double>(found.real_time).count();
  result.job_seconds = std::chrono::duration<double>(found.core_time).count();
  result.virtual_seconds = std::chrono::duration<double>(found.virtual_time).count();
  if (found.failure) {
    if (options.tells)
      std::fprintf(stderr, "s2-fuzz: execution %llu breaks: %s; it is made small now\n",
                   static_cast<unsigned long long>(found.failure->execution), found.failure->why.c_str());
    result.findings.push_back(find_smallest(*target, options.mutant, *found.failure, options.smallest));
  }
  return result;
}

CampaignResult run_campaign(const CampaignOptions& options, const volatile bool& stop) {
  remove_journals_left();
  std::vector<Job> jobs;
  for (unsigned i = 0; i < options.jobs; ++i) jobs.push_back(fork_job(options, i, stop));
  CampaignResult sum;
  sum.exhausted = true;
  std::size_t left = jobs.size();
  bool told = false, killed = false;
  RealClock::time_point last_call = RealClock::time_point::max();
  while (left > 0) {
    if ((stop || !sum.findings.empty()) && !told) {
      told = true;
      last_call = RealClock::now() + kPatience;
      for (const Job& job : jobs) {
        if (!job.gone) ::kill(job.pid, SIGTERM);
      }
    }
    const bool too_late = RealClock::now() >= last_call;
    std::vector<pollfd> polls;
    for (const Job& job : jobs) polls.push_back({job.gone ? -1 : job.pipe, POLLIN, 0});
    ::poll(polls.data(), polls.size(), kPollMs);
    for (unsigned i = 0; i < jobs.size(); ++i) {
      Job& job = jobs[i];
      if (job.gone) continue;
      if (too_late) ::kill(job.pid, SIGKILL);
      if (polls[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = ::read(job.pipe, buffer, sizeof buffer);
      if (got > 0) {
        job.said.append(buffer, static_cast<std::size_t>(got));
        continue;
      }
      if (got < 0 && errno == EINTR) continue;
      const int status = status_of(job.pid);
      ::close(job.pipe);
      remove_journal_of(job.pid);
      job.gone = true;
      --left;
      if (const auto result = result_of_json(job.said)) {
        add(sum, *result);
        sum.exhausted = sum.exhausted && result->exhausted;
      } else if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM)) {
        killed = true;  // by us, who waited long enough, or by somebody else: it says nothing of the program
      } else {
        sum.findings.push_back(crash_of(options, i, status));
        sum.exhausted = false;
      }
    }
  }
  if (killed) {
    if (sum.findings.empty())
      throw std::runtime_error(
          "a job was killed before it could say what it found; what the others did is lost, too");
    sum.exhausted = false;
  }
  return sum;
}

}  // namespace s2::fuzz
