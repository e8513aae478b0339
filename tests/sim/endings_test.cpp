// Executions that do not finish: what leaves the world is named, and what the threads owned is given back.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "sim/world.h"
#include "tests/sim/dice.h"

namespace s2::sim {
namespace {

using namespace std::chrono_literals;

struct Owned {
  static inline std::atomic<int> alive = 0;
  Owned() { ++alive; }
  ~Owned() { --alive; }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
};

TEST(Endings, WhatTheThreadsOfAFailedExecutionOwnedIsGivenBack) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Dice dice(seed);
    Owned::alive = 0;
    const Execution execution = run({.chooser = dice}, [] {
      std::mutex mutex;
      std::condition_variable never;
      std::vector<std::unique_ptr<std::thread, void (*)(std::thread*)>> threads;
      for (int i = 0; i < 3; ++i) {
        threads.emplace_back(new std::thread([&, owned = std::make_shared<Owned>()] {
                               const Owned local;
                               std::unique_lock lock(mutex);
                               never.wait(lock);
                             }),
                             [](std::thread* thread) {
                               thread->join();
                               delete thread;
                             });
      }
      const Owned mine;
      std::this_thread::sleep_for(1ms);
      fail("enough");
    });
    ASSERT_EQ(execution.ending, Ending::failed);
    EXPECT_EQ(execution.not_unwound, 0U) << "seed " << seed;
    EXPECT_EQ(Owned::alive, 0) << "seed " << seed;
  }
}

TEST(Endings, AThreadThatStandsInADestructorIsGivenUpAndCounted) {
  Dice dice(1);
  struct Waits {
    std::mutex mutex;
    std::condition_variable never;
    ~Waits() {
      std::unique_lock lock(mutex);
      never.wait(lock);
    }
  };
  const Execution execution = run({.chooser = dice}, [] { const Waits waits; });
  EXPECT_EQ(execution.ending, Ending::deadlock);
  EXPECT_EQ(execution.not_unwound, 1U);
  EXPECT_EQ(run({.chooser = dice}, [] {}).ending, Ending::finished);  // and the next one is as good as new
}

TEST(Endings, AThreadThatIsUnwoundWhileItStandsAtALockHoldsItThen) {
  int entered = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Dice dice(seed);
    int inside = 0;
    const Execution execution = run({.chooser = dice}, [&] {
      const auto mutex = std::make_shared<std::mutex>();
      mutex->lock();
      for (int i = 0; i < 2; ++i) {
        std::thread([&, mutex] {
          const std::lock_guard lock(*mutex);
          ++inside;
          while (true) std::this_thread::yield();  // for as long as its unwinding has patience
        }).detach();
      }
      std::this_thread::sleep_for(1ms);  // both stand at the lock
      mutex->unlock();
      fail("enough");
    });
    ASSERT_EQ(execution.ending, Ending::failed);
    EXPECT_LE(inside, 1) << "seed " << seed;
    entered += inside;
  }
  EXPECT_GT(entered, 0);
}

TEST(Endings, ManyFailedExecutionsNeedNoMoreMemoryThanOne) {
  const auto resident = [] {
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    long pages = 0, total = 0;
    if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &pages) != 2) pages = -1;
    if (file != nullptr) std::fclose(file);
    return pages;
  };
  const auto failing = [](std::uint64_t seed) {
    Dice dice(seed);
    return run({.chooser = dice}, [] {
      std::string big(50'000, 'x');
      std::mutex mutex;
      std::condition_variable never;
      std::jthread waiter([&] {
        std::string mine(50'000, 'y');
        std::unique_lock lock(mutex);
        never.wait(lock);
      });
      std::this_thread::sleep_for(1s);
      fail(big.substr(0, 3) + std::to_string(waiter.joinable()));
    });
  };
  for (std::uint64_t seed = 0; seed < 100; ++seed) failing(seed);
  const long before = resident();
  for (std::uint64_t seed = 0; seed < 2000; ++seed) ASSERT_EQ(failing(seed).ending, Ending::failed);
  EXPECT_LT(resident() - before, 5000);  // 20 MB; two hundred MB would have been leaked
}

TEST(Endings, CallsThatLeaveTheWorldAreNamed) {
  Dice dice(1);
  const Execution polled = run({.chooser = dice}, [] { poll(nullptr, 0, 1000); });
  EXPECT_EQ(polled.ending, Ending::escaped);
  EXPECT_NE(polled.why.find("poll"), std::string::npos) << polled.why;
  const Execution raw = run({.chooser = dice}, [] { syscall(SYS_clock_getres, 0, nullptr); });
  EXPECT_EQ(raw.ending, Ending::escaped);
  EXPECT_NE(raw.why.find(std::to_string(SYS_clock_getres)), std::string::npos) << raw.why;
  const Execution forked = run({.chooser = dice}, [] { (void)fork(); });
  EXPECT_EQ(forked.ending, Ending::escaped);
}

TEST(Endings, AMutexHeldOutsideIsAnEscape) {
  std::mutex mutex;
  const std::lock_guard lock(mutex);
  Dice dice(1);
  EXPECT_EQ(run({.chooser = dice}, [&] { mutex.lock(); }).ending, Ending::escaped);
}

TEST(Endings, RandomnessIsTheChoosers) {
  const auto draw = [](std::uint64_t seed) {
    Dice dice(seed);
    std::uint64_t value = 0;
    unsigned device = 0;
    const Execution execution = run({.chooser = dice}, [&] {
      (void)!getrandom(&value, sizeof value, 0);
      device = std::random_device{}();
    });
    EXPECT_EQ(execution.ending, Ending::finished) << execution.why;
    return std::pair(value, device);
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Endings, MisuseOfAMutexFails) {
  Dice dice(1);
  std::mutex mutex;
  const Execution execution = run({.chooser = dice}, [&] {
    std::thread holder([&] { mutex.lock(); });
    holder.join();
    mutex.unlock();
  });
  EXPECT_EQ(execution.ending, Ending::failed);
  EXPECT_NE(execution.why.find("does not hold"), std::string::npos) << execution.why;
}

TEST(Endings, SpuriousWakeupsHappenWhereTheyAreAllowed) {
  const auto woken_early = [](unsigned allowed) {
    int early = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      Dice dice(seed);
      run({.chooser = dice, .spurious_wakeups = allowed}, [&] {
        std::mutex mutex;
        std::condition_variable condition;
        bool set = false;
        std::thread waiter([&] {
          std::unique_lock lock(mutex);
          condition.wait(lock);
          early += set ? 0 : 1;
        });
        for (int i = 0; i < 20; ++i) std::this_thread::yield();
        {
          const std::lock_guard lock(mutex);
          set = true;
        }
        for (int i = 0; i < 20; ++i) {
          condition.notify_one();
          std::this_thread::sleep_for(1ms);
        }
        waiter.join();
      });
    }
    return early;
  };
  EXPECT_EQ(woken_early(0), 0);
  EXPECT_GT(woken_early(1), 0);
}

int handled = 0;
TEST(Endings, SignalsAreDeliveredAtPoints) {
  const auto old = std::signal(SIGUSR1, [](int) { ++handled; });
  Dice dice(3);
  int waited = 0;
  const Execution execution = run({.chooser = dice}, [&] {
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &terminate, nullptr);
    std::thread waiter([&] { sigwait(&terminate, &waited); });
    std::this_thread::sleep_for(1ms);
    send_signal(SIGUSR1);
    send_signal(SIGTERM);
    waiter.join();
  });
  std::signal(SIGUSR1, old);
  EXPECT_EQ(execution.ending, Ending::finished) << execution.why;
  EXPECT_EQ(waited, SIGTERM);
  EXPECT_EQ(handled, 1);
}

}  // namespace
}  // namespace s2::sim
