// Basins and streams that come and go, against a model of two maps: what is deleted is gone at once, records,
// token and all; its name is free; nobody who read the old one is shown the new one.
#include <rapidcheck.h>

#include <map>

#include "service_fixture.h"

namespace s2::emulator {
namespace {

using Bodies = std::vector<std::string>;

struct LifeOfOne {
  std::uint64_t generation = 0;  // no two streams that ever were have the same
  Bodies bodies;
  std::string token;
};

struct LifeModel {
  std::map<std::string, std::map<std::string, LifeOfOne>> basins;  // what is there, and nothing else
  std::uint64_t generations = 0;

  std::map<std::string, LifeOfOne>* basin(const std::string& name) {
    const auto at = basins.find(name);
    return at == basins.end() ? nullptr : &at->second;
  }
  LifeOfOne* stream(const std::string& in, const std::string& name) {
    auto* streams = basin(in);
    if (!streams || !streams->contains(name)) return nullptr;
    return &streams->at(name);
  }
};

const std::vector<std::string> kBasinNames = {"basin-one", "basin-two"};
const std::vector<std::string> kStreamNames = {"a", "a/b", "c"};
const Refusal kBasinIsGone{404, "basin_not_found"};
const Refusal kStreamIsGone{404, "stream_not_found"};
const Refusal kNameIsTaken{409, "resource_already_exists"};
const Refusal kNotRefused{0, "(not refused)"};

// Of all sizes from the first case on: RapidCheck's own ranges begin small.
template <class T>
T of_any_size(T from, T to) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(from, to));
}

struct OpenRead {
  std::uint64_t generation;
  ReadCursor cursor;
};

std::vector<std::string> names_of(const auto& page) {
  std::vector<std::string> names;
  for (const auto& each : page.values) names.push_back(each.name);
  return names;
}
std::vector<std::string> keys_of(const auto& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

class Lives {
 public:
  void step() {
    const std::string basin = *rc::gen::elementOf(kBasinNames);
    const std::string stream = *rc::gen::elementOf(kStreamNames);
    auto* streams = model_.basin(basin);
    LifeOfOne* one = model_.stream(basin, stream);
    const Refusal missing = streams ? kStreamIsGone : kBasinIsGone;
    switch (of_any_size(0, 8)) {
      case 0:
        RC_ASSERT(refusal(service_.create_basin(basin, {}, std::nullopt, ++now_)) ==
                  (streams ? kNameIsTaken : kNotRefused));
        if (!streams) model_.basins[basin];
        break;
      case 1:
        RC_ASSERT(refusal(service_.delete_basin(basin)) == (streams ? kNotRefused : kBasinIsGone));
        model_.basins.erase(basin);
        break;
      case 2:
      case 3:
        RC_ASSERT(refusal(service_.create_stream(basin, stream, {}, std::nullopt, ++now_)) ==
                  (!streams ? kBasinIsGone
                   : one    ? kNameIsTaken
                            : kNotRefused));
        if (streams && !one) (*streams)[stream].generation = ++model_.generations;
        break;
      case 4:
        RC_ASSERT(refusal(service_.delete_stream(basin, stream, ++now_)) ==
                  (one ? kNotRefused : kStreamIsGone));
        if (one) streams->erase(stream);
        break;
      case 5:
        append(basin, stream, one, missing);
        break;
      case 6: {
        const auto cursor = service_.open_read(basin, stream, from_seq_num(0), now_);
        RC_ASSERT(refusal(cursor) == (one ? kNotRefused : missing));
        if (one) reads_.push_back({one->generation, *cursor});
        break;
      }
      default:
        read_on();
    }
    agree();
  }

 private:
  void append(const std::string& basin, const std::string& stream, LifeOfOne* one, const Refusal& missing) {
    const bool fences = of_any_size(0, 4) == 0;
    const std::string body = std::to_string(++bodies_);
    wire::AppendInput batch = input({fences ? wire::fence_command(body) : record(body)});
    if (*rc::gen::arbitrary<bool>())
      batch.fencing_token = "";  // holds in a stream that is new, and not fenced
    const bool fenced_out = one && batch.fencing_token && !one->token.empty();
    const auto ack = service_.append(basin, stream, std::move(batch), ++now_);
    if (fenced_out) {
      RC_ASSERT(ack.error().fencing_token_mismatch == one->token);
      return;
    }
    RC_ASSERT(refusal(ack) == (one ? kNotRefused : missing));
    if (!one) return;
    RC_ASSERT(ack->start.seq_num == one->bodies.size());
    one->bodies.push_back(body);
    if (fences) one->token = body;
  }

  // One of the reads goes on: it shows its own stream's records, or that this is gone.
  void read_on() {
    if (reads_.empty()) return;
    OpenRead& read = reads_[of_any_size<std::size_t>(0, reads_.size())];
    const LifeOfOne* mine = nullptr;
    for (const auto& [basin, streams] : model_.basins) {
      for (const auto& [name, one] : streams) {
        if (one.generation == read.generation) mine = &one;
      }
    }
    const std::uint64_t from = read.cursor.next_seq_num;
    const auto step = service_.step(read.cursor, now_);
    if (!mine) {
      RC_ASSERT(refusal(step) == (model_.basin(read.cursor.basin) ? kStreamIsGone : kBasinIsGone));
      return;
    }
    RC_ASSERT(static_cast<bool>(step));
    Bodies shown;
    for (const auto& each : step->batch.records) shown.push_back(each.body);
    RC_ASSERT(shown == Bodies(mine->bodies.begin() + static_cast<std::ptrdiff_t>(from), mine->bodies.end()));
  }

  void agree() {
    RC_ASSERT(names_of(*service_.list_basins({})) == keys_of(model_.basins));
    for (const std::string& basin : kBasinNames) {
      auto* streams = model_.basin(basin);
      const auto listed = service_.list_streams(basin, {}, now_);
      RC_ASSERT(refusal(listed) == (streams ? kNotRefused : kBasinIsGone));
      if (streams) RC_ASSERT(names_of(*listed) == keys_of(*streams));
      for (const std::string& stream : kStreamNames) {
        const LifeOfOne* one = model_.stream(basin, stream);
        const auto tail = service_.check_tail(basin, stream, now_);
        RC_ASSERT(tail.has_value() == (one != nullptr));
        if (!one) continue;
        RC_ASSERT(tail->seq_num == one->bodies.size());
        RC_ASSERT(service_.stream_state(basin, stream)->fencing_token == one->token);
      }
    }
  }

  Service service_;
  LifeModel model_;
  std::vector<OpenRead> reads_;
  std::uint64_t now_ = 1'000'000;
  std::uint64_t bodies_ = 0;
};

TEST(ServiceModel, WhatIsDeletedIsGoneAndItsNameBeginsAnew) {
  ASSERT_TRUE(rc::check("lives of basins and streams", [] {
    Lives lives;
    for (int steps = of_any_size(10, 100); steps > 0; --steps) lives.step();
  }));
}

}  // namespace
}  // namespace s2::emulator
