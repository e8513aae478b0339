// See budget.h.
#include "writer/budget.h"

#include <fmt/format.h>

#include <algorithm>

#include "writer/duration.h"
#include "writer/producer.h"

namespace s2::writer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDefaultWhole{10'000};
constexpr int kOfGrace = 900;  // thousandths of the nearest grace: the rest is for the process to end
constexpr int kOfWhole = 950;  // thousandths that the steps may have together
constexpr int kOfWholeGiven =
    800;  // thousandths that steps with a wish may have of a whole that is made for them
constexpr int kAcksRoundTrips = 2;  // the last batch, and once more where its answer was lost
constexpr milliseconds kMostWhole{std::chrono::hours(24)};
constexpr std::int64_t kMiB = 1024 * 1024;
constexpr std::int64_t kMostEventBytes = wire::kMaxBatchMeteredBytes;  // a batch of one

std::size_t row_of(ShutdownStep step) {
  return static_cast<std::size_t>(std::find_if(kShutdownTable.begin(), kShutdownTable.end(),
                                               [&](const ShutdownRow& row) { return row.step == step; }) -
                                  kShutdownTable.begin());
}

std::string shown(milliseconds time) {
  return time.count() % 1000 == 0 ? fmt::format("{}s", time.count() / 1000)
                                  : fmt::format("{}ms", time.count());
}

std::string shown_bytes(std::int64_t bytes) {
  return bytes % kMiB == 0 ? fmt::format("{}MiB", bytes / kMiB) : fmt::format("{}B", bytes);
}

// What a step needs at the least, and why.
struct Need {
  milliseconds least{0};
  std::string why;
};

using Needs = std::array<Need, kShutdownTable.size()>;

// The drain has handed over all once what is on its way was answered so often. Each time ends where so many
// batches, or so many bytes, are on their way: large events among small ones cost both.
Needs needs_of(const BudgetWishes& wishes) {
  Needs needs;
  if (!wishes.ack_latency) return needs;
  const milliseconds latency = *wishes.ack_latency;
  const std::int64_t batches = (wishes.ring_events + wishes.batch_records - 1) / wishes.batch_records;
  const std::int64_t rounds = (batches + wishes.batches_in_flight - 1) / wishes.batches_in_flight;
  const std::int64_t bytes = std::min(wishes.ring_bytes, wishes.ring_events * kMostEventBytes);
  const std::int64_t bytes_at_once = std::int64_t{kMaxInFlightBytes} - kMostEventBytes;
  const std::int64_t more = bytes / bytes_at_once;
  std::string why;
  if (wishes.fencing) why = fmt::format("the fence: 1 x {}, ", shown(latency));
  why += fmt::format("{} events / {} a batch = {} batches, {} at once: {} x {}", wishes.ring_events,
                     wishes.batch_records, batches, wishes.batches_in_flight, rounds, shown(latency));
  if (more > 0)
    why += fmt::format(", {} / {} at once: {} x {} more", shown_bytes(bytes), shown_bytes(bytes_at_once),
                       more, shown(latency));
  needs[row_of(ShutdownStep::drain)] = {latency * ((wishes.fencing ? 1 : 0) + rounds + more), why};
  needs[row_of(ShutdownStep::await_acks)] = {
      latency * kAcksRoundTrips,
      fmt::format("an append and one more try: {} x {}", kAcksRoundTrips, shown(latency))};
  return needs;
}

std::string sum_text(const BudgetWishes& wishes) {
  std::string text;
  milliseconds sum{0};
  int terms = 0;
  for (std::size_t i = 0; i < kShutdownTable.size(); ++i) {
    if (!wishes.steps[i]) continue;
    text += fmt::format("{}{} {}", terms++ > 0 ? " + " : "", kShutdownTable[i].key, shown(*wishes.steps[i]));
    sum += *wishes.steps[i];
  }
  return terms > 1 ? fmt::format("{} = {}", text, shown(sum)) : text;
}

// From the inside out; a level that holds less than the one within it makes the line an error.
std::optional<std::string> inside_out(const BudgetWishes& wishes, milliseconds steps) {
  struct Level {
    std::string text;
    milliseconds time;
  };
  std::vector<Level> levels;
  if (steps.count() > 0) levels.push_back({sum_text(wishes), steps});
  if (wishes.whole) levels.push_back({"S2_WRITER_SHUTDOWN_BUDGET " + shown(*wishes.whole), *wishes.whole});
  for (const milliseconds grace : wishes.around) levels.push_back({"a grace of " + shown(grace), grace});
  bool wrong = false;
  std::string chain;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    chain += (i > 0 ? " inside " : "") + levels[i].text;
    wrong = wrong || (i > 0 && levels[i].time <= levels[i - 1].time);
  }
  if (!wrong) return std::nullopt;
  // What the steps may have at the most, if the outermost limits stay.
  milliseconds most = milliseconds::max();
  for (const milliseconds grace : wishes.around) most = std::min(most, grace * kOfGrace / 1000);
  if (wishes.whole) most = std::min(most, *wishes.whole);
  return fmt::format(
      "budgets inside out: {}: each must be less than what is around it; all steps together have at most {}",
      chain, shown(most * kOfWhole / 1000));
}

}  // namespace

tl::expected<ShutdownPlan, std::string> plan_shutdown(const BudgetWishes& wishes) {
  milliseconds given{0};
  for (const auto& step : wishes.steps) given += step.value_or(milliseconds(0));
  if (auto problem = inside_out(wishes, given)) return tl::unexpected(*problem);

  const Needs needs = needs_of(wishes);
  milliseconds least{0};
  std::string sum;
  for (std::size_t i = 0; i < needs.size(); ++i) {
    const milliseconds one = wishes.steps[i].value_or(needs[i].least);
    if (wishes.steps[i] && *wishes.steps[i] < needs[i].least) {
      return tl::unexpected(fmt::format("{} has {}, and needs {} ({})", kShutdownTable[i].key,
                                        shown(*wishes.steps[i]), shown(needs[i].least), needs[i].why));
    }
    if (one.count() == 0) continue;
    least += one;
    sum += fmt::format("{}{} {}{}", sum.empty() ? "" : " + ", kShutdownTable[i].key, shown(one),
                       wishes.steps[i] ? "" : " (" + needs[i].why + ")");
  }
  ShutdownPlan plan;
  plan.whole = std::max(kDefaultWhole, least * 1000 / kOfWholeGiven);
  for (const milliseconds grace : wishes.around) plan.whole = std::min(plan.whole, grace * kOfGrace / 1000);
  if (wishes.whole) plan.whole = *wishes.whole;
  if (plan.whole.count() <= 0) {
    return tl::unexpected(fmt::format(
        "a grace of {} is too short: a shutdown has nine tenths of it, and needs 1ms at the least",
        shown(std::ranges::min(wishes.around))));
  }
  const milliseconds for_steps = plan.whole * kOfWhole / 1000;
  const bool too_long = plan.whole > kMostWhole;  // nor could the shares of a much longer one be counted
  if (least > for_steps || too_long) {
    return tl::unexpected(fmt::format(
        "the steps of a shutdown need {}: {} = {}, inside {} ({} of {} is for its steps): make "
        "S2_WRITER_SHUTDOWN_BUDGET and the grace around it longer, the ring smaller (in events or bytes), or "
        "the batches larger",
        too_long ? "longer than a day" : "more than there is", sum, shown(least), shown(plan.whole),
        shown(for_steps), shown(plan.whole)));
  }

  // What is given or needed stands; the rest is shared as the table shares it, needs first.
  std::array<std::optional<milliseconds>, kShutdownTable.size()> fixed = wishes.steps;
  while (true) {
    milliseconds left = for_steps;
    int parts = 0;
    for (std::size_t i = 0; i < fixed.size(); ++i) {
      left -= fixed[i].value_or(milliseconds(0));
      if (!fixed[i]) parts += kShutdownTable[i].budget;
    }
    bool again = false;
    for (std::size_t i = 0; i < fixed.size(); ++i) {
      if (fixed[i] || needs[i].least.count() == 0) continue;
      if (left * kShutdownTable[i].budget / std::max(parts, 1) >= needs[i].least) continue;
      fixed[i] = needs[i].least;
      again = true;
      break;
    }
    if (again) continue;
    for (std::size_t i = 0; i < fixed.size(); ++i) {
      const auto time = std::chrono::microseconds(
          fixed[i] ? std::chrono::microseconds(*fixed[i])
                   : std::chrono::microseconds(left) * kShutdownTable[i].budget / std::max(parts, 1));
      plan.shares[i] =
          static_cast<int>(time.count() * kWholeShare / std::chrono::microseconds(plan.whole).count());
    }
    return plan;
  }
}

tl::expected<void, std::string> parse_graces(std::string_view text, BudgetWishes& into) {
  into.around.clear();
  while (true) {
    const std::size_t comma = text.find(',');
    const auto grace = parse_duration(text.substr(0, comma));
    if (!grace) return tl::unexpected(grace.error());
    if (grace->count() <= 0) return tl::unexpected<std::string>("expected durations of at least 1ms");
    into.around.push_back(*grace);
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

tl::expected<void, std::string> parse_step_budgets(std::string_view text, BudgetWishes& into) {
  into.steps = {};
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    const std::size_t equals = one.find('=');
    const auto row = std::find_if(kShutdownTable.begin(), kShutdownTable.end(), [&](const ShutdownRow& each) {
      return each.budget > 0 && each.key == one.substr(0, equals);
    });
    if (equals == std::string_view::npos || row == kShutdownTable.end()) {
      std::string names;
      for (const ShutdownRow& each : kShutdownTable) {
        if (each.budget > 0) names += (names.empty() ? "" : ", ") + std::string(each.key);
      }
      return tl::unexpected(fmt::format("expected STEP=DURATION,…; steps are {}", names));
    }
    const auto budget = parse_duration(one.substr(equals + 1));
    if (!budget) return tl::unexpected(budget.error());
    if (budget->count() <= 0) return tl::unexpected<std::string>("expected durations of at least 1ms");
    auto& step = into.steps[static_cast<std::size_t>(row - kShutdownTable.begin())];
    if (step) return tl::unexpected(fmt::format("{} is given twice", row->key));
    step = *budget;
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

std::string plan_text(const ShutdownPlan& plan, const BudgetWishes& wishes) {
  std::string text = fmt::format("a shutdown has {}", shown(plan.whole));
  for (const milliseconds grace : wishes.around) text += " inside " + shown(grace);
  text += "\n\n  step      at the most  what it does\n";
  std::chrono::microseconds sum{0};
  for (std::size_t i = 0; i < kShutdownTable.size(); ++i) {
    const auto time = std::chrono::microseconds(plan.whole) * plan.shares[i] / kWholeShare;
    sum += time;
    text += fmt::format("  {:<9} {:>8} ms  {}\n", kShutdownTable[i].key, time.count() / 1000,
                        kShutdownTable[i].name);
  }
  text += fmt::format(
      "  {:<9} {:>8} ms\n\ntime that a step leaves goes to those behind it; no linger is waited for\n", "sum",
      sum.count() / 1000);
  if (!wishes.ack_latency)
    return text + "whether it is enough is not known: S2_WRITER_ACK_LATENCY says how long an answer takes\n";
  const Needs needs = needs_of(wishes);
  for (std::size_t i = 0; i < needs.size(); ++i) {
    if (needs[i].least.count() > 0)
      text += fmt::format("{} needs {}: {}\n", kShutdownTable[i].key, shown(needs[i].least), needs[i].why);
  }
  return text + "that is for a full ring of one stream's events: a backlog in the journal takes longer\n";
}

}  // namespace s2::writer
