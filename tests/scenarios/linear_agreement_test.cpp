// The two checkers of linearizability agree with each other, and with the plainest one, on random histories;
// and on long ones they are fast, good and bad alike. LINEAR_HISTORIES in the environment: how many.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "emulator/history.h"
#include "scenarios/linear_check.h"
#include "tests/scenarios/linear_histories.h"

namespace s2::scenarios {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long kDefaultHistories = 10'000;
constexpr std::size_t kDefaultOperations = 10'000;
#else
constexpr long kDefaultHistories = 100'000;
constexpr std::size_t kDefaultOperations = 50'000;
#endif
using Linear = Linearity::Verdict;

LinearHistory parsed(const std::string& text) {
  auto history = parse_history(text, "history.jsonl");
  if (!history) throw std::runtime_error(history.error());
  return *std::move(history);
}

TEST(LinearHash, IsThatOfTheEmulatorAndRunsBackwards) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t hash = random(), record = random();
    ASSERT_EQ(chain(hash, record), emulator::chain_hash(hash, record));
    ASSERT_EQ(unchain(chain(hash, record), record), hash);
  }
}

TEST(LinearAgreement, LogSearchAndPlainSearchGiveOneVerdict) {
  const char* wanted = std::getenv("LINEAR_HISTORIES");
  const long count = wanted ? std::atol(wanted) : kDefaultHistories;
  long good = 0, bad = 0, by_log = 0;
  for (long seed = 0; seed < count; ++seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    GivenHistory given = draw_history(random);
    const bool damaged = seed % 2;
    if (damaged) {
      for (std::size_t n = 1 + random() % 3; n-- > 0;) damage(given, random);
    }
    const std::string text = given.text();
    const LinearHistory history = parsed(text);
    const bool truth = plainly_linearizable(history);
    ASSERT_TRUE(truth || damaged) << "seed " << seed << "\n" << text;
    ++(truth ? good : bad);

    const Linearity whole = check_linearity(history);
    ASSERT_EQ(whole.verdict, truth ? Linear::linearizable : Linear::not_linearizable)
        << "seed " << seed << ": " << whole.why << "\n"
        << text;
    ASSERT_EQ(whole.why.empty(), truth);
    by_log += whole.by_search ? 0 : 1;

    const bool listed_wrongly = history.listed_read >= 0 && !truth;  // only the log knows what is listed
    const Linearity searched = check_by_search(history, {});
    if (!listed_wrongly) {
      ASSERT_EQ(searched.verdict, whole.verdict) << "seed " << seed << ": " << searched.why << "\n" << text;
    }
    const Places places = places_of(history);
    if (!places.wrong.empty()) continue;
    const KnownLog log = known_log(history, places);
    ASSERT_NE(log.kind, KnownLog::Kind::undecided);
    if (log.kind == KnownLog::Kind::impossible) continue;
    const Linearity guided = check_by_search(history, log.records);
    ASSERT_EQ(guided.verdict, whole.verdict) << "seed " << seed << ": " << guided.why << "\n" << text;
  }
  // The comparison means something only where each side is met often.
  EXPECT_GT(good, count / 3);
  EXPECT_GT(bad, count / 6);
  EXPECT_GT(by_log, count / 2);
  RecordProperty("good", static_cast<int>(good));
  RecordProperty("bad", static_cast<int>(bad));
  RecordProperty("decided_by_log", static_cast<int>(by_log));
}

// Of this process, so that others on the machine do not count.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t began = std::clock();
  work();
  return static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
}

// LINEAR_OPERATIONS in the environment: how many, kDefaultOperations by default.
TEST(LinearAgreement, ALongHistoryIsDecidedByItsLogGoodOrBad) {
  const char* wanted = std::getenv("LINEAR_OPERATIONS");
  const std::size_t count = wanted ? static_cast<std::size_t>(std::atol(wanted)) : kDefaultOperations;
  for (const bool listed : {true, false}) {
    const GivenHistory given = long_history(count, listed);
    const std::string text = given.text();
    LinearHistory history;
    const double parsing = seconds_of([&] { history = parsed(text); });
    Linearity good;
    const double deciding = seconds_of([&] { good = check_linearity(history); });
    EXPECT_TRUE(good.holds()) << good.why;
    EXPECT_FALSE(good.by_search);
    // linear-bench measures; this only notices when it has become another kind of slow.
    const double general = seconds_of([&] {
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);)
        EXPECT_TRUE(nlohmann::json::parse(line).contains("event"));
    });
    EXPECT_LT(parsing + deciding, general) << "slower than a general parser alone";
    printf("%zu operations, %zu MB, %s: parsed in %.3f s, good in %.3f s\n", history.ops.size(),
           text.size() / 1'000'000, listed ? "records listed" : "hash only", parsing, deciding);
    // An acknowledged append in the middle that claims the wrong place; a check of the tail that is stale; a
    // record that nobody sent.
    for (int how = 0; how < 3; ++how) {
      LinearHistory bad = history;
      std::size_t at = bad.ops.size() / 2;
      const auto is = [&](LinearOp::Kind kind) {
        return bad.ops[at].kind == kind && bad.ops[at].end == LinearOp::End::success;
      };
      while (!is(how == 1 ? LinearOp::Kind::check_tail : LinearOp::Kind::append)) ++at;
      if (how == 0) bad.ops[at].tail -= 1;
      if (how == 1) bad.ops[at].tail = bad.ops[at / 2].tail;
      if (how == 2) bad.hashes[bad.ops[at].first_hash] ^= 1;
      Linearity verdict;
      const double took = seconds_of([&] { verdict = check_linearity(bad); });
      EXPECT_EQ(verdict.verdict, Linear::not_linearizable);
      EXPECT_FALSE(verdict.why.empty());
      printf("  bad in %.3f s: %s\n", took, verdict.why.c_str());
    }
  }
}

// What takes Porcupine over 10 s: no order is right, and appends of unknown outcome multiply the wrong ones.
TEST(LinearAgreement, ABadHistoryWithTwelveUnknownOutcomesIsDecidedAtOnce) {
  for (int how = 0; how < 3; ++how) {
    GivenHistory given;
    const auto add = [&](GivenOp op) {
      op.client = static_cast<int>(given.ops.size());
      given.ops.push_back(op);
      given.lines.emplace_back(given.ops.size() - 1, true);
      if (op.end != "AppendIndefiniteFailure") given.lines.emplace_back(given.ops.size() - 1, false);
    };
    const auto append = [](std::uint64_t record, const char* end) {
      GivenOp op;
      op.records = {record};
      op.end = end;
      return op;
    };
    for (std::uint64_t n = 0; n < 12; ++n) add(append(1000 + n, "AppendIndefiniteFailure"));
    std::uint64_t tail = how == 0 ? 13 : 7;  // all twelve stand before it, or six of them
    GivenOp last = append(5000, "AppendSuccess");
    last.tail = tail;
    add(last);
    GivenOp read;
    read.kind = how == 2 ? "CheckTail" : "Read";
    read.end = how == 2 ? "CheckTailSuccess" : "ReadSuccess";
    read.tail = how == 2 ? tail - 1 : tail;  // a stale tail, or a hash that no order gives
    read.stream_hash = 42;
    add(read);
    const LinearHistory history = parsed(given.text());
    Linearity verdict;
    const double took = seconds_of([&] { verdict = check_linearity(history); });
    EXPECT_EQ(verdict.verdict, Linear::not_linearizable);
    EXPECT_LT(took, 10.0);
    printf("bad in %.3f s: %s\n", took, verdict.why.c_str());
  }
}

}  // namespace
}  // namespace s2::scenarios
