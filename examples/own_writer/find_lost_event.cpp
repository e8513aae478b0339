// find-lost-event: explores the orders in which the threads of examples/own_writer may run, until one loses
// an event.
//
//   find-lost-event [first|careful] [--executions N] [--seed N]      which queue; first, 100000 and 1 by
//   find-lost-event [first|careful] --replay TOKEN                   default
//
// Exit codes: 0 nothing was lost, 1 an event was, or the writer crashed, 2 bad usage.
#include <algorithm>
#include <charconv>
#include <iostream>
#include <string_view>
#include <thread>
#include <vector>

#include "examples/own_writer/careful_queue.h"
#include "examples/own_writer/event_queue.h"
#include "examples/own_writer/uploader.h"
#include "fuzz/explore.h"
#include "fuzz/source_lines.h"
#include "sim/world.h"

namespace {

using namespace own_writer;
namespace sim = s2::sim;
namespace fuzz = s2::fuzz;
using std::chrono::milliseconds;

// The other end: keeps what it gets, takes its time, and fails now and then.
class FakeSink final : public Sink {
 public:
  bool store(const std::vector<std::string>& batch) override {
    std::this_thread::sleep_for(milliseconds(20));  // virtual: it costs nothing
    if (sim::choose(4) == 0) {
      sim::note("the sink fails");
      return false;
    }
    for (const std::string& event : batch) {
      sim::note("stored " + event);
      stored_.push_back(event);
    }
    return true;
  }
  bool has(const std::string& event) const {
    return std::find(stored_.begin(), stored_.end(), event) != stored_.end();
  }

 private:
  std::vector<std::string> stored_;
};

// One life of the writer, called once an execution. The sizes are drawn: each execution has its own.
template <class Queue>
void one_life() {
  FakeSink sink;
  std::vector<std::string> promised;  // one thread runs at a time: it needs no lock
  {
    UploaderOptions options;
    options.capacity = 1 + sim::choose(4);
    options.batch = 1 + sim::choose(3);
    options.linger = milliseconds(sim::choose(2) * 100);
    Uploader<Queue> uploader(sink, options);
    std::vector<std::jthread> publishers;
    const std::uint64_t count = 1 + sim::choose(2), events = 1 + sim::choose(2);
    for (std::uint64_t p = 1; p <= count; ++p) {
      publishers.emplace_back([&, p] {
        sim::name_thread("publisher" + std::to_string(p));
        for (std::uint64_t n = 1; n <= events; ++n) {
          const std::string event = "event " + std::to_string(p) + "." + std::to_string(n);
          const bool taken = uploader.log(event);
          sim::note(event + (taken ? " was taken" : " was refused"));
          if (taken) promised.push_back(event);
        }
      });
    }
    sim::note("closes");
    uploader.close();  // while publishers are still at it
  }
  for (const std::string& event : promised) {
    if (!sink.has(event)) sim::fail("lost: " + event + " was taken, and is not in the sink");
  }
}

bool number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out > 0;
}

constexpr const char* kUsage =
    "usage: find-lost-event [first|careful] [--executions N] [--seed N] [--replay TOKEN]\n";

int usage(const std::string& what) {
  std::cerr << "find-lost-event: " << what << "; " << kUsage;
  return 2;
}

void tell(const fuzz::Schedule& schedule, const fuzz::Program& program) {
  fuzz::Schedule followed;
  sim::Execution execution = fuzz::replay(schedule, fuzz::plain_world, program, true, &followed);
  const fuzz::SourceLines lines(execution);
  fuzz::name_objects(execution, lines);
  std::cout << fuzz::story_of(execution, &lines, &followed);
}

}  // namespace

int main(int argc, char** argv) {
  std::string queue = "first", token;
  fuzz::ExploreOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "first" || word == "careful") {
      queue = word;
    } else if (word == "--help") {
      std::cout << kUsage;
      return 0;
    } else if (word != "--executions" && word != "--seed" && word != "--replay") {
      return usage("`" + std::string(word) + "` was not expected");
    } else if (++i == argc) {
      return usage(std::string(word) + " needs a value");
    } else if (word == "--replay") {
      token = argv[i];
    } else if (!number(argv[i], word == "--seed" ? options.seed : options.max_executions)) {
      return usage(std::string(word) + " takes a number from 1");
    }
  }
  const fuzz::Program program = queue == "first" ? one_life<EventQueue> : one_life<CarefulQueue>;

  if (!token.empty()) {
    std::string error;
    const auto schedule = fuzz::schedule_of(token, error);
    if (!schedule) return usage(error);
    const sim::Execution execution = fuzz::replay(*schedule, fuzz::plain_world, program);
    tell(*schedule, program);
    return sim::is_failure(execution.ending) ? 1 : 0;
  }

  const auto again = [&](const std::string& order) {
    return "again: " + std::string(argv[0]) + " " + queue + " --replay '" + order + "'";
  };
  options.on_crash = again;  // a crash of the writer is told with its order, too
  const auto strategy = fuzz::make_portfolio();
  const fuzz::Exploration found = fuzz::explore(*strategy, options, program);
  std::cout << found.executions << " executions, " << found.points << " points\n";
  if (!found.failure) {
    std::cout << "held: nothing was lost\n";
    return 0;
  }
  const fuzz::Shrunk smallest = fuzz::shrink(*found.failure, {}, program);
  const fuzz::Schedule& schedule = smallest.failure.schedule;
  std::cout << "BROKEN: " << smallest.failure.why << "\n"
            << schedule.preemptions() << " preemption(s)"
            << (smallest.fewest ? ", and no order of this life with fewer loses it" : "") << ":\n\n";
  tell(schedule, program);
  std::cout << "\n" << again(fuzz::text_of(schedule)) << "\n";
  return 1;
}
