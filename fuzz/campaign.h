// A campaign: many executions of one target on several processes, from one seed.
//
// Each job is a process of its own, forked before it simulates anything, with its own shard of the seed: what
// one of them breaks of its process (a crash) is a finding, and nothing is shared. The first failure ends the
// others. Called on the main thread of a program that has no other threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/finding.h"

namespace s2::fuzz {

inline constexpr unsigned kMaxJobs = 256;
inline constexpr unsigned kMaxShards = 100'000;  // of one campaign
inline constexpr const char* kVersion = "0.1.0";

struct CampaignOptions {
  std::string target = "writer";
  std::string mutant;  // planted already
  std::string strategy = "portfolio";
  unsigned preemptions = 3;      // of dfs; it goes through 0, 1, … up to it
  std::uint64_t executions = 0;  // of all jobs; 0: no bound
  std::chrono::milliseconds duration{10'000};
  std::chrono::milliseconds core_time{0};  // for which each job may have a core; 0: no bound
  unsigned jobs = 1;
  std::uint64_t seed = 1;
  unsigned shard = 0, shards = 1;  // jobs are shards of it, so that machines may have as many as they like
  SmallestOptions smallest;
  bool tells = true;  // on stderr, at once, that something was found: making it small takes a while
};

struct CampaignResult {
  std::vector<Finding> findings;
  std::uint64_t executions = 0, points = 0, choices = 0, preemptions = 0;
  std::uint64_t abandoned = 0, reruns = 0, differing = 0;
  double seconds = 0;      // real, of the search alone: the longest job
  double job_seconds = 0;  // for which all jobs together had a core
  double virtual_seconds = 0;
  bool exhausted = false;                 // every job has nothing more to try
  std::uint64_t states = 0, classes = 0;  // of a reduced depth-first search: strategy.h
  // Where a ledger judges as if the process died: each point, and each order of what was on its way.
  std::uint64_t kill_instants = 0;
  std::uint64_t cut = 0;  // sends behind which more orders could land than were judged
  double executions_per_second() const {
    return seconds > 0 ? static_cast<double>(executions) / seconds : 0;  // of all jobs together
  }
  double executions_per_core_second() const {
    return job_seconds > 0 ? static_cast<double>(executions) / job_seconds : 0;
  }
};

// Counts are summed, `seconds` are the longer; a failure that is there already is not added again. Whether
// every part is exhausted the caller knows.
void add(CampaignResult& sum, const CampaignResult& part);

std::vector<std::string> strategy_names();
// For a search of the target. Nothing when there is no strategy of that name.
std::unique_ptr<Strategy> make_strategy(const std::string& name, const Target& target, unsigned preemptions,
                                        std::uint64_t seed);

// A depth-first search of a program that draws nothing: all jobs and shards would walk the same tree.
bool is_one_tree(const CampaignOptions& options);

// `stop` is set by a signal's handler: then what was done so far is the result. Throws std::runtime_error
// when a process cannot be made.
CampaignResult run_campaign(const CampaignOptions& options, const volatile bool& stop);

// One job, in this process.
CampaignResult run_job(const CampaignOptions& options, unsigned job, const volatile bool& stop);

}  // namespace s2::fuzz
