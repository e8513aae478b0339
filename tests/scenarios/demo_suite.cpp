// See demo_suite.h.
#include "tests/scenarios/demo_suite.h"

#include <fmt/format.h>

#include <algorithm>

namespace s2::scenarios {

Plan drawn_plan(std::mt19937_64& random, Teardown teardown, std::size_t events) {
  Plan plan;
  plan.teardown = teardown;
  plan.sessions = 1 + static_cast<int>(random() % 2);
  plan.publishers = 1 + static_cast<int>(random() % 3);
  plan.drop = 5;
  plan.batch = 1 + random() % 7;
  plan.ends_itself = random() % 2 == 0;
  plan.death_after = events / plan.batch * 2 / 3;
  for (std::size_t i = 0; i < events; ++i) plan.events.push_back(static_cast<std::uint8_t>(random()));
  for (std::size_t i = 0; i < events; ++i)
    plan.mishaps.push_back(random() % 5 == 0 ? static_cast<std::uint8_t>(random()) : 0);
  return plan;
}

namespace {

void damage(Ledger& l, std::size_t how) {
  if (how % 3 == 2) {
    l.processes[0].exit_signal = 11;
    l.processes[0].exit_code = -1;
    return;
  }
  for (StoredStream& s : l.stored) {
    const auto count = static_cast<std::ptrdiff_t>(s.records.size());
    if (count < 6) continue;
    if (how % 3 == 0) s.records.erase(s.records.begin() + count / 2, s.records.begin() + count / 2 + 3);
    if (how % 3 == 1) s.records.push_back({s.records.back().seq_num + 1, 1, 10, s.records.front().probes});
    return;
  }
}

}  // namespace

std::string hostile_text() {
  std::string text = "</script><img src=x onerror=\"document.title='owned'\"><svg onload=alert(1)>";
  text +=
      "<style>*{display:none}</style>]]>--><!--'\"` \x1b[2J\x1b]0;owned\x07\r\n| **bold** "
      "[a](javascript:alert(1)) ";
  text += "\xE2\x80\xA8\xE2\x80\xAE\xEF\xBF\xBE\xC2\x9B";  // U+2028, U+202E, U+FFFE, C1's CSI
  text += "\xFF\xC0\xAF\xED\xA0\x80";                      // wrong UTF-8: lone, overlong, surrogate
  text += std::string(1, '\0') + " {{body}} ${{ secrets }} end";
  return text;
}

Suite demo_suite(std::size_t runs, std::size_t broken) {
  SuiteOptions options;
  options.seed = 42;
  options.writer = "build/bin/s2-writer";
  options.replay_flags = "--writer 'python3 scenarios/writers/python/writer.py'";
  options.seconds = 41.7;
  Suite suite(options);
  std::mt19937_64 random(42);
  const std::vector<std::string> faults = {"none",       "lost-ack",   "delay",      "status-429",
                                           "status-500", "status-503", "cut-before", "cut-after",
                                           "hang",       "goaway"};
  const std::vector<std::string> workloads = {"browser", "steady", "burst", "trickle"};
  for (std::size_t i = 0; i < runs + broken; ++i) {
    const bool damaged = i >= runs;
    const Teardown teardown = damaged ? std::array{Teardown::stop, Teardown::term, Teardown::cut_heal}[i % 3]
                                      : kTeardowns[i % kTeardowns.size()];
    Ledger l = honest_run(drawn_plan(random, teardown, 60 + random() % 200));
    const std::string& fault = faults[random() % faults.size()];
    l.fault = teardown == Teardown::kill ? "none" : fault;
    l.workload = workloads[random() % workloads.size()];
    l.scenario = fmt::format("{}/{}/{}", name(teardown), l.workload, l.fault);
    l.run = fmt::format("{:016x}", random());
    l.seed = random() % 1'000'000;
    l.replay = fmt::format("{}:{}:{}", name(teardown), l.fault, l.seed);
    if (damaged) damage(l, i);
    suite.add(l, judge(l));
  }
  return suite;
}

void add_hostile_run(Suite& suite) {
  std::mt19937_64 random(7);
  Ledger l = honest_run(drawn_plan(random, Teardown::term, 40));
  const std::string evil = hostile_text();
  const auto rename = [&](std::string& session) {
    if (!session.empty()) session += evil;
  };
  l.scenario = l.workload = l.fault = l.realm = evil;
  l.replay = "token" + evil;
  l.run = "00000000deadbeef";
  for (Publication& p : l.publications) p.type = evil, rename(p.session);
  for (Statement& s : l.statements) s.text = evil, rename(s.session);
  l.statements.push_back({.kind = Statement::Kind::garbage, .text = evil});
  l.processes[0].exit_code = 1;
  l.processes[0].last_words = "; its last words: " + evil;
  for (ServiceAppend& a : l.appends) rename(a.stream), a.error_code = evil;
  for (StoredStream& s : l.stored) rename(s.name);
  l.faults.push_back({evil, true, 20 * kMs, 40 * kMs});
  l.kill.instant = evil;
  damage(l, 0);
  suite.add(l, judge(l));
}

}  // namespace s2::scenarios
