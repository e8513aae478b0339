// The journal: whole lines in files by category, a disk that fails, and the lines of an earlier life. System
// rule "Files".
#include "writer/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/writer/rig.h"
#include "writer/live_stream.h"

namespace s2::writer {
namespace {

using namespace test;

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    directory =
        testing::TempDir() + "/journal_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::vector<std::string> lines(const std::string& category) const {
    std::ifstream file(directory + "/" + category + ".jsonl");
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  std::string directory;
};

TEST_F(JournalTest, EachEventIsALineInTheFileOfItsCategory) {
  Rig rig({.journal_dir = directory});
  rig.start("a");
  rig.publish(3);
  ASSERT_TRUE(rig.writer->publish("", event("network_request", R"({"line":"a\nb"})")));
  rig.shutdown();
  EXPECT_EQ(lines("console").size(), 3u);
  ASSERT_EQ(lines("network").size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(lines("network")[0])["seq"], 4);
  EXPECT_EQ(lines("system").size(), 1u);  // the end marker: files close after the last publisher
}

// Through a pipe of one page with room for the line, and not for its newline: a write of both is refused
// whole.
TEST_F(JournalTest, ALineAndItsNewlineAreOneWrite) {
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/console.jsonl";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int pipe = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(pipe, 0);
  ASSERT_EQ(::fcntl(pipe, F_SETPIPE_SZ, 4096), 4096);
  std::string there(8192, ' ');
  const auto read_all = [&] { return ::read(pipe, there.data(), there.size()); };
  Rig rig({.journal_dir = directory, .journal_wait = true});
  rig.start("a");
  rig.publish(1);
  ASSERT_GT(read_all(), 0);
  rig.publish(1);  // of this length are all up to number 9
  const ssize_t line = read_all();
  ASSERT_GT(line, 0);
  ASSERT_EQ(there[static_cast<std::size_t>(line) - 1], '\n');
  const std::string filler(4096 - static_cast<std::size_t>(line) + 1, ' ');
  ASSERT_EQ(::write(pipe, filler.data(), filler.size()), static_cast<ssize_t>(filler.size()));
  rig.publish(1);
  EXPECT_EQ(read_all(), static_cast<ssize_t>(filler.size()));
  rig.publish(1);
  EXPECT_EQ(read_all(), line);
  rig.shutdown();
  ::close(pipe);
}

TEST_F(JournalTest, AnEventThatIsTruncatedIsTheSameHereInTheStreamAndForAViewer) {
  using nlohmann::json;
  Rig rig({.journal_dir = directory});
  rig.start("a");
  LiveStream live(*rig.writer);
  const auto viewer = live.join(0, true);
  ASSERT_TRUE(rig.writer->publish("a", event("console_log", '"' + std::string(1'000'000, 'x') + '"')));
  std::string seen;
  viewer->serve([&](std::string_view bytes) { return seen += bytes, true; }, [] { return true; });
  rig.shutdown();
  const json stored = json::parse(rig.s2->stored().at(0).body);
  EXPECT_EQ(stored["event"]["truncated"], true);
  EXPECT_TRUE(stored["event"]["data"].is_null());
  EXPECT_EQ(json::parse(lines("console").at(0)), stored);
  EXPECT_EQ(json::parse(seen.substr(seen.find("data: ") + 6)), stored);
}

TEST_F(JournalTest, HasEverythingAlsoWhenStorageHangs) {
  Rig rig({.journal_dir = directory});
  rig.s2->hang();
  rig.start("a");
  rig.publish(100);
  rig.shutdown(std::chrono::milliseconds(200));
  EXPECT_EQ(lines("console").size(), 100u);
}

TEST_F(JournalTest, AFifoThatNobodyReadsDoesNotHoldUpTheExit) {
  std::filesystem::create_directories(directory);
  ASSERT_EQ(mkfifo((directory + "/console.jsonl").c_str(), 0600), 0);
  Rig rig({.journal_dir = directory});
  rig.start("a");
  for (int i = 0; i < 8; ++i)
    ASSERT_TRUE(rig.writer->publish("", event("console_log", '"' + std::string(60'000, 'x') + '"')));
  rig.shutdown();
  rig.writer.reset();  // comes back
  EXPECT_NE(rig.log().find("console.jsonl cannot be written"), std::string::npos);
}

TEST_F(JournalTest, ATornLineOfAnEarlierLifeSpoilsNoOther) {
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/console.jsonl") << "{\"whole\":1}\n{\"torn\":";
  Rig rig({.journal_dir = directory});
  rig.start("a");
  rig.publish(1);
  rig.shutdown();
  auto all = lines("console");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1], "{\"torn\":");
  EXPECT_TRUE(nlohmann::json::accept(all[2]));
}

TEST_F(JournalTest, AFullDiskCostsOneErrorLineAndNothingElse) {
  std::filesystem::create_directories(directory);
  std::filesystem::create_symlink("/dev/full", directory + "/console.jsonl");
  Rig rig({.journal_dir = directory});
  rig.start("a");
  rig.publish(20);
  ASSERT_TRUE(rig.writer->publish("", event("page_load")));
  EXPECT_TRUE(rig.writer->flush(in(kLong)).flushed);
  EXPECT_EQ(rig.shutdown().unsaved, 0u);
  EXPECT_EQ(rig.s2->stored().size(), 22u);
  EXPECT_EQ(lines("page").size(), 1u);
  std::string log = rig.log();
  std::size_t first = log.find("console.jsonl cannot be written");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("console.jsonl cannot be written", first + 1), std::string::npos) << log;
}

TEST_F(JournalTest, SaysWhenAFileCanBeWrittenAgain) {
  std::filesystem::create_directories(directory + "/console.jsonl");  // a directory in its place
  Rig rig({.journal_dir = directory});
  rig.start("a");
  rig.publish(2);
  while (rig.log().find("cannot be written") == std::string::npos) std::this_thread::yield();
  rig.writer->flush(in(kLong));
  std::filesystem::remove(directory + "/console.jsonl");
  rig.publish(1);
  rig.shutdown();
  EXPECT_NE(rig.log().find("is written again"), std::string::npos) << rig.log();
  EXPECT_GE(lines("console").size(), 1u);
}

TEST_F(JournalTest, ADirectoryThatCannotBeMadeIsOneLineAtTheStart) {
  Ledger ledger;
  auto writer = Writer::make({.journal_dir = "/dev/null/journal"}, {}, ledger, [](std::string_view) {});
  ASSERT_FALSE(writer);
  EXPECT_NE(writer.error().find("/dev/null/journal"), std::string::npos);
}

}  // namespace
}  // namespace s2::writer
