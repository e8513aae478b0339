// mutants and determinism: what is run in other processes, and compared. See program_commands.h.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "fuzz/program_commands.h"
#include "fuzz/result_json.h"
#include "fuzz/run_output.h"
#include "fuzz/writer_journal.h"

namespace s2::fuzz {
namespace {

constexpr std::chrono::seconds kForEachBug{30};
constexpr SmallestOptions kSmallestOfMany{std::chrono::milliseconds(2000), std::chrono::milliseconds(400)};
constexpr std::chrono::milliseconds kLeastForNone{1000};
constexpr int kPatienceForNone = 60;  // real time to that of a core, where many share it

std::string own_path() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

// What a program says on its stdout. Throws when it cannot be run, or ends otherwise than with 0 or 1.
std::string said_by(const std::vector<std::string>& words) {
  RunOutput ran = output_of(words);
  if (ran.exit_code != 0 && ran.exit_code != 1)
    throw std::runtime_error(words.front() + " did not do its work (is it built?)");
  return std::move(ran.output);
}

MutantResult row_of(const PlantedBugText& bug, const CampaignResult& result) {
  MutantResult row;
  row.name = bug.name;
  row.effect = bug.effect;
  row.executions = result.executions;
  row.seconds = result.job_seconds;
  if (!result.findings.empty()) {
    const Finding& finding = result.findings.front();
    row.found = true;
    row.by = finding.by;
    row.kind = finding.kind;
    row.detail = finding.detail;
    row.preemptions = finding.preemptions;
    row.fewest = finding.fewest;
    row.replay = finding.token;
  }
  return row;
}

// Every planted bug, in turn, each for itself in a process of its own: one job, so that seconds are of one
// core.
std::vector<MutantResult> try_all(const FuzzOptions& options, const volatile bool& stop) {
  std::vector<MutantResult> rows;
  for (const PlantedBugText& bug : planted_bugs()) {
    if (stop) break;
    CampaignOptions campaign = options.campaign;
    campaign.mutant = bug.name;
    if (!bug.target.empty()) campaign.target = bug.target;
    campaign.jobs = 1;
    campaign.smallest = kSmallestOfMany;
    campaign.tells = false;
    campaign.duration = options.duration_given ? options.campaign.duration : kForEachBug;
    plant_bug(bug.name);
    rows.push_back(row_of(bug, run_campaign(campaign, stop)));
  }
  plant_bug("");
  return rows;
}

void print_table(const std::vector<MutantResult>& rows) {
  print_out(fmt::format("{:<24} {:<10} {:>10} {:>9}  {:>4}  {}\n", "planted bug", "found by", "executions",
                        "seconds", "pre.", "what was seen"));
  for (const MutantResult& row : rows) {
    print_out(fmt::format("{:<24} {:<10} {:>10} {:>9.3f}  {:>4}  {}\n", row.name,
                          row.found            ? row.by
                          : row.name == "none" ? "held"
                                               : "NOT FOUND",
                          row.executions, row.seconds,
                          row.found ? fmt::format("{}{}", row.fewest ? "" : "≤", row.preemptions) : "",
                          row.found ? row.kind + ": " + row.detail : ""));
  }
  std::vector<double> seconds;
  for (const MutantResult& row : rows) {
    if (row.found && row.name != "none") seconds.push_back(row.seconds);
  }
  if (seconds.empty()) return;
  std::sort(seconds.begin(), seconds.end());
  print_out(
      fmt::format("\n{} of {} found, median {:.1f} ms, longest {:.2f} s\n", seconds.size(),
                  std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.name != "none"; }),
                  seconds[seconds.size() / 2] * 1e3, seconds.back()));
}

}  // namespace

std::string program_with_bugs() {
  return (std::filesystem::path(own_path()).parent_path() / "s2-fuzz-bugs").string();
}

int become_the_one_with_bugs(char* const* argv) {
  const std::string path = program_with_bugs();
  ::execv(path.c_str(), argv);
  return complain(3, fmt::format("cannot run {}, which has the planted bugs: {}", path,
                                 std::generic_category().message(errno)));
}

int mutants_command(const FuzzOptions& options, const volatile bool& stop) {
  std::vector<MutantResult> rows;
  if (!planted_bugs().empty()) {
    rows = try_all(options, stop);
  } else {
    std::vector<std::string> words = {program_with_bugs(), "mutants", "--json",
                                      "--no-none",         "--seed",  std::to_string(options.campaign.seed)};
    if (options.duration_given) {
      words.insert(words.end(), {"--duration", std::to_string(options.campaign.duration.count()) + "ms"});
    }
    auto theirs = mutants_of_json(said_by(words));
    if (!theirs) throw std::runtime_error("s2-fuzz-bugs mutants said what is no result");
    rows = std::move(*theirs);
  }
  if (!options.no_none && !stop) {
    double sum = 0;  // of a core, as all seconds here
    for (const MutantResult& row : rows) sum += row.seconds;
    plant_bug("");
    CampaignOptions campaign = options.campaign;
    campaign.jobs = 1;
    campaign.core_time = std::max(
        kLeastForNone, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(sum)));
    campaign.duration = kPatienceForNone * (campaign.core_time + kLeastForNone);
    rows.push_back(row_of({"none", "the writer as it is"}, run_campaign(campaign, stop)));
  }
  if (options.json) {
    print_out(to_json(rows));
  } else {
    print_table(rows);
  }
  const bool right = std::all_of(rows.begin(), rows.end(),
                                 [](const MutantResult& row) { return row.found == (row.name != "none"); });
  return right ? 0 : 1;
}

// --- determinism ---

namespace {

// A strategy of its own for each seed: nothing is learnt from one to the next.
std::uint64_t hash_of(const Target& target, std::uint64_t seed) {
  constexpr unsigned kDepth = 3;
  const auto strategy = seed % 2 == 0 ? make_random() : make_pct(kDepth);
  Tape tape(*strategy);
  tape.begin(mixed(seed));
  return sim::run(target.world(tape), target.program).trace_hash;
}

void warm_up(const Target& target) {
  hash_of(target, ~std::uint64_t{0});
}

}  // namespace

int hashes_command(const FuzzOptions& options) {
  const auto target = target_named(options.campaign.target);
  warm_up(*target);
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    std::printf("%016llx\n", static_cast<unsigned long long>(hash_of(*target, options.first_seed + i)));
  }
  return 0;
}

int determinism_command(const FuzzOptions& options) {
  const unsigned jobs = options.campaign.jobs;
  std::vector<pid_t> children;
  // Each job: its part of the seeds twice here, and once in a program that it starts.
  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "a pipe");
  for (unsigned job = 0; job < jobs; ++job) {
    const std::uint64_t first = options.seeds * job / jobs, end = options.seeds * (job + 1) / jobs;
    const pid_t pid = ::fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "a process");
    if (pid > 0) {
      children.push_back(pid);
      continue;
    }
    const auto target = target_named(options.campaign.target);
    std::uint64_t differ = 0;
    bool told = true;
    try {
      const std::string elsewhere =
          said_by({own_path(), "hashes", "--target", options.campaign.target, "--first-seed",
                   std::to_string(first), "--seeds", std::to_string(end - first)});
      warm_up(*target);
      constexpr std::size_t kLine = 17;
      told = elsewhere.size() == kLine * (end - first);
      for (std::uint64_t seed = first; told && seed < end; ++seed) {
        const std::uint64_t hash = hash_of(*target, seed), again = hash_of(*target, seed);
        const std::string line = elsewhere.substr(kLine * (seed - first), kLine - 1);
        if (hash != again || line != fmt::format("{:016x}", hash)) ++differ;
      }
    } catch (const std::exception& error) {
      complain(3, error.what());
      told = false;
    }
    remove_journal_of(::getpid());
    if (told && ::write(ends[1], &differ, sizeof differ) != sizeof differ) told = false;
    ::_exit(told ? 0 : 3);
  }
  ::close(ends[1]);
  std::uint64_t differ = 0, part = 0;
  unsigned heard = 0;
  while (::read(ends[0], &part, sizeof part) == sizeof part) {
    differ += part;
    ++heard;
  }
  ::close(ends[0]);
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
  if (heard != jobs) throw std::runtime_error("a job of the comparison ended early");
  if (options.json) {
    print_out(fmt::format("{{\"seeds\":{},\"differ\":{}}}\n", options.seeds, differ));
  } else {
    print_out(fmt::format("{}  {}: {} seeds, each twice here and once in another process: {} differ\n",
                          differ == 0 ? "HELD " : "BROKEN", options.campaign.target, options.seeds, differ));
  }
  return differ == 0 ? 0 : 1;
}

}  // namespace s2::fuzz
