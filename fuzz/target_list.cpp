// The targets of s2-fuzz: the writer over both networks, and a ring that is right. See target.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "emulator/append.h"
#include "fuzz/target.h"
#include "fuzz/writer_deletion.h"
#include "fuzz/writer_world.h"
#include "writer/planted_bugs.h"

namespace s2::fuzz {
namespace {

// Three producers, one consumer, a queue of four: about 850 points. The figure that worlds are compared by.
void run_ring() {
  constexpr int kProducers = 3, kEach = 32;
  constexpr std::size_t kRoom = 4;
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<int> queue;
  std::vector<std::thread> producers;
  for (int k = 0; k < kProducers; ++k) {
    producers.emplace_back([&, k] {
      for (int i = 0; i < kEach; ++i) {
        std::unique_lock lock(mutex);
        not_full.wait(lock, [&] { return queue.size() < kRoom; });
        queue.push_back(k * kEach + i);
        not_empty.notify_one();
      }
    });
  }
  std::array<int, kProducers> next{};
  for (int got = 0; got < kProducers * kEach; ++got) {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [&] { return !queue.empty(); });
    const int value = queue.front();
    queue.pop_front();
    if (value % kEach != next[static_cast<std::size_t>(value / kEach)]++)
      sim::fail("I3 reordered: a producer's values came out of order");
    not_full.notify_one();
  }
  for (std::thread& producer : producers) producer.join();
}

// publishers.events.sessions.faults.acts-plain; the last in hexadecimal digits, nothing where it is 0
struct Size {
  std::uint64_t publishers, events, sessions, faults, acts;
  std::uint32_t plain = 0;
};
constexpr std::array kSmaller = {Size{1, 1, 1, 0, 0}, Size{1, 2, 1, 0, 0}, Size{2, 1, 1, 0, 0},
                                 Size{1, 1, 1, 1, 0}, Size{1, 1, 1, 0, 1}, Size{1, 1, 2, 0, 1},
                                 Size{1, 2, 1, 1, 0}, Size{1, 4, 1, 0, 0}, Size{2, 2, 1, 0, 1},
                                 Size{1, 4, 1, 1, 1}, Size{2, 2, 2, 1, 1}};

std::string text_of(const Size& size) {
  std::string text;
  for (const std::uint64_t part : {size.publishers, size.events, size.sessions, size.faults, size.acts})
    text += (text.empty() ? "" : ".") + std::to_string(part);
  return size.plain == 0 ? text : fmt::format("{}-{:x}", text, size.plain);
}

constexpr std::uint64_t kLargest = 64;         // of each part
constexpr std::uint64_t kMostPublishers = 32;  // each is a thread, beside those of the writer and the service
constexpr std::uint64_t kMostEvents =
    512;  // of all of them: more need more points than an execution may have
constexpr std::uint64_t kMostSessions = 4;
static_assert(kMostPublishers <= sim::kMaxLanes / 2);

std::optional<Size> size_of(std::string_view text) {
  Size size{};
  std::array<std::uint64_t*, 5> parts = {&size.publishers, &size.events, &size.sessions, &size.faults,
                                         &size.acts};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), *parts[i]);
    if (error != std::errc() || *parts[i] > kLargest || (i < 3 && *parts[i] == 0)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    if (i + 1 == parts.size()) {
      const bool fits = size.publishers <= kMostPublishers && size.sessions <= kMostSessions &&
                        size.publishers * size.events <= kMostEvents;
      if (text.starts_with('-')) {
        const auto [end, wrong] = std::from_chars(text.data() + 1, text.data() + text.size(), size.plain, 16);
        if (wrong != std::errc() || size.plain == 0 || size.plain >> kSimplifications != 0)
          return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
      }
      return text.empty() && fits ? std::optional(size) : std::nullopt;
    }
    if (text.empty() || text.front() != '.') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

LandingCounts landings() {
  return {writer_counts().branches, writer_counts().cut};
}

Target writer_target(std::string name, std::string about, WriterLimits limits,
                     const std::optional<Size>& size) {
  if (size) {
    limits.publishers = size->publishers;
    limits.events = size->events;
    limits.sessions = size->sessions;
    limits.faults = size->faults;
    limits.acts = size->acts;
    limits.plain = size->plain;
  }
  Target target;
  const Size own{limits.publishers, limits.events, limits.sessions, limits.faults, limits.acts, limits.plain};
  for (unsigned n = 0; n < kSimplifications; ++n) {
    Size simpler = own;
    simpler.plain |= 1U << n;
    if (simpler.plain != own.plain) target.simpler.push_back(name + ":" + text_of(simpler));
  }
  for (const Size& each : kSmaller) {
    if (!size) target.smaller.push_back(name + ":" + text_of(each));
  }
  target.name = size ? name + ":" + text_of(*size) : name;
  target.about = std::move(about);
  target.program = [limits] { run_writer(limits); };
  target.world = limits.way == WriterWay::direct ? writer_world : writer_http2_world;
  target.shape = [limits] { return describe(draw_shape(limits)); };
  target.landings = landings;
  return target;
}

// Nothing is drawn: for searches that are to be exhausted.
Target shutdown_target(std::string name, WriterWay way, const Size& size, bool by_default) {
  WriterShape shape;
  shape.publishers = size.publishers;
  shape.events = size.events;
  shape.sessions = size.sessions;
  shape.yields = shape.one_piece = true;
  Target target;
  target.draws = false;
  target.name = by_default ? name : name + ":" + text_of(size);
  switch (way) {
    case WriterWay::direct:
      target.about = "publishers of the reference writer, and its shutdown at any moment: nothing is drawn";
      break;
    case WriterWay::none:
      target.about = "the same up to the client: what is handed to it is stored at once";
      break;
    case WriterWay::http2:
      target.about = "the same over HTTP/2 bytes";
      break;
  }
  target.program = [shape, way] { run_writer(shape, way); };
  target.world = still_world;
  target.shape = [shape] { return describe(shape); };
  target.landings = landings;
  return target;
}

bool is_shutdown(std::string_view name) {
  return name.starts_with("shutdown");
}

std::optional<Target> make(std::string_view name, const std::optional<Size>& size) {
  if (name == "writer") {
    return writer_target("writer",
                         "the reference writer against the service, append by append; size "
                         "publishers.events.sessions.faults.acts",
                         {}, size);
  }
  if (name == "writer-http2") {
    return writer_target("writer-http2", "the same over HTTP/2 bytes, torn and delayed",
                         {.way = WriterWay::http2}, size);
  }
  const Size two_publishers{2, 1, 1, 0, 0};
  if (name == "shutdown")
    return shutdown_target("shutdown", WriterWay::direct, size.value_or(two_publishers), !size);
  if (name == "shutdown-no-client")
    return shutdown_target("shutdown-no-client", WriterWay::none, size.value_or(two_publishers), !size);
  if (name == "shutdown-http2")
    return shutdown_target("shutdown-http2", WriterWay::http2, size.value_or(two_publishers), !size);
  if (name == "deletion" && !size) {
    Target deletion;
    deletion.name = "deletion";
    deletion.about =
        "appends to the emulator over HTTP/2 bytes while their stream is deleted: each is answered";
    deletion.program = run_deletion;
    deletion.world = writer_http2_world;
    return deletion;
  }
  if (name == "ring" && !size) {
    Target ring;
    ring.name = "ring";
    ring.about = "a bounded queue that is right: 3 producers, 1 consumer, about 850 points";
    ring.program = run_ring;
    ring.draws = false;
    return ring;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Target> targets() {
  std::vector<Target> all;
  for (const char* name :
       {"writer", "writer-http2", "shutdown", "shutdown-no-client", "shutdown-http2", "deletion", "ring"})
    all.push_back(*make(name, std::nullopt));
  return all;
}

std::optional<Target> target_named(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) return make(name, std::nullopt);
  const auto size = size_of(name.substr(colon + 1));
  if (!size || (is_shutdown(name) && size->faults + size->acts + size->plain != 0)) return std::nullopt;
  return make(name.substr(0, colon), size);
}

std::string no_such_target(std::string_view name) {
  const std::string given(name);
  const std::string plain = given.substr(0, given.find(':'));
  if (plain == given || !make(plain, std::nullopt))
    return "there is no target `" + given + "`, expected one of " + list_of_targets() +
           " (with a size: writer:2.3.1.1.0)";
  if (!make(plain, Size{1, 1, 1, 0, 0})) return "the target `" + plain + "` takes no size: `" + given + "`";
  const std::string rest = is_shutdown(name)
                               ? "0.0 (nothing is drawn)"
                               : "0-" + std::to_string(kLargest) + ".0-" + std::to_string(kLargest);
  return "`" + given + "` has no size that can be: publishers.events.sessions.faults.acts are 1-" +
         std::to_string(kMostPublishers) + ".1-" + std::to_string(kLargest) + ".1-" +
         std::to_string(kMostSessions) + "." + rest + ", with at most " + std::to_string(kMostEvents) +
         " events in all";
}

std::string list_of_targets() {
  std::string list;
  for (const Target& target : targets()) list += (list.empty() ? "" : ", ") + target.name;
  return list;
}

std::string bug_is_elsewhere(std::string_view bug, std::string_view target) {
  const auto bugs = planted_bugs();
  const auto row = std::find_if(bugs.begin(), bugs.end(), [&](const auto& each) { return each.name == bug; });
  const auto where = target_named(target);
  if (row == bugs.end() || !where) return "";
  const bool there = row->target.empty() ? static_cast<bool>(where->landings) : row->target == where->name;
  if (there) return "";
  return "`" + row->name + "` is not in the target `" + where->name + "`, but in " +
         (row->target.empty() ? "those of the writer" : "`" + row->target + "`");
}

#ifdef PLANTED_BUGS
constexpr const char* kDeleteDropsAppend = "delete-drops-append";  // the emulator's only one

std::vector<PlantedBugText> planted_bugs() {
  std::vector<PlantedBugText> all;
  for (const writer::PlantedBugRow& row : writer::kPlantedBugs) {
    if (row.in_world) all.push_back({std::string(row.name), std::string(row.effect)});
  }
  all.push_back({kDeleteDropsAppend, "hung", "deletion"});
  return all;
}

bool plant_bug(std::string_view name) {
  emulator::delete_drops_append = name == kDeleteDropsAppend;
  const auto bug = writer::planted_bug_named(emulator::delete_drops_append ? "" : name);
  if (bug) writer::plant(*bug);
  return bug.has_value();
}
#else
std::vector<PlantedBugText> planted_bugs() {
  return {};
}

bool plant_bug(std::string_view name) {
  return name.empty();
}
#endif

}  // namespace s2::fuzz
