// The report: its numbers, its files, and that hostile text stays text wherever it is shown.
#include "scenarios/report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "scenarios/escape.h"
#include "scenarios/judge.h"
#include "scenarios/report_data.h"
#include "tests/scenarios/demo_suite.h"
#include "tests/scenarios/honest_run.h"

namespace s2::scenarios {
namespace {

using nlohmann::json;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// No control characters but newline, and valid UTF-8.
void expect_calm(const std::string& text, bool escapes_allowed = false) {
  EXPECT_EQ(utf8(text), text);
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 && c != '\n' && !(escapes_allowed && c == '\x1b')) FAIL() << "control character " << int{u};
  }
  for (const char* hidden : {"\xC2\x9B", "\xE2\x80\xA8", "\xE2\x80\xAE"}) EXPECT_FALSE(has(text, hidden));
}

struct Directory {
  Directory() {
    char name[] = "/tmp/s2_report_XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Report, ResultsHoldEveryKeyOfTheContract) {
  const Suite suite = demo_suite(40, 3);
  const json j = json::parse(results_json(suite));
  EXPECT_EQ(j["version"], 1);
  EXPECT_EQ(j["verdict"], "broken");
  EXPECT_EQ(j["seed"], 42);
  ASSERT_EQ(j["runs"].size(), 43U);
  for (const json& run : j["runs"]) {
    for (const char* key :
         {"scenario", "realm", "teardown", "seed", "verdict", "published", "stored", "acked", "lost",
          "lost_reported", "duplicated", "reordered", "violations", "replay", "kill", "shutdown_ms"}) {
      EXPECT_TRUE(run.contains(key)) << key;
    }
    EXPECT_EQ(run["verdict"] == "broken", !run["violations"].empty());
    for (const json& v : run["violations"]) {
      EXPECT_TRUE(invariant_named(v["invariant"].get<std::string>()));
      EXPECT_TRUE(violation_kind_named(v["kind"].get<std::string>()));
      EXPECT_FALSE(v["detail"].get<std::string>().empty());
    }
  }
  EXPECT_EQ(j["totals"]["runs"], 43);
  EXPECT_EQ(j["totals"]["broken"], 3);
}

TEST(Report, OutcomeFollowsTheRules) {
  Suite held(SuiteOptions{});
  EXPECT_EQ(outcome_of(held).exit_code, 3);  // no run proves nothing
  Plan plan;
  plan.events.assign(20, 0);
  Ledger l = honest_run(plan);
  held.add(l, judge(l));
  EXPECT_EQ(outcome_of(held).exit_code, 0);

  Suite missing = held;
  missing.options().requested = {Teardown::stop, Teardown::term};
  EXPECT_EQ(outcome_of(missing).exit_code, 3);
  EXPECT_TRUE(has(outcome_of(missing).why, "term"));

  Suite invalid = held;
  l.invalid = "the fault did not fire";
  EXPECT_FALSE(invalid.add(l, judge(l)));
  EXPECT_EQ(outcome_of(invalid).exit_code, 3);

  Suite idle = held;  // a kill that finds everything acked proves little
  plan.teardown = Teardown::kill;
  plan.death_after = 1000;
  l = honest_run(plan);
  idle.add(l, judge(l));
  EXPECT_EQ(outcome_of(idle).exit_code, 3);

  Suite broken = idle;
  plan.teardown = Teardown::stop;
  l = honest_run(plan);
  l.stored.clear();
  EXPECT_TRUE(broken.add(l, judge(l)));
  EXPECT_EQ(outcome_of(broken).exit_code, 1);
}

TEST(Report, WhereOnlyTheJournalLacksAnEventTheVerdictSaysSo) {
  Plan plan;
  plan.events.assign(20, 0);
  Ledger l = honest_run(plan);
  l.journalled = true;
  for (const Publication& p : l.publications) l.journal.push_back(p.n);
  l.journal.erase(l.journal.begin() + 6);
  Suite suite(SuiteOptions{});
  ASSERT_TRUE(suite.add(l, judge(l)));
  EXPECT_TRUE(has(verdict_text(suite, false), "1 event is missing from the journal"));
  EXPECT_FALSE(has(verdict_text(suite, false), "no promised event was lost"));
  EXPECT_FALSE(has(verdict_text(suite, false), "gone"));

  l.stored.clear();
  Suite gone(SuiteOptions{});
  ASSERT_TRUE(gone.add(l, judge(l)));
  EXPECT_TRUE(has(verdict_text(gone, false), "20 events that may not be lost are gone"));

  l = honest_run(plan);
  l.processes.front().leaked_pids = {4711};
  Suite another(SuiteOptions{});
  ASSERT_TRUE(another.add(l, judge(l)));
  EXPECT_TRUE(has(verdict_text(another, false), "no promised event was lost, but another promise broke"));
}

TEST(Report, KeepsEveryFailingRunUpToItsLimitAndASampleOfTheOthers) {
  const Suite suite = demo_suite(200, kMaxFailingTimelines + 5);
  std::size_t failing = 0;
  std::size_t good = 0;
  for (const Ledger& l : suite.drawn()) {
    const bool broken = suite.result_of(l.run)->verdict.outcome == Verdict::Outcome::broken;
    ++(broken ? failing : good);
  }
  EXPECT_EQ(failing, kMaxFailingTimelines);
  EXPECT_EQ(good, kTeardowns.size() * kGoodTimelinesPerClass);
}

TEST(Report, TerminalTableHasARowForEachClassAndItsFaults) {
  const Suite suite = demo_suite(60, 2);
  const std::string table = terminal_table(suite, false);
  for (const Teardown t : kTeardowns) EXPECT_TRUE(has(table, std::string(name(t)))) << name(t);
  EXPECT_FALSE(has(table, "\x1b"));
  EXPECT_TRUE(has(terminal_table(suite, true), "\x1b[1;31m2 broken"));
  const std::string words = verdict_text(suite, false);
  EXPECT_EQ(count(words, "replay: build/bin/s2-scenarios replay "), 2U);
  EXPECT_TRUE(has(words, "BROKEN  A promise was broken in 2 of 62 runs"));
}

TEST(Report, InvalidRunsAreToldWithTheirReasonsThoughAPromiseBroke) {
  Suite suite = demo_suite(200, 1);
  std::mt19937_64 random(5);
  for (const char* why : {"the fault `hang` did not fire", "it is <late>", "the fault `hang` did not fire"}) {
    Ledger l = honest_run(drawn_plan(random, Teardown::stop, 10));
    l.scenario = "unlucky";
    l.invalid = why;
    l.processes[0].exit_code = 1;
    l.processes[0].last_words = "; its last words: too late";
    suite.add(l, judge(l));
  }
  const std::string words = verdict_text(suite, false);
  EXPECT_TRUE(has(words, "BROKEN")) << words;
  EXPECT_TRUE(has(words, "invalid  2 runs, which prove nothing: the fault `hang` did not fire\n")) << words;
  EXPECT_TRUE(has(words, "invalid  1 run, which proves nothing: it is <late>\n")) << words;
  EXPECT_TRUE(has(words, "        the writer ended with exit code 1; its last words: too late\n")) << words;
  const std::string page = index_html(suite);
  EXPECT_TRUE(has(page, "runs, 3 of them invalid"));
  EXPECT_TRUE(has(page, "2 runs: the fault `hang` did not fire"));
  EXPECT_TRUE(has(page, "1 run: it is &lt;late&gt;"));
}

TEST(Report, ManyFailuresAreSummedUpByPromiseFirst) {
  EXPECT_FALSE(has(verdict_text(demo_suite(20, 1), false), "broken promises"));
  const Suite suite = demo_suite(20, 6);
  const std::string words = verdict_text(suite, false);
  EXPECT_EQ(words.find("broken promises: "), 0U) << words;
  EXPECT_TRUE(has(words.substr(0, words.find('\n')), "I8 crashed in 2 runs")) << words;

  Verdict verdict;
  verdict.outcome = Verdict::Outcome::broken;
  verdict.violations.assign(5, {Invariant::I4, ViolationKind::lost, "gone", 1, {1}});
  Suite five((SuiteOptions()));
  five.add(Ledger{}, verdict);
  EXPECT_TRUE(has(verdict_text(five, false), "and 1 more violation\n"));
}

TEST(Report, TheColumnsAreDefinedAndTheirNumbersAddUp) {
  Plan plan;
  plan.events.assign(20, 0);
  Ledger l = honest_run(plan);
  l.publications[3].storage_on = false;
  for (StoredStream& stream : l.stored) {
    for (StoredRecord& record : stream.records) std::erase(record.probes, l.publications[3].n);
  }
  const Verdict verdict = judge(l);
  EXPECT_EQ(verdict.published_off, 1U);
  EXPECT_EQ(verdict.published, verdict.published_off + verdict.stored + verdict.lost);
  EXPECT_LE(verdict.acked, verdict.stored);
  Suite suite((SuiteOptions()));
  suite.add(l, verdict);
  const std::string table = terminal_table(suite, false);
  EXPECT_TRUE(has(table, "events that the writer accepted, 1 of them while storing was switched off"))
      << table;
  for (const char* column : {"stored", "acked", "lost", "dup", "shutdown"})
    EXPECT_TRUE(has(table, fmt::format("\n  {:<9}  ", column))) << column;
  EXPECT_TRUE(has(index_html(suite), "What the columns count"));
  const auto again = results_from_json(results_json(suite));
  EXPECT_EQ(again->runs().front().verdict.published_off, 1U);
}

TEST(Report, RunsOfSeveralFaultsShareACellAtTheEndOfTheRow) {
  Suite suite((SuiteOptions()));
  std::mt19937_64 random(3);
  for (const char* fault : {"500+delay", "none", "429+lost-ack", "lost-ack"}) {
    Ledger l = honest_run(drawn_plan(random, Teardown::stop, 10));
    l.fault = fault;
    suite.add(l, judge(l));
  }
  std::vector<std::string> faults;
  for (const Cell& cell : cells_of(suite)) faults.push_back(cell.fault);
  EXPECT_EQ(faults, (std::vector<std::string>{"none", "lost-ack", kSeveralFaults}));
  EXPECT_EQ(cells_of(suite).back().runs.size(), 2U);
}

TEST(Report, WhatWasSkippedIsSaidWithItsReasonInEveryFormAndComesBackFromDisk) {
  Suite suite = demo_suite(12, 0);
  suite.options().skipped = {{"silence", Teardown::cut_heal, "no <right> to it"}};
  EXPECT_NE(terminal_table(suite, false).find("skipped: silence: no <right> to it\n"), std::string::npos);
  EXPECT_NE(step_summary(suite).find("skipped: silence: no "), std::string::npos);
  EXPECT_NE(index_html(suite).find("Skipped: silence: no &lt;right&gt; to it"), std::string::npos);
  EXPECT_NE(junit_xml(suite).find("<skipped message=\"no &lt;right&gt; to it\"/>"), std::string::npos);
  const auto again = results_from_json(results_json(suite));
  ASSERT_TRUE(again) << again.error();
  ASSERT_EQ(again->options().skipped.size(), 1U);
  EXPECT_EQ(again->options().skipped[0].why, "no <right> to it");
  EXPECT_EQ(again->options().skipped[0].teardown, Teardown::cut_heal);
}

TEST(Report, KillInstantsAreCountedWhereTheyWereMetAndTheOthersHaveTheirReason) {
  EXPECT_EQ(terminal_table(demo_suite(12, 0), false).find("kill instants"), std::string::npos);
  Suite suite((SuiteOptions()));
  const auto add = [&](int number, bool fired, const std::string& invalid) {
    Ledger l;
    l.scenario = "browser-delete";
    l.teardown = Teardown::browser_delete;
    l.kill = {"byte 7", true, fired, 5, number};
    l.invalid = invalid;
    suite.add(l, judge(l));
  };
  add(7, true, "");
  add(7, true, "");
  add(7, false, "");
  add(9, true, "it did not meet it");
  const auto again = results_from_json(results_json(suite));
  ASSERT_TRUE(again) << again.error();
  for (const Suite* each : std::array<const Suite*, 2>{&suite, &*again}) {
    const std::string table = terminal_table(*each, false);
    EXPECT_NE(table.find("   7  partly sent                                2 runs: "), std::string::npos)
        << table;
    EXPECT_NE(table.find("   9  durable, ack in flight                     no run\n"), std::string::npos)
        << table;
    EXPECT_NE(table.find("   3  in the ring                                not reachable in realm process: "),
              std::string::npos);
    EXPECT_NE(
        index_html(*each).find("<td class=\"r\">9</td><td>durable, ack in flight</td><td class=\"r\">0</td>"),
        std::string::npos);
  }
  const auto rows = nlohmann::json::parse(results_json(suite))["kill_instants"];
  ASSERT_EQ(rows.size(), 21U);
  EXPECT_EQ(rows[6]["runs"], 2);
  EXPECT_FALSE(rows[2].contains("runs"));
  EXPECT_FALSE(rows[2]["not_reachable"].get<std::string>().empty());
}

TEST(Report, PageStaysSmallWithThreeHundredRuns) {
  EXPECT_LT(index_html(demo_suite(300, 60)).size(), 5'000'000U);
}

TEST(Report, ComesBackFromDiskWithTheSameVerdicts) {
  const Directory dir;
  Suite suite = demo_suite(30, 3);
  add_hostile_run(suite);
  const auto written = write_report(suite, dir.path);
  ASSERT_TRUE(written) << written.error();
  const auto again = read_report(dir.path);
  ASSERT_TRUE(again) << again.error();
  const Directory second;
  ASSERT_TRUE(write_report(*again, second.path));
  EXPECT_EQ(slurp(second.path + "/results.json"), slurp(dir.path + "/results.json"));
  EXPECT_EQ(slurp(second.path + "/index.html"), slurp(dir.path + "/index.html"));
}

TEST(Report, SaysInOneLineWhatCannotBeWrittenOrRead) {
  const Suite suite = demo_suite(1, 0);
  const auto full = write_report(suite, "/proc/nowhere");
  ASSERT_FALSE(full);
  EXPECT_TRUE(has(full.error(), "/proc/nowhere"));
  EXPECT_EQ(count(full.error(), "\n"), 0U);
  const Directory dir;
  EXPECT_TRUE(has(read_report(dir.path).error(), "results.json"));
  std::ofstream(dir.path + "/results.json") << R"({"runs":[{"scenario":3}]})";
  EXPECT_TRUE(has(read_report(dir.path).error(), "cannot be read"));
}

class HostileReport : public ::testing::Test {
 protected:
  HostileReport() : suite(demo_suite(20, 1)) {
    add_hostile_run(suite);
    suite.options().writer = hostile_text();
    suite.options().replay_flags = hostile_text();
  }
  Suite suite;
};

TEST_F(HostileReport, IsOnlyTextInThePage) {
  const std::string page = index_html(suite);
  expect_calm(page);
  for (const char* tag :
       {"<script", "<img", "<svg onload", "<iframe", "<link", "javascript:alert(1)\"", "<style>*"}) {
    EXPECT_FALSE(has(page, tag)) << tag;
  }
  EXPECT_EQ(count(page, "<style>"), 1U);
  EXPECT_EQ(count(page, "<!--"), 1U);  // the frame's own
  EXPECT_TRUE(has(page, "&lt;img src=x onerror=&quot;"));
  EXPECT_TRUE(has(page, "default-src 'none'"));
  EXPECT_FALSE(has(page, "http://"));
  EXPECT_FALSE(has(page, "https://"));
}

TEST_F(HostileReport, IsOnlyTextInJunit) {
  const std::string xml = junit_xml(suite);
  expect_calm(xml);
  EXPECT_FALSE(has(xml, "<img"));
  EXPECT_FALSE(has(xml, "\xEF\xBF\xBE"));  // U+FFFE is no XML character
  EXPECT_TRUE(has(xml, "&lt;/script&gt;"));
  EXPECT_EQ(count(xml, "<testcase"), suite.runs().size());
}

TEST_F(HostileReport, IsOnlyTextInMarkdown) {
  const std::string md = step_summary(suite);
  expect_calm(md);
  EXPECT_FALSE(has(md, "<img"));
  EXPECT_FALSE(has(md, "](javascript"));
  EXPECT_FALSE(has(md, "**bold**"));
  const std::size_t at = md.find("| term |");
  ASSERT_NE(at, std::string::npos);
  const std::string row = md.substr(at, md.find('\n', at) - at);
  EXPECT_EQ(count(row, "|") - count(row, "\\|"), 11U) << row;  // ten cells, whatever the text holds
}

TEST_F(HostileReport, IsOnlyTextOnTheTerminal) {
  expect_calm(terminal_table(suite, false));
  expect_calm(verdict_text(suite, false));
  const std::string coloured = terminal_table(suite, true) + verdict_text(suite, true);
  expect_calm(coloured, true);
  EXPECT_FALSE(has(coloured, "\x1b[2J"));
  EXPECT_FALSE(has(coloured, "\x1b]"));
  EXPECT_TRUE(has(coloured, "\\x1b[2J"));
}

TEST(Escape, LeavesPlainTextAloneAndKeepsForeignLetters) {
  const std::string text = "n 17, Grüße, 日本, 😀";
  EXPECT_EQ(visible(text), text);
  EXPECT_EQ(for_html(text), text);
  EXPECT_EQ(for_xml(text), text);
}

TEST(Escape, EveryWrongByteBecomesOneReplacement) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(utf8("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(utf8("\xE2\x82"), r + r);                  // cut short
  EXPECT_EQ(utf8("\xED\xA0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(utf8("\xF4\x90\x80\x80"), r + r + r + r);  // beyond U+10FFFF
  EXPECT_EQ(utf8("\xEF\xBF\xBD"), r);                  // the real one stays one
}

TEST_F(HostileReport, IsValidJsonWithTheTextKept) {
  const json j = json::parse(results_json(suite));
  EXPECT_EQ(j["writer"].get<std::string>(), utf8(hostile_text()));
}

// Where S2_HOSTILE_REPORT_DIR is set, leaves the report there: report_in_chromium.sh opens it.
TEST_F(HostileReport, IsWrittenToDisk) {
  const Directory own;
  const char* wanted = std::getenv("S2_HOSTILE_REPORT_DIR");
  const std::string dir = wanted != nullptr ? wanted : own.path;
  const std::string summary = dir + "/summary.md";
  ASSERT_EQ(::setenv("GITHUB_STEP_SUMMARY", summary.c_str(), 1), 0);
  std::filesystem::create_directories(dir);
  const auto written = write_report(suite, dir);
  ::unsetenv("GITHUB_STEP_SUMMARY");
  ASSERT_TRUE(written) << written.error();
  for (const char* file : {"index.html", "junit.xml", "results.json", "summary.md"}) {
    EXPECT_FALSE(slurp(dir + "/" + file).empty()) << file;
  }
  EXPECT_FALSE(slurp(dir + "/runs/00000000deadbeef/timeline.json").empty());
}

}  // namespace
}  // namespace s2::scenarios
