// The report of a suite: what the terminal, results.json, junit.xml, index.html and the step summary say.
//
// One thread owns a Suite and adds runs as they end. Whole ledgers are kept only for failing runs and for a
// sample of the good ones (limits below); of the others only the line in the table stays. Everything else is
// a pure function from Suite to text. Event data is hostile: it leaves this file only through escape.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "scenarios/judge.h"
#include "scenarios/ledger.h"

namespace s2::scenarios {

inline constexpr std::size_t kMaxFailingTimelines =
    40;  // whole ledgers of failing runs kept in memory and drawn
inline constexpr std::size_t kGoodTimelinesPerClass = 1;
inline constexpr double kMaxInvalidShare = 0.01;  // above it the harness did not do its work
inline constexpr double kMinTellingKills = 0.5;  // share of kills that found something accepted and not acked

// One run as the table and results.json show it. Kill times count from the start of the run.
struct RunResult {
  std::string scenario, realm, fault, workload, run, replay;
  Teardown teardown = Teardown::stop;
  std::uint64_t seed = 0;
  KillFacts kill;
  Verdict verdict;
  std::string ended;    // "the writer ended with exit code 1; its last words: …"; empty: as it should
  std::string garbage;  // the first line that the writer said and the protocol does not know …
  std::uint64_t garbage_lines = 0;  // … and how many there were
  std::string log;                  // the writer's, below the report's directory; empty: not kept
};

// A scenario of which no run could be made here, and why.
struct Skipped {
  std::string scenario;
  Teardown teardown = Teardown::stop;
  std::string why;
};

struct SuiteOptions {
  std::uint64_t seed = 0;
  std::string directory;                                         // of the report, as shown; empty: none
  std::string writer;                                            // its command, as shown; no secrets
  std::string replay_command = "build/bin/s2-scenarios replay";  // stands before a token …
  std::string replay_flags;         // … and these behind it (of `run`: how a run is made, secrets aside)
  std::vector<Teardown> requested;  // classes that must have at least one valid run
  std::vector<Skipped> skipped;
  double seconds = 0;  // wall time of the suite, set before the report is written
};

// What the writer did in that run beside its promises: `ended`, `garbage`.
void note_conduct(RunResult& result, const Ledger& ledger);
std::string garbage_text(const RunResult& result);  // one sentence; where there was any

class Suite {
 public:
  explicit Suite(SuiteOptions options) : options_(std::move(options)) {}

  // True: this run is drawn in the report and its files (history.jsonl, writer.log) belong under runs/<run>/;
  // timeline.json is written there by write_report.
  bool add(const Ledger& ledger, const Verdict& verdict);

  // A run of an earlier report: its line, and its ledger where there is one.
  void restore(RunResult result, std::optional<Ledger> ledger);

  SuiteOptions& options() { return options_; }
  const SuiteOptions& options() const { return options_; }
  const std::vector<RunResult>& runs() const { return runs_; }
  const std::vector<Ledger>& drawn() const { return drawn_; }  // their verdicts: result_of(Ledger::run)
  const RunResult* result_of(const std::string& run) const;
  std::string path_of_log(const RunResult& result) const;  // empty: not kept
  std::string replay_line(const RunResult& result) const;  // one line for a shell

 private:
  bool keep(const Ledger& ledger, const Verdict& verdict);

  SuiteOptions options_;
  std::vector<RunResult> runs_;
  std::vector<Ledger> drawn_;
  std::map<Teardown, std::size_t> good_drawn_;
  std::size_t failing_drawn_ = 0;
};

struct Totals {
  std::uint64_t runs = 0, held = 0, broken = 0, invalid = 0;
  std::uint64_t published = 0, published_off = 0, stored = 0, acked = 0, lost = 0, lost_reported = 0,
                duplicated = 0, reordered = 0;
  std::uint64_t kill_runs = 0;          // valid runs of class kill
  std::uint64_t kill_runs_telling = 0;  // of those: died with something accepted and not yet acked
  std::int64_t shutdown_p50_ms = -1, shutdown_p99_ms = -1, shutdown_max_ms = -1;
};
Totals totals_of(const Suite& suite);
Totals totals_of(const std::vector<const RunResult*>& runs);

// Where runs with more than one fault stand together: their combinations would be a table of their own.
inline constexpr const char* kSeveralFaults = "several";

// One place in the matrix, by class and then by fault (fault_before); only those that have runs.
struct Cell {
  Teardown teardown = Teardown::stop;
  std::string fault;  // or kSeveralFaults
  std::vector<const RunResult*> runs;
};
std::vector<Cell> cells_of(const Suite& suite);
bool fault_before(const std::string& a, const std::string& b);  // "none" first, kSeveralFaults last

// 0 every promise held, 1 one was broken, 3 the harness could not do its work; `why` is one line, empty for
// 0.
struct SuiteOutcome {
  int exit_code = 0;
  std::string why;
};
SuiteOutcome outcome_of(const Suite& suite);

// Of each of the 21 kill instants (kill_instants.h), the valid runs of class browser-delete that were killed
// there; nothing: no such run was made.
std::optional<std::array<std::size_t, 21>> kills_by_instant(const Suite& suite);

// In how many runs the writer was not understood, and the first of them.
std::pair<std::size_t, const RunResult*> first_garbage(const Suite& suite);

// The runs that prove nothing, by the reason; the most frequent first.
struct InvalidRuns {
  std::string why;
  std::size_t runs = 0;
  const RunResult* first = nullptr;
};
std::vector<InvalidRuns> invalid_runs(const Suite& suite);

std::string verdict_sentence(const Suite& suite);  // plain text, one sentence
std::string grouped(std::uint64_t value);          // 12,345
// What each column of the tables counts, a line each: its name and the words.
std::vector<std::pair<std::string, std::string>> columns_of(const Totals& totals);

// The verdict in one sentence of plain words, then for each failing run its violations and replay line.
std::string verdict_text(const Suite& suite, bool colour);
std::string terminal_table(const Suite& suite, bool colour);  // teardown × faults
std::string results_json(const Suite& suite);
std::string junit_xml(const Suite& suite);
std::string step_summary(const Suite& suite);  // Markdown
std::string index_html(const Suite& suite);

// Writes index.html, junit.xml, results.json and runs/<run>/timeline.json under `dir` (made if missing), and
// appends the step summary to the file that GITHUB_STEP_SUMMARY names. Error: one line that says what could
// not be written and why.
tl::expected<void, std::string> write_report(const Suite& suite, const std::string& dir);

// Reads such a directory back: each result from results.json, judged anew where timeline.json stands.
tl::expected<Suite, std::string> read_report(const std::string& dir);

}  // namespace s2::scenarios
