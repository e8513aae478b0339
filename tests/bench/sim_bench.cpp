// sim-bench: what the deterministic world costs on one core.
//
//   sim-bench [--peer FILE]     prints one JSON object; ci/bench keeps it. FILE holds what
//                               tests/bench/shuttle_ring printed for the same ring program.
//
// Figures, each the median of some rounds, in seconds of a core: nanoseconds of a switch with the whole trace
// hashed, of two threads that yield to each other and of four with the chooser asked each time; executions a
// second of a ring program (three producers, one consumer) and of a short one whose cost is that of making
// threads, with their points; virtual seconds a real one, of threads that work and sleep.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "sim/world.h"
#include "tests/sim/dice.h"

namespace {

using namespace std::chrono_literals;
using s2::sim::Dice;
using s2::sim::Execution;

constexpr int kRounds = 5;
constexpr double kRound = 0.4;  // seconds of one round
constexpr int kRingEach = 32;   // events of each producer: about 850 points; as in ci/bench

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds that this thread has had a core: what runs beside it counts little.
double core_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// What the executions of one round had together.
struct Sum {
  double seconds = 0, executions = 0, points = 0, switches = 0, virtual_seconds = 0;
};

Sum measure(const std::function<void()>& body) {
  Sum sum;
  for (const double begin = core_seconds(); sum.seconds < kRound; sum.seconds = core_seconds() - begin) {
    Dice dice(static_cast<std::uint64_t>(sum.executions) + 1);
    const Execution execution = s2::sim::run({.chooser = dice, .max_points = 10'000'000}, body);
    if (execution.ending != s2::sim::Ending::finished) {
      std::cerr << "sim-bench: an execution ended as " << name_of(execution.ending) << ": " << execution.why
                << "\n";
      std::exit(3);
    }
    ++sum.executions;
    sum.points += static_cast<double>(execution.points);
    sum.switches += static_cast<double>(execution.switches);
    sum.virtual_seconds += std::chrono::duration<double>(execution.virtual_time).count();
  }
  return sum;
}

// The median over rounds of a figure that is taken from their sums.
double figure(const std::function<void()>& body, const std::function<double(const Sum&)>& of) {
  std::vector<double> values;
  for (int round = 0; round < kRounds; ++round) values.push_back(of(measure(body)));
  return median(values);
}

void yielding(int threads) {
  std::vector<std::jthread> others;
  for (int i = 0; i < threads; ++i) {
    others.emplace_back([] {
      for (int k = 0; k < 100'000; ++k) std::this_thread::yield();
    });
  }
}

void ring() {
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<int> queue;
  std::vector<std::thread> producers;
  for (int k = 0; k < 3; ++k) {
    producers.emplace_back([&, k] {
      for (int i = 0; i < kRingEach; ++i) {
        std::unique_lock lock(mutex);
        not_full.wait(lock, [&] { return queue.size() < 4; });
        queue.push_back(k * 1000 + i);
        not_empty.notify_one();
      }
    });
  }
  for (int got = 0; got < 3 * kRingEach; ++got) {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [&] { return !queue.empty(); });
    queue.pop_front();
    not_full.notify_one();
  }
  for (auto& producer : producers) producer.join();
}

// Five threads of sixty points each: a lock, and the point behind its unlock.
void short_execution() {
  std::mutex mutex;
  int counter = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 30; ++k) {
        const std::lock_guard lock(mutex);
        ++counter;
      }
    });
  }
}

// Five threads that lock, and sleep up to a second each time.
void sleeping() {
  std::mutex mutex;
  int counter = 0;
  std::vector<std::jthread> threads;
  for (int i = 1; i <= 5; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 20; ++k) {
        {
          const std::lock_guard lock(mutex);
          ++counter;
        }
        std::this_thread::sleep_for(i * 200ms);
      }
    });
  }
}

nlohmann::json executions_of(const std::function<void()>& body) {
  const double points = figure(body, [](const Sum& sum) { return sum.points / sum.executions; });
  const double rate = figure(body, [](const Sum& sum) { return sum.executions / sum.seconds; });
  return {{"points", points},
          {"executions_per_s", rate},
          {"us_per_execution", 1e6 / rate},
          {"ns_per_point", 1e9 / rate / points}};
}

double switch_nanos(int threads) {
  return figure([threads] { yielding(threads); },
                [](const Sum& sum) { return sum.seconds * 1e9 / sum.switches; });
}

}  // namespace

int main(int argc, char** argv) {
  nlohmann::json peer;
  if (argc == 3 && std::strcmp(argv[1], "--peer") == 0) {
    peer = nlohmann::json::parse(std::ifstream(argv[2]), nullptr, false);
    if (!peer.is_object() || !peer.contains("executions_per_s") || !peer.contains("ns_per_point")) {
      std::cerr << "sim-bench: --peer " << argv[2] << " does not hold what shuttle-ring prints\n";
      return 2;
    }
  } else if (argc != 1) {
    std::cerr << "sim-bench: usage: sim-bench [--peer FILE]\n";
    return 2;
  }
  nlohmann::json result;
  auto& sim = result["sim"];
  sim["switch_ns"] = switch_nanos(2);
  sim["switch_with_choice_ns"] = switch_nanos(4);
  sim["ring"] = executions_of(ring);
  sim["short"] = executions_of(short_execution);
  sim["virtual_seconds_per_second"] =
      figure(sleeping, [](const Sum& sum) { return sum.virtual_seconds / sum.seconds; });
  if (!peer.is_null()) {
    auto& compared = sim["ring"];
    compared["shuttle"] = peer;
    compared["times_faster"] =
        compared["executions_per_s"].get<double>() / peer["executions_per_s"].get<double>();
    compared["times_faster_by_the_point"] =
        peer["ns_per_point"].get<double>() / compared["ns_per_point"].get<double>();
  }
  std::cout << result.dump(2) << "\n";
  return 0;
}
