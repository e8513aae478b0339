// The program s2-teardown from outside: what the command that destroys prints, and what becomes of the
// record.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "scenarios/last_words.h"
#include "scenarios/scratch_directory.h"

namespace s2::scenarios {
namespace {

// Nobody is at its addresses, so that all there is to do is to destroy.
class TeardownProgram : public testing::Test {
 protected:
  struct Ended {
    int exit_code = -1;
    std::string out, err;
    nlohmann::json record() const { return nlohmann::json::parse(out, nullptr, false); }
  };
  Ended destroy(const std::string& command, const std::string& more = "") {
    const std::string out = directory_.path() + "/out", err = directory_.path() + "/err";
    const int status = std::system(
        (PROGRAMS_DIR
         "/s2-teardown --telemetry http://127.0.0.1:1 --endpoint http://127.0.0.1:1 --basin some-basin "
         "--token secret-token --deadline 100ms --destroy \"" +
         command + "\" >" + out + " 2>" + err + " " + more)
            .c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(err)};
  }
  static std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  bool there(const std::string& name) const {
    return std::filesystem::exists(directory_.path() + "/" + name);
  }
  ScratchDirectory directory_ = std::move(*ScratchDirectory::make(Scratch::journal));
};

TEST_F(TeardownProgram, WhatTheDestroyPrintsGoesToStderrAndDoesNotEndIt) {
  const std::string gone = directory_.path() + "/gone";
  const Ended ended = destroy("sh -c 'seq 100000; echo deleting >&2; touch " + gone + "; echo deleted'");
  EXPECT_TRUE(ended.record()["destroyed"].get<bool>()) << ended.out;
  EXPECT_TRUE(there("gone"));
  EXPECT_NE(ended.err.find("100000\n"), std::string::npos);
  EXPECT_NE(ended.err.find("deleting\n"), std::string::npos) << ended.err.substr(0, 200);
  EXPECT_NE(ended.err.find("deleted\n"), std::string::npos);  // two pipes: which comes first is not known
}

TEST_F(TeardownProgram, TheLastWordsOfADestroyThatFailsAreInTheReasonAndNoTokenIs) {
  const Ended ended = destroy("sh -c 'echo deleting; echo no such VM, says secret-token >&2; exit 4'");
  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_FALSE(ended.record()["destroyed"].get<bool>());
  const std::string reason = ended.record()["reason"];
  EXPECT_NE(reason.find("--destroy ended with exit code 4; its last words: "), std::string::npos) << reason;
  EXPECT_NE(reason.find("no such VM, says [token]"), std::string::npos) << reason;
}

TEST_F(TeardownProgram, ADestroyThatHangsIsKilledAndItsLastWordsAreTold) {
  const Ended ended = destroy("sh -c 'echo waiting for the VM; sleep 100 & wait'", "--destroy-within 300ms");
  EXPECT_EQ(ended.exit_code, 3);
  const std::string reason = ended.record()["reason"];
  EXPECT_NE(reason.find("within 300 ms, and was killed; its last words: waiting for the VM"),
            std::string::npos)
      << reason;
}

TEST_F(TeardownProgram, ARecordThatStdoutDoesNotTakeStandsOnStderr) {
  const Ended ended = destroy("true", ">/dev/full");
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.err.find("cannot be written to stdout: No space left on device; it is {"),
            std::string::npos);
  EXPECT_NE(ended.err.find("\"destroyed\":true"), std::string::npos) << ended.err;
}

TEST(LastWords, AreTheLastLinesThatHoldSomethingInOne) {
  EXPECT_EQ(last_words(""), "");
  EXPECT_EQ(last_words("\n \r\n"), "");
  EXPECT_EQ(last_words("oh dear\n"), "; its last words: oh dear");
  EXPECT_EQ(last_words("a\n  b\n\nc\r\nd"), "; its last words: b / c / d");
  const std::string cut = last_words("first\n" + std::string(10'000, 'x'));
  EXPECT_EQ(cut.find("first"), std::string::npos);
  EXPECT_LT(cut.size(), kMaxLastWords + 40);
}

}  // namespace
}  // namespace s2::scenarios
