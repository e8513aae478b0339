// linear-bench: what it costs to decide whether a long history is linearizable, reading it included.
//
//   linear-bench [--operations N]      prints one JSON object; ci/bench keeps it
//
// Exit codes: 0; 1 slower than 5 s for a million; 2 bad usage; 3 a wrong verdict.
//
// Figures, each the best of three, in seconds of this process on one core: a history from its text to the
// verdict, a good one and bad ones (a wrong hash in the last answer; a tail in the middle that is stale: the
// worst of them counts), with the records listed in a read and without; and in the same run, for the same
// text, nlohmann::json parsing its lines and std::count looking at its bytes.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "scenarios/linear_check.h"
#include "tests/scenarios/linear_histories.h"

namespace {

using namespace s2::scenarios;

constexpr int kRepeats = 3;
constexpr double kMostSecondsOfAMillion = 5;  // five times what is promised: then it is another kind of slow

double best_seconds_of(int repeats, const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const std::clock_t began = std::clock();
    work();
    best = std::min(best, static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC);
  }
  return best;
}

double decide(const std::string& text, bool is_good) {
  return best_seconds_of(kRepeats, [&] {
    const auto history = parse_history(text, "history.jsonl");
    if (!history || check_linearity(*history).holds() != is_good) {
      std::cerr << "linear-bench: " << (history ? "the wrong verdict" : history.error()) << "\n";
      std::exit(3);
    }
  });
}

void parse_with_nlohmann(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const auto line = nlohmann::json::parse(text.data() + at, text.data() + end);
    if (!line.contains("event")) std::exit(3);
    at = end + 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t operations = 1'000'000;
  if (argc == 3 && std::string(argv[1]) == "--operations") {
    operations = static_cast<std::size_t>(std::atol(argv[2]));
  } else if (argc != 1) {
    std::cerr << "linear-bench: usage: linear-bench [--operations N]\n";
    return 2;
  }
  if (operations < 1000) {
    std::cerr << "linear-bench: --operations takes a number of at least 1000\n";
    return 2;
  }

  nlohmann::json result;
  double slowest = 0;
  for (const bool listed : {true, false}) {
    std::string text, wrong_at_the_end, stale_in_the_middle;
    {
      GivenHistory history = long_history(operations, listed);
      text = history.text();
      std::uint64_t& hash = history.ops.back().stream_hash;
      hash ^= 1;
      wrong_at_the_end = history.text();
      hash ^= 1;
      std::size_t middle = operations / 2;
      while (history.ops[middle].kind != "CheckTail") ++middle;
      history.ops[middle].tail = 0;
      stale_in_the_middle = history.text();
    }
    nlohmann::json& figures = result["linearizability"][listed ? "records_listed" : "hash_only"];
    figures["operations"] = operations;
    figures["megabytes"] = static_cast<double>(text.size()) / 1e6;
    const double good = decide(text, true);
    const double bad = std::max(decide(wrong_at_the_end, false), decide(stale_in_the_middle, false));
    slowest = std::max({slowest, good, bad});
    const double nlohmann_parse = best_seconds_of(1, [&] { parse_with_nlohmann(text); });
    std::ptrdiff_t lines = 0;
    const double looked_at =
        best_seconds_of(kRepeats, [&] { lines = std::count(text.begin(), text.end(), '\n'); });
    figures["lines"] = lines;
    figures["good_seconds"] = good;
    figures["bad_seconds"] = bad;
    figures["bytes_counted_seconds"] = looked_at;
    figures["nlohmann_parse_seconds"] = nlohmann_parse;
    figures["times_faster_than_nlohmann_parse"] = nlohmann_parse / std::max(good, bad);
  }
  std::cout << result.dump(2) << "\n";
  const double most = kMostSecondsOfAMillion * static_cast<double>(operations) / 1e6;
  if (slowest > most) {
    std::cerr << "linear-bench: " << operations << " operations took " << slowest
              << " s to decide, not under " << most << " s\n";
    return 1;
  }
  return 0;
}
