// A disk that hangs: whatever a thread of the writer waits for in the kernel, a shutdown ends in its budget
// and says what it leaves behind. System rules "Files", "Shutdown".
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "emulator/emulator.h"
#include "tests/writer/committed.h"
#include "tests/writer/stdio_pipe.h"

namespace s2::writer {
namespace {

using namespace test;
using nlohmann::json;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

constexpr milliseconds kBudget{1500};   // of a shutdown
constexpr milliseconds kHangs{30'000};  // until the disk answers again, with an error: long after any budget

// A file of a file system whose server (this test) never answers: who opens it waits in the kernel. Seen by
// the calling thread and what it starts; gone with the object, and then whoever waits gets an error.
class HungFile {
 public:
  explicit HungFile(const std::string& path) {
    ::close(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    fuse_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    const std::string options = fmt::format("fd={},rootmode=100600,user_id=0,group_id=0", fuse_);
    EXPECT_EQ(::mount("hung", path.c_str(), "fuse", MS_NODEV | MS_NOSUID, options.c_str()), 0)
        << std::strerror(errno);
  }
  ~HungFile() { answer(); }
  void answer() {
    if (fuse_ >= 0) ::close(std::exchange(fuse_, -1));
  }

 private:
  int fuse_;
};

bool in_a_mount_namespace(const std::function<void()>& body) {
  bool entered = false;
  std::thread([&] {
    if (::access("/dev/fuse", R_OK | W_OK) != 0 || ::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return;
    entered = true;
    body();
  }).join();
  return entered;
}

class HungDisk : public testing::Test {
 protected:
  HungDisk() {
    s2.create_basin("basin-one");
    s2.observe([this](const emulator::ProtocolEvent& moment) {
      const std::lock_guard lock(mutex);
      each_committed(moment, [&](const json&) { ++stored; });
    });
    fs::create_directories(directory);
  }
  ~HungDisk() override { fs::remove_all(directory); }

  std::map<std::string, std::string> environment() const {
    return {{"S2_BASIN", "basin-one"},
            {"S2_ACCESS_TOKEN", "a-token"},
            {"S2_BASIN_ENDPOINT", s2.endpoint()},
            {"S2_WRITER_JOURNAL_DIR", directory},
            {"S2_WRITER_SHUTDOWN_BUDGET", fmt::format("{}ms", kBudget.count())}};
  }
  // `body` with a file of the journal that hangs from `hang()` on; it fails where the disk had to answer
  // again before it was over.
  using Hang = std::function<void()>;
  void with_hung(const std::string& name, const std::function<void(const Hang&)>& body) {
    const bool entered = in_a_mount_namespace([&] {
      std::unique_ptr<HungFile> file;
      std::mutex over_mutex;
      std::condition_variable_any over;
      std::jthread rescue;
      body([&] {
        file = std::make_unique<HungFile>(directory + '/' + name);
        rescue = std::jthread([&](const std::stop_token& stop) {
          std::unique_lock lock(over_mutex);
          over.wait_for(lock, stop, kHangs, [] { return false; });
          EXPECT_TRUE(stop.stop_requested()) << "the hung file held the writer";
          file->answer();
        });
      });
    });
    if (!entered) GTEST_SKIP() << "needs CAP_SYS_ADMIN and /dev/fuse, for a file that hangs";
  }
  int stored_so_far() {
    const std::lock_guard lock(mutex);
    return stored;
  }

  const std::string directory = testing::TempDir() + "/hung-disk-" + std::to_string(::getpid());
  std::mutex mutex;
  int stored = 0;
  emulator::Emulator s2;  // goes first: its observer uses the above
};

TEST_F(HungDisk, AWriteThatHangsHoldsUpNeitherWhatIsStoredNorTheExit) {
  with_hung("console.jsonl", [&](const Hang& hang) {
    Program writer(environment());
    writer.start("a");
    hang();
    writer.publish_many(1, 20);
    writer.wait_for("published", [](const json& line) { return line["published"] == 20; });
    writer.signal(SIGTERM);
    EXPECT_EQ(writer.wait_end(), 0);  // nothing is unsaved
    EXPECT_EQ(stored_so_far(), 21);   // and the end marker
    EXPECT_NE(writer.log().find("its thread is left behind"), std::string::npos) << writer.log();
  });
}

TEST_F(HungDisk, TheLastWordThatAllIsStoredHoldsUpNothingEither) {
  with_hung("settled.jsonl", [&](const Hang& hang) {
    Program writer(environment());
    writer.start("a");
    hang();
    writer.publish(1);
    EXPECT_EQ(writer.finish(), 0);
    EXPECT_EQ(stored_so_far(), 2);
    EXPECT_NE(writer.log().find("its thread is left behind"), std::string::npos) << writer.log();
  });
  if (IsSkipped()) return;
  // It was not said, so the next one looks, and finds nothing to do.
  Program next(environment());
  next.expect("ready");
  EXPECT_EQ(next.finish(), 0);
  EXPECT_EQ(stored_so_far(), 2);
}

TEST_F(HungDisk, TheHttpDriverEndsToo) {
  with_hung("console.jsonl", [&](const Hang& hang) {
    Program writer(environment(), {"--driver", "http"});
    httplib::Client client(writer.expect("ready")["url"].get<std::string>());
    hang();
    const auto put =
        client.Put("/telemetry", R"({"browser":{"console":{"enabled":true}}})", "application/json");
    ASSERT_TRUE(put);
    EXPECT_EQ(put->status, 201);
    const auto posted = client.Post("/telemetry/events", R"({"type":"console_log"})", "application/json");
    ASSERT_TRUE(posted);
    EXPECT_EQ(posted->status, 200);
    writer.signal(SIGTERM);
    EXPECT_EQ(writer.wait_end(), 0);
    EXPECT_EQ(stored_so_far(), 2);
    EXPECT_NE(writer.log().find("its thread is left behind"), std::string::npos) << writer.log();
  });
}

TEST_F(HungDisk, PublishersThatWaitForTheirLinesWaitOnceSoThatASignalIsHeard) {
  with_hung("console.jsonl", [&](const Hang& hang) {
    auto variables = environment();
    variables["S2_WRITER_JOURNAL_WAIT"] = "on";
    Program writer(variables);
    writer.start("a");
    hang();
    writer.publish_many(1, 200);  // a second each would outlast the disk
    writer.wait_for("published", [](const json& line) { return line["published"] == 200; });
    writer.signal(SIGTERM);
    EXPECT_EQ(writer.wait_end(), 0);
    const std::string log = writer.log();
    const std::size_t said = log.find("accepted before their lines are written");
    ASSERT_NE(said, std::string::npos) << log;
    EXPECT_EQ(log.find("accepted before their lines are written", said + 1), std::string::npos) << log;
  });
}

TEST_F(HungDisk, TheCallSaysThatTheJournalWasLeftAndTheDestructorWaitsForTheDisk) {
  with_hung("console.jsonl", [&](const Hang& hang) {
    Rig rig({.journal_dir = directory});
    rig.start("a");
    rig.publish(1);
    EXPECT_FALSE(rig.shutdown().journal_left);
    rig.writer.reset();

    Rig other({.journal_dir = directory});
    other.start("b");
    hang();
    other.publish(1);
    const auto began = std::chrono::steady_clock::now();
    const ShutdownReport report = other.shutdown(milliseconds(200));
    EXPECT_LT(std::chrono::steady_clock::now() - began, kHangs / 2);
    EXPECT_TRUE(report.journal_left);
    EXPECT_EQ(report.unsaved, 0u);
    ::umount2((directory + "/console.jsonl").c_str(), MNT_FORCE);  // the disk answers, with an error
    other.writer.reset();
  });
}

}  // namespace
}  // namespace s2::writer
