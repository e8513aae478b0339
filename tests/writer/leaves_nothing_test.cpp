// A writer that has ended leaves no thread, file or socket behind, whatever its end met. System rule I8.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iterator>
#include <thread>

#include "emulator/emulator.h"
#include "tests/writer/rig.h"
#include "writer/s2_client.h"
#include "writer/tcp_transport.h"

namespace s2::writer {
namespace {

using namespace test;

std::ptrdiff_t count_in(const char* directory) {
  return std::distance(std::filesystem::directory_iterator(directory), {});
}

class LeavesNothing : public testing::Test {
 protected:
  LeavesNothing() { s2.create_basin("basin-one"); }
  ~LeavesNothing() override { std::filesystem::remove_all(directory); }

  // A whole life with a journal and several streams; `before_the_end` happens right before its shutdown.
  void live(std::chrono::milliseconds budget, const std::function<void()>& before_the_end) {
    std::filesystem::remove_all(directory);
    S2ClientOptions client;
    client.basin = "basin-one";
    client.basin_endpoint = s2.endpoint();
    client.access_token = "a-token";
    const auto transport = make_tcp_transport();
    const auto s2_client = std::move(*make_s2_client(client, *transport));
    ProducerOptions producer;
    producer.epoch_token = "epoch";
    Ledger ledger;
    auto writer = std::move(*Writer::make(
        {.journal_dir = directory},
        [&](ProducerListener& listener) { return make_producers(producer, *s2_client, listener); }, ledger,
        [](std::string_view) {}));
    for (const char* session : {"a", "b", "c"}) {
      ASSERT_TRUE(writer->start(session));
      for (int i = 0; i < 20; ++i) ASSERT_TRUE(writer->publish(session, event()));
    }
    ASSERT_TRUE(writer->flush(in(kLong)).flushed);
    EXPECT_GT(threads(), threads_before);
    EXPECT_GT(files(), files_before);
    before_the_end();
    ASSERT_TRUE(writer->publish("a", event()));
    writer->shutdown(budget, [](Deadline) { return true; });
  }
  static std::ptrdiff_t threads() { return count_in("/proc/self/task"); }
  static std::ptrdiff_t files() { return count_in("/proc/self/fd"); }
  void expect_nothing_left() {
    s2.heal();  // the emulator's side of a connection ends with its next look at it
    const auto give_up = in(kLong);
    const auto as_before = [&] {
      return s2.open_connections() == 0 && threads() <= threads_before && files() <= files_before;
    };
    while (!as_before() && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(threads(), threads_before);
    EXPECT_EQ(files(), files_before);
  }

  const std::string directory = testing::TempDir() + "/leaves_nothing_" + std::to_string(::getpid());
  emulator::Emulator s2;
  const std::ptrdiff_t threads_before = threads(), files_before = files();
};

TEST_F(LeavesNothing, AfterAnEndThatSavedAll) {
  live(kLong, [] {});
  expect_nothing_left();
}

TEST_F(LeavesNothing, AfterAnEndInASilentNetwork) {
  live(std::chrono::milliseconds(300), [this] { s2.cut(emulator::CutKind::silent); });
  expect_nothing_left();
}

TEST_F(LeavesNothing, AfterAnEndWhileNobodyListens) {
  live(std::chrono::milliseconds(300), [this] { s2.cut(emulator::CutKind::reset); });
  expect_nothing_left();
}

}  // namespace
}  // namespace s2::writer
