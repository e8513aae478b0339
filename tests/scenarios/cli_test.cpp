// The program s2-scenarios from outside: exit codes, one clear line for what is wrong, nothing left running.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "emulator/emulator.h"
#include "scenarios/checkpoint.h"

namespace s2::scenarios {
namespace {

struct Result {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class Cli : public testing::Test {
 protected:
  void SetUp() override {
    std::array<char, 64> name{"/tmp/s2-scenarios-test-XXXXXX"};
    directory_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  Result run(const std::string& arguments, const std::string& before = "") {
    const std::string command =
        before + " " SCENARIOS_PROGRAM " " + arguments + " >" + directory_ + "/out 2>" + directory_ + "/err";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(directory_ + "/out"),
            read(directory_ + "/err")};
  }
  Result run_into(const std::string& out, const std::string& arguments) {
    const int status =
        std::system((SCENARIOS_PROGRAM " " + arguments + " 2>" + directory_ + "/err " + out).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, "", read(directory_ + "/err")};
  }
  Result run_writer(const std::string& writer, const std::string& arguments) {
    return run("run " + arguments + " --out " + directory_ + "/report --writer '" + writer + "'");
  }
  const std::string tiny_ = SCENARIO_TESTS_DIR "/tiny_writer.py";
  std::string directory_;
};

void expect_one_line(const Result& result, int exit_code, const std::string& part) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
}

TEST_F(Cli, HelpAndVersionAndListAreFine) {
  EXPECT_EQ(run("--help").exit_code, 0);
  const Result help = run("run --help");
  EXPECT_EQ(help.exit_code, 0);
  for (const char* flag : {"--seed", "--runs", "--duration", "--jobs", "--shard", "--writer", "--endpoint",
                           "--realm", "--teardown", "--out", "--json", "--no-color", "S2_SCENARIOS_SEED"}) {
    EXPECT_NE(help.out.find(flag), std::string::npos) << flag;
  }
  EXPECT_NE(run("--version").out.find("s2-scenarios 0."), std::string::npos);
  EXPECT_NE(run("list").out.find("flush-then-kill"), std::string::npos);
}

TEST_F(Cli, TheColumnsOfTheListStandUnderEachOtherAndOneIsNotSeveral) {
  std::istringstream list(run("list").out);
  std::set<std::size_t> columns;
  for (std::string line; std::getline(list, line);) {
    std::smatch found;
    ASSERT_TRUE(std::regex_search(line, found, std::regex(" ([0-9]+) combination(s?) "))) << line;
    columns.insert(static_cast<std::size_t>(found.position(1) + found.length(1)));
    EXPECT_EQ(found[1] == "1", found[2] == "") << line;
  }
  EXPECT_EQ(columns.size(), 1U);
}

TEST_F(Cli, BadUsageIsOneLineAndExitCode2) {
  expect_one_line(run("run --no-such-flag"), 2, "--no-such-flag");
  expect_one_line(run("walk"), 2, "s2-scenarios:");
  expect_one_line(run("run --seed abc"), 2, "--seed");
  expect_one_line(run("run --realm vm"), 2, "not built yet");
  expect_one_line(run("run --writer-driver grpc"), 2, "stdio and http");
  expect_one_line(run("run --teardown sleep"), 2, "no class `sleep`");
  expect_one_line(run("run --shard 5/4"), 2, "--shard");
  expect_one_line(run("run --duration soon"), 2, "no duration");
  expect_one_line(run("run --writer \"'a\""), 2, "a quote is not closed");
  expect_one_line(run("run --writer ' '"), 2, "there is no command");
  expect_one_line(run("run no-such-scenario"), 2, "no scenario `no-such-scenario`");
  expect_one_line(run("run --endpoint 127.0.0.1:1 --basin some-basin kill"), 2, "is no URL");
  expect_one_line(run("run --endpoint http://host:0x --basin some-basin kill"), 2, "is no URL");
  expect_one_line(run("run --token x"), 2, "go with --endpoint");
  expect_one_line(run("run --endpoint http://127.0.0.1:1 --basin some-basin kill"), 2,
                  "--endpoint needs --token (or S2_SCENARIOS_TOKEN)");
  expect_one_line(run("replay nonsense"), 2, "no replay token");
  expect_one_line(run("check /no/such/history.jsonl"), 2, "no history");
  expect_one_line(run("run", "S2_SCENARIOS_JOBS=0"), 2, "--jobs");
}

// A script whose variable for the writer is empty must not be told that another writer holds.
TEST_F(Cli, AnEmptyWriterIsRefusedAndOursIsNotTestedInItsPlace) {
  const std::string out = " --runs 1 --out " + directory_ + "/report";
  expect_one_line(run("run stop --writer ''" + out), 2, "--writer is empty");
  expect_one_line(run("run stop" + out, "S2_SCENARIOS_WRITER="), 2, "S2_SCENARIOS_WRITER is empty");
  expect_one_line(run("replay 1:stop:0:1", "S2_SCENARIOS_WRITER="), 2, "S2_SCENARIOS_WRITER is empty");
  expect_one_line(run("curve" + out, "S2_SCENARIOS_WRITER="), 2, "S2_SCENARIOS_WRITER is empty");
  EXPECT_EQ(run("run stop --writer " + tiny_ + out, "S2_SCENARIOS_WRITER=").exit_code, 0);
}

TEST_F(Cli, CheckDecidesAHistoryWithoutATimeline) {
  const std::string path = directory_ + "/h.jsonl";
  const auto write = [&](int tail) {
    std::ofstream(path)
        << R"({"event":{"Start":{"Append":{"num_records":1,"record_hashes":[5],"set_fencing_token":null,"fencing_token":null,"match_seq_num":0}}},"client_id":1,"op_id":1})"
        << "\n"
        << R"({"event":{"Finish":{"AppendSuccess":{"tail":1}}},"client_id":1,"op_id":1})" << "\n"
        << R"({"event":{"Start":"CheckTail"},"client_id":2,"op_id":2})" << "\n"
        << R"({"event":{"Finish":{"CheckTailSuccess":{"tail":)" << tail << R"(}}},"client_id":2,"op_id":2})";
  };
  write(1);
  const Result good = run("check " + path);
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(good.out, "linearizable: 2 operations, in the order of the log\n");
  write(0);
  const Result bad = run("check " + path);
  EXPECT_EQ(bad.exit_code, 1) << bad.err;
  EXPECT_EQ(
      bad.out,
      "NOT LINEARIZABLE: check-tail op 2 (client 2, line 3) began at line 3 and saw tail 0, but append op 1 "
      "(client 1, line 1) had been acknowledged at line 2 for places 0 to 1\n");
  std::ofstream(path) << "{}\n";
  expect_one_line(run("check " + path), 2, "h.jsonl:1: `event` was expected");
}

TEST_F(Cli, AMalformedScenarioFileIsNamedWithLineAndColumn) {
  std::ofstream(directory_ + "/bad.scenario") << "name = \"x\"\npurpose = 3\n";
  expect_one_line(run("run " + directory_ + "/bad.scenario"), 2,
                  "bad.scenario:2:11: `purpose` is a text in quotes");
}

TEST_F(Cli, AWriterThatCannotWorkIsOneLineAndExitCode3) {
  expect_one_line(run_writer("no-such-writer", ""), 3, "cannot start `no-such-writer`");
  expect_one_line(run_writer("sh -c \"echo oh dear >&2; exit 7\"", ""), 3,
                  "with exit code 7 before it was ready; its last words: oh dear");
  expect_one_line(run_writer("sh -c \"echo hello; sleep 30\"", ""), 3, "printed `hello`");
  expect_one_line(run_writer("sh -c \"printf {; exit 0\"", ""), 3, "before it was ready");
  expect_one_line(run_writer("sleep 30", "--ready-timeout 200ms"), 3, "within 200ms");
}

TEST_F(Cli, AWriterThatDoesNotSpeakTheProtocolIsToldWhichLineItWas) {
  const std::string before =
      "before the first scenario, one event and the end of input: the writer accepted no event: ";
  const std::string log = directory_ + "/report/preflight.log";
  const std::string rest = "; its last words: storing nothing; its log: " + log + "\n";
  const std::string all = "run stop --runs 1 --out " + directory_ + "/report --writer " + tiny_;
  expect_one_line(
      run(all, "TINY_BUG=misspelt"), 3,
      before + R"(it said `{"publish": 1, "seq": 1}`, which is no line of docs/writers.md)" + rest);
  expect_one_line(run(all, "TINY_BUG=mute"), 3,
                  before + R"(it answered nothing, and {"published":N,"seq":SEQ} was expected)" + rest);
  EXPECT_EQ(read(log), "storing nothing\n");
}

TEST_F(Cli, ALineThatTheProtocolDoesNotKnowIsWarnedOf) {
  const Result result = run("run stop --runs 2 --no-color --out " + directory_ + "/report --writer " + tiny_,
                            "TINY_BUG=text-acks");
  EXPECT_NE(result.out.find("warning  in 2 runs, the writer said "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find(R"(: `{"acked": ")"), std::string::npos) << result.out;
  const auto json = nlohmann::json::parse(read(directory_ + "/report/results.json"));
  EXPECT_GE(json["runs"][0]["not_understood"]["lines"], 1);
  EXPECT_NE(read(directory_ + "/report/index.html").find("In 2 runs, the writer said"), std::string::npos);
}

TEST_F(Cli, AWriterThatCrashesInARunIsToldWithItsLastWordsAndItsLog) {
  const Result result =
      run("run stop --runs 2 --no-color --out " + directory_ + "/report --writer " + tiny_, "TINY_BUG=crash");
  EXPECT_EQ(result.exit_code, 1) << result.err;
  const std::string why = "the writer ended with exit code 1; its last words: ";
  const std::string words = "RuntimeError: the fifth is one too many";
  for (const std::string& part :
       {"        " + why, words + "\n        its log: " + directory_ + "/report/runs/",
        std::string("I8 crashed")})
    EXPECT_NE(result.out.find(part), std::string::npos) << result.out;
  const auto first = nlohmann::json::parse(read(directory_ + "/report/results.json"))["runs"][0];
  EXPECT_EQ(first["writer_ended"].get<std::string>().find(why), 0U);
  EXPECT_NE(read(directory_ + "/report/" + first["log"].get<std::string>()).find(words), std::string::npos);
  EXPECT_NE(read(directory_ + "/report/index.html").find(words), std::string::npos);
  // A report that is written again still says so.
  EXPECT_NE(run("report " + directory_ + "/report").out.find("its log: "), std::string::npos);
  EXPECT_NE(read(directory_ + "/report/index.html").find(words), std::string::npos);
}

TEST_F(Cli, ABasinThatCreatesNoStreamsOnAppendIsBlamedAndNotTheWriter) {
  emulator::Emulator service;
  service.create_basin("stiff-basin", R"({"create_stream_on_append":false})");
  expect_one_line(
      run_writer(tiny_, "stop --runs 1 --endpoint " + service.endpoint() + " --basin stiff-basin --token t"),
      3, "the basin `stiff-basin` does not create streams on append");
}

TEST_F(Cli, AnEndpointThatCannotServeIsExitCode3) {
  expect_one_line(run_writer(tiny_, "--endpoint http://127.0.0.1:1 --basin some-basin --token t stop"), 3,
                  "cannot read http://127.0.0.1:1/v1/streams?limit=1&prefix= of basin `some-basin`");
  emulator::Emulator service;
  expect_one_line(
      run_writer(tiny_, "--endpoint " + service.endpoint() + " --basin missing-basin --token t stop"), 3,
      "status 404");
}

TEST_F(Cli, AGoodWriterHoldsAndTheReportSaysSo) {
  const Result result = run_writer(tiny_, "stop --runs 6 --json");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["verdict"], "held");
  EXPECT_EQ(json["runs"].size(), 6U);
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/report/index.html"));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/report/junit.xml"));
}

TEST_F(Cli, ABrokenWriterIsExitCode1AndItsTokenBreaksAgain) {
  std::ofstream(directory_ + "/early.scenario")
      << "name = \"early\"\npurpose = \"p\"\n[[workload]]\nkind = \"steady\"\nrate = 1000\n"
         "[teardown]\nclass = \"kill\"\ninstants = [\"byte\"]\nbytes = 700\n";
  const Result result = run("run " + directory_ + "/early.scenario --runs 4 --json --out " + directory_ +
                                "/report --writer " + tiny_,
                            "TINY_BUG=early-ack");
  std::string token;
  const auto json = nlohmann::json::parse(result.out);
  for (const auto& each : json["runs"]) {
    if (each["verdict"] == "broken") token = each["replay"];
  }
  ASSERT_FALSE(token.empty());
  const Result again = run("replay " + token + " --writer " + tiny_, "TINY_BUG=early-ack");
  EXPECT_EQ(again.exit_code, 1) << again.err;
  const std::filesystem::path runs = directory_ + "/report/runs";
  for (const auto& entry : std::filesystem::directory_iterator(runs)) {
    EXPECT_TRUE(std::filesystem::exists(entry.path() / "writer.log"));
    const Result check = run("check " + (entry.path() / "history.jsonl").string());
    EXPECT_TRUE(check.exit_code == 0 || check.exit_code == 1) << check.err;
    EXPECT_EQ(check.out.rfind("linearizable: ", 0), 0U) << check.out;
  }
}

TEST_F(Cli, ARunsDirectoryIsReplayedWithTheWriterOfItsReportAndCheckedWithItsLine) {
  const std::string bug = "TINY_BUG=leave-child";
  ASSERT_EQ(
      run("run stop --runs 1 --slack 4s --out " + directory_ + "/report --writer " + tiny_, bug).exit_code,
      1);
  const std::string runs = directory_ + "/report/runs";
  const std::string made = std::filesystem::directory_iterator(runs)->path().string();
  const std::string with = "--writer " + tiny_ + " --slack 4s";

  const Result again = run("replay " + made, bug);
  EXPECT_EQ(again.exit_code, 1) << again.out << again.err;
  EXPECT_NE(again.err.find("the writer is `" + tiny_ + "`, as "), std::string::npos) << again.err;
  EXPECT_NE(again.out.find(" " + with + "\n"), std::string::npos) << again.out;
  EXPECT_NE(run("check " + made + "/history.jsonl").out.find(" " + with + "\n"), std::string::npos);
  // A writer of one's own is not driven as the report's was.
  EXPECT_EQ(run("replay " + made + "/timeline.json --writer 'sh -c \"exit 7\"'").exit_code, 3);

  // Where no report tells of it, it is said whose line that is.
  std::filesystem::copy(made, directory_ + "/alone");
  const Result alone = run("check " + directory_ + "/alone/history.jsonl");
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_NE(alone.err.find("the line replays s2-writer"), std::string::npos) << alone.err;
  const std::string token = nlohmann::json::parse(read(made + "/timeline.json"))["replay"];
  EXPECT_NE(run("replay " + token).err.find("the writer is s2-writer"), std::string::npos);
}

TEST_F(Cli, LinesToReproduceSayHowARunIsMadeAndNotHowManyThereWere) {
  const Result result = run("run --property --cases 2 --runs 2 --shard 1/1 --slack 4s --no-color --out " +
                                directory_ + "/report --writer " + tiny_,
                            "TINY_BUG=leave-child");
  ASSERT_EQ(result.exit_code, 1) << result.out << result.err;
  const std::regex replay("replay: .* replay 1:[^ ]+ --writer [^ ]+ --slack 4s --no-color\n");
  EXPECT_TRUE(std::regex_search(result.out, replay)) << result.out;
  const std::regex shrunk("It stands in .*: .* run [^ ]+\\.scenario --writer [^ ]+ --slack 4s --no-color\n");
  EXPECT_TRUE(std::regex_search(result.out, shrunk)) << result.out;
}

TEST_F(Cli, TheSameSeedMakesTheSameRunsWhateverTheNumberOfJobs) {
  const auto tokens = [&](const std::string& more) {
    std::vector<std::string> all;
    const auto json =
        nlohmann::json::parse(run_writer(tiny_, "stop term --runs 6 --seed 9 --json " + more).out);
    for (const auto& each : json["runs"]) all.push_back(each["replay"]);
    return all;
  };
  const auto one = tokens("--jobs 1");
  EXPECT_EQ(one.size(), 6U);
  EXPECT_EQ(one, tokens("--jobs 6"));
  EXPECT_EQ(tokens("--shard 2/3"), (std::vector<std::string>{one[1], one[4]}));
}

TEST_F(Cli, ADiskThatIsFullIsExitCode3) {
  // A limit on file sizes is met like a full disk: by the write.
  const Result result =
      run("run stop --runs 4 --out " + directory_ + "/report --writer " + tiny_, "ulimit -f 1;");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_NE(result.err.find("cannot write"), std::string::npos) << result.err;
  expect_one_line(run("run stop --out /dev/null/report"), 3, "cannot make the directory");
}

TEST_F(Cli, AResultThatStdoutDoesNotTakeIsExitCode3AndSaidSo) {
  const std::string why = "the result cannot be written to stdout: No space left on device";
  const std::string one = "run stop --runs 3 --out " + directory_ + "/report --writer " + tiny_;
  for (const std::string& arguments :
       {std::string("--help"), std::string("run --help"), std::string("list"), one, one + " --json"}) {
    const Result full = run_into(">/dev/full", arguments);
    EXPECT_EQ(full.exit_code, 3) << arguments;
    EXPECT_NE(full.err.find(why), std::string::npos) << arguments << ": " << full.err;
  }
  EXPECT_NE(run_into("| true", one).err.find("stdout: Broken pipe"), std::string::npos);
}

// Without the right to make a network of its own, which root is made to lack here.
TEST_F(Cli, AScenarioThatCannotRunHereIsSkippedWithItsReasonAndNeverCounted) {
  const std::string without = getuid() == 0 ? "setpriv --bounding-set -sys_admin --inh-caps -sys_admin" : "";
  const std::string why = "unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN (root): Operation not permitted";
  const Result some =
      run("run silence stop --runs 3 --no-color --out " + directory_ + "/report --writer " + tiny_, without);
  EXPECT_EQ(some.exit_code, 0) << some.err;
  EXPECT_NE(some.out.find("skipped: silence: " + why), std::string::npos) << some.out;
  const auto json = nlohmann::json::parse(read(directory_ + "/report/results.json"));
  EXPECT_EQ(json["skipped"],
            (nlohmann::json{{{"scenario", "silence"}, {"teardown", "cut-heal"}, {"why", why}}}));
  EXPECT_EQ(json["totals"]["runs"], 3);
  expect_one_line(run("run silence --out " + directory_ + "/report --writer " + tiny_, without), 3,
                  "skipped: silence: " + why);
}

// CRIU as a script that stops at one of its commands; PROBLEM is what it says then.
TEST_F(Cli, AForkThatCannotBeMadeHereIsSkippedInTheWordsOfCriu) {
  const std::string criu = directory_ + "/criu", with = "CRIU=" + criu;
  const auto fails_at = [&](const std::string& command, const std::string& problem) {
    std::ofstream(criu)
        << "#!/bin/sh\n[ \"$1\" != " << command << " ] && exit 0\nlog=/dev/stderr\n"
        << "while [ $# -gt 0 ]; do case $1 in --images-dir) log=$2/dump.log;; esac; shift; done\n"
        << "{ echo 'Warn  (criu/kerndat.c:1): a part is missing'; echo '" << problem
        << "'; } >$log\nexit 1\n";
    std::filesystem::permissions(criu, std::filesystem::perms::owner_all);
  };
  const std::string fork = "run fork --out " + directory_ + "/report --writer " + tiny_;
  expect_one_line(run(fork, "CRIU=/nowhere/criu"), 3,
                  "skipped: fork: cannot start `/nowhere/criu`: No such file or directory; nothing is left");
  fails_at("check", "Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds");
  const std::string why = "criu check: Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds";
  expect_one_line(run(fork, with), 3, "skipped: fork: " + why);
  fails_at("dump",
           "(00.0) Error (criu/util.c:1): rlimit: Can'\\''t setup RLIMIT_NOFILE for self: Operation not "
           "permitted\n"
           "(00.1) Error (criu/tty.c:1): tty: Found a shell job");
  expect_one_line(run(fork, with), 3,
                  "skipped: fork: criu dump: Error (criu/tty.c:1): tty: Found a shell job");

  // In the whole suite it is told and not counted: the runs are the others', as if there were no such class.
  fails_at("check", "Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds");
  const Result some = run(
      "run fork fork-in-flight stop --runs 3 --no-color --out " + directory_ + "/report --writer " + tiny_,
      with);
  EXPECT_EQ(some.exit_code, 0) << some.err;
  EXPECT_NE(some.out.find("skipped: fork: " + why), std::string::npos) << some.out;
  const auto json = nlohmann::json::parse(read(directory_ + "/report/results.json"));
  EXPECT_EQ(json["skipped"].size(), 2U);
  EXPECT_EQ(json["totals"]["runs"], 3);
}

TEST_F(Cli, AWriterThatCannotBeToldThatItWasForkedIsNotForked) {
  if (!why_no_checkpoint().empty()) GTEST_SKIP() << why_no_checkpoint();
  expect_one_line(run("run fork --out " + directory_ + "/report --writer " + tiny_), 3,
                  "skipped: fork: the writer does not answer {\"op\":\"identity\",…}");
  expect_one_line(run("run fork --writer-driver http --out " + directory_ + "/report"), 3,
                  "skipped: fork: both branches of a fork would listen on one port");
}

TEST_F(Cli, OurOwnWriterStoresEachEventOfAForkOnceInItsOwnBranchsStream) {
  if (!why_no_checkpoint().empty()) GTEST_SKIP() << why_no_checkpoint();
  if (access(PROGRAMS_DIR "/s2-writer", X_OK) != 0) GTEST_SKIP() << "s2-writer is not built";
  const Result result = run("run --teardown fork --jobs 4 --out " + directory_ + "/report");
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  const auto json = nlohmann::json::parse(read(directory_ + "/report/results.json"));
  for (const auto& each : json["runs"]) EXPECT_EQ(each["verdict"], "held") << each;
  EXPECT_EQ(json["totals"]["runs"], 12);
}

TEST_F(Cli, AKilledHarnessLeavesNoWriterBehind) {
  const std::string marker = directory_ + "/pids";
  const std::string script = directory_ + "/writer.sh";
  std::ofstream(script) << "#!/bin/sh\nsleep 300 &\necho $$ >>" << marker << "\necho $! >>" << marker
                        << "\necho '{\"ready\":true}'\nwait\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  const pid_t harness = fork();
  ASSERT_GE(harness, 0);
  if (harness == 0) {
    freopen("/dev/null", "w", stdout), freopen("/dev/null", "w", stderr);
    execl(SCENARIOS_PROGRAM, SCENARIOS_PROGRAM, "run", "--out", (directory_ + "/report").c_str(), "--writer",
          script.c_str(), nullptr);
    _exit(127);
  }
  // At once: the harness itself may not have been told yet that its writer runs.
  std::vector<int> pids;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (pids.size() < 2 && std::chrono::steady_clock::now() < deadline) {
    std::ifstream file(marker);
    pids.assign(std::istream_iterator<int>(file), std::istream_iterator<int>());
  }
  kill(harness, SIGKILL);
  waitpid(harness, nullptr, 0);
  ASSERT_GE(pids.size(), 2U);
  const auto alive = [](int pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    return std::getline(stat, line) && line.find(") Z") == std::string::npos;
  };
  for (const int pid : pids) {
    for (int i = 0; i < 1000 && alive(pid); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(alive(pid)) << pid;
  }
}

TEST_F(Cli, OurOwnWriterHoldsInEveryClass) {
  if (access(PROGRAMS_DIR "/s2-writer", X_OK) != 0) GTEST_SKIP() << "s2-writer is not built";
  const Result result = run("run --runs 60 --jobs 4 --out " + directory_ + "/report");
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

}  // namespace
}  // namespace s2::scenarios
