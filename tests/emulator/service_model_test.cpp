// The service against a model of a page: a vector of records, a first one that is left, a token. Whatever is
// done to both, they answer the same, and what was acknowledged is what a read shows.
#include <rapidcheck.h>

#include <algorithm>

#include "service_fixture.h"

namespace s2::emulator {
namespace {

constexpr std::uint64_t kAgeMs = 20'000;  // retention of the stream under test

struct ModelRecord {
  std::uint64_t timestamp;
  std::uint64_t arrival;
  std::string body;
  bool trimmed = false;
};

// What S2 promises of one stream, said as plainly as can be.
struct Model {
  std::vector<ModelRecord> records;  // by sequence number, for ever
  std::string token;
  StreamConfig config;

  std::uint64_t tail() const { return records.size(); }
  std::uint64_t tail_timestamp() const { return records.empty() ? 0 : records.back().timestamp; }
  bool held(std::uint64_t seq_num, std::uint64_t now) const {
    return !records[seq_num].trimmed && records[seq_num].arrival + kAgeMs > now;
  }

  // The status of the answer: 200, 412 or 422.
  int append(const wire::AppendInput& batch, std::uint64_t now) {
    if (batch.fencing_token && *batch.fencing_token != token) return 412;
    if (batch.match_seq_num && *batch.match_seq_num != tail()) return 412;
    const bool requires_timestamp = config.timestamping_mode == TimestampingMode::client_require;
    for (const auto& record : batch.records) {
      if (requires_timestamp && !record.timestamp) return 422;
    }
    std::uint64_t trim_to = 0;
    for (const auto& record : batch.records) {
      std::uint64_t timestamp = record.timestamp.value_or(now);
      if (config.timestamping_mode == TimestampingMode::arrival) timestamp = now;
      if (!config.timestamping_uncapped && timestamp > now) timestamp = now;
      records.push_back({std::max(timestamp, tail_timestamp()), now, std::string(record.body)});
      if (wire::is_command(record.headers)) {
        if (record.headers[0].value == "fence") {
          token = std::string(record.body);
        } else {
          std::uint64_t point = 0;
          for (const unsigned char byte : record.body.view()) point = point * 256 + byte;
          trim_to = std::max(trim_to, std::min(point, tail()));
        }
      }
    }
    for (std::uint64_t i = 0; i < trim_to; ++i) records[i].trimmed = true;
    return 200;
  }
};

template <class T>
rc::Gen<std::optional<T>> sometimes(rc::Gen<T> gen) {
  return rc::gen::oneOf(rc::gen::just(std::optional<T>()), rc::gen::map(std::move(gen), [](T value) {
                          return std::optional<T>(std::move(value));
                        }));
}

wire::AppendRecord draw_record(const Model& model, std::uint64_t now) {
  const int kind = *rc::gen::inRange(0, 10);
  wire::AppendRecord out;
  if (kind == 0) {
    out = wire::fence_command(*rc::gen::elementOf(std::vector<std::string>{"", "a", "b"}));
  } else if (kind == 1) {
    out = wire::trim_command(*rc::gen::inRange<std::uint64_t>(0, model.tail() + 10));
  } else {
    out.body = *rc::gen::elementOf(std::vector<std::string>{"", "x", std::string(300, 'y')});
  }
  out.timestamp = *sometimes(rc::gen::inRange<std::uint64_t>(now - 5000, now + 5000));
  return out;
}

wire::AppendInput draw_append(const Model& model, std::uint64_t now) {
  wire::AppendInput batch;
  const int count = *rc::gen::inRange(1, 5);
  for (int i = 0; i < count; ++i) batch.records.push_back(draw_record(model, now));
  if (*rc::gen::inRange(0, 4) == 0)
    batch.match_seq_num = model.tail() + *rc::gen::inRange<std::uint64_t>(0, 2);
  if (*rc::gen::inRange(0, 4) == 0)
    batch.fencing_token = *rc::gen::elementOf(std::vector<std::string>{"", "a", "b"});
  return batch;
}

void append_to_both(Service& service, Model& model, std::uint64_t now) {
  wire::AppendInput batch = draw_append(model, now);
  const std::uint64_t start = model.tail();
  const int expected = model.append(batch, now);
  const auto ack = service.append(kBasin, kStream, std::move(batch), now);
  RC_ASSERT((ack ? 200 : ack.error().status) == expected);
  if (!ack) {
    RC_ASSERT(model.tail() == start);
    if (ack.error().seq_num_mismatch) RC_ASSERT(*ack.error().seq_num_mismatch == start);
    if (ack.error().fencing_token_mismatch) RC_ASSERT(*ack.error().fencing_token_mismatch == model.token);
    return;
  }
  RC_ASSERT(ack->start == (wire::StreamPosition{start, model.records[start].timestamp}));
  RC_ASSERT(ack->end == (wire::StreamPosition{model.tail(), model.tail_timestamp()}));
  RC_ASSERT(ack->tail == ack->end);
}

// What a session with these bounds must show, record by record.
std::vector<std::uint64_t> expected_read(const Model& model, const ReadRequest& request, std::uint64_t start,
                                         std::uint64_t now) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t i = start; i < model.tail(); ++i) {
    if (!model.held(i, now)) continue;
    if (request.count && out.size() >= *request.count) break;
    if (request.until && model.records[i].timestamp >= *request.until) break;
    out.push_back(i);
  }
  return out;
}

ReadRequest draw_read(const Model& model, std::uint64_t now) {
  ReadRequest request;
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      request.from = FromSeqNum{*rc::gen::inRange<std::uint64_t>(0, model.tail() + 3)};
      break;
    case 1:
      request.from = FromTimestamp{*rc::gen::inRange<std::uint64_t>(now - 30'000, now + 6000)};
      break;
    default:
      request.from = FromTailOffset{*rc::gen::inRange<std::uint64_t>(0, model.tail() + 3)};
      break;
  }
  request.clamp = *rc::gen::arbitrary<bool>();
  request.count = *sometimes(rc::gen::inRange<std::uint64_t>(0, 12));
  request.until = *sometimes(rc::gen::inRange<std::uint64_t>(now - 5000, now + 6000));
  request.wait_secs = *sometimes(rc::gen::inRange<std::uint32_t>(0, 2));
  request.unary = *rc::gen::arbitrary<bool>();
  return request;
}

void read_both(Service& service, const Model& model, std::uint64_t now) {
  const ReadRequest request = draw_read(model, now);
  // Where it starts, by the model.
  std::optional<std::uint64_t> start;
  if (const auto* at = std::get_if<FromSeqNum>(&request.from)) {
    if (at->seq_num <= model.tail()) start = at->seq_num;
  } else if (const auto* at_time = std::get_if<FromTimestamp>(&request.from)) {
    if (at_time->timestamp <= model.tail_timestamp()) {
      start = 0;
      while (*start < model.tail() &&
             (!model.held(*start, now) || model.records[*start].timestamp < at_time->timestamp)) {
        ++*start;
      }
    }
  } else {
    const std::uint64_t offset = std::get<FromTailOffset>(request.from).tail_offset;
    start = offset > model.tail() ? 0 : model.tail() - offset;
  }
  if (!start && request.clamp) start = model.tail();

  auto cursor = service.open_read(kBasin, kStream, request, now);
  const auto* timestamp = std::get_if<FromTimestamp>(&request.from);
  if (timestamp && request.until && timestamp->timestamp >= *request.until) {
    RC_ASSERT(cursor.error().status == 422);
    return;
  }
  if (!start || (*start == model.tail() && !may_follow(request))) {
    RC_ASSERT(!cursor);
    RC_ASSERT(cursor.error().status == 416);
    RC_ASSERT(cursor.error().tail == (wire::StreamPosition{model.tail(), model.tail_timestamp()}));
    return;
  }
  RC_ASSERT(static_cast<bool>(cursor));
  std::vector<std::uint64_t> shown;
  std::uint64_t last_timestamp = 0;
  auto step = service.step(*cursor, now);
  for (; step && step->kind == ReadStep::Kind::batch; step = service.step(*cursor, now)) {
    for (const wire::SequencedRecord& record : step->batch.records) {
      RC_ASSERT((shown.empty() || record.seq_num == shown.back() + 1));  // dense
      RC_ASSERT(record.timestamp >= last_timestamp);
      RC_ASSERT(record.timestamp == model.records[record.seq_num].timestamp);
      RC_ASSERT(record.body == model.records[record.seq_num].body);
      last_timestamp = record.timestamp;
      shown.push_back(record.seq_num);
    }
    const bool reaches_tail = shown.back() + 1 == model.tail();
    RC_ASSERT(step->batch.tail.has_value() == reaches_tail);
  }
  RC_ASSERT(static_cast<bool>(step));
  const auto expected = expected_read(model, request, *start, now);
  RC_ASSERT(shown == expected);
  const bool bounded_out = request.count && shown.size() >= *request.count;
  const bool at_tail = cursor->next_seq_num == model.tail();
  RC_ASSERT((step->kind == ReadStep::Kind::waiting) == (at_tail && !bounded_out && may_follow(request)));
}

StreamConfigLayer draw_config() {
  StreamConfigLayer config;
  config.retention = Retention{kAgeMs / 1000};
  config.timestamping_mode = *rc::gen::element(TimestampingMode::client_prefer,
                                               TimestampingMode::client_require, TimestampingMode::arrival);
  config.timestamping_uncapped = *rc::gen::arbitrary<bool>();
  return config;
}

TEST(ServiceModel, AnswersAsTheModelDoesWhateverIsDone) {
  ASSERT_TRUE(rc::check("service and model agree", [] {
    Service service;
    std::uint64_t now = 1'000'000;
    const StreamConfigLayer config = draw_config();
    RC_ASSERT(static_cast<bool>(service.create_basin(kBasin, {}, std::nullopt, now)));
    RC_ASSERT(static_cast<bool>(service.create_stream(kBasin, kStream, config, std::nullopt, now)));
    Model model;
    model.config = merge(config, {});
    const int operations = *rc::gen::inRange(1, 60);
    for (int i = 0; i < operations; ++i) {
      const int kind = *rc::gen::inRange(0, 10);
      if (kind < 5) {
        append_to_both(service, model, now);
      } else if (kind < 9) {
        read_both(service, model, now);
      } else {
        now += *rc::gen::inRange<std::uint64_t>(0, kAgeMs);
      }
      const auto tail = service.check_tail(kBasin, kStream, now);
      RC_ASSERT(*tail == (wire::StreamPosition{model.tail(), model.tail_timestamp()}));
      std::uint64_t held = 0;
      for (std::uint64_t seq_num = 0; seq_num < model.tail(); ++seq_num)
        held += model.held(seq_num, now) ? 1 : 0;
      const StreamState state = *service.stream_state(kBasin, kStream);
      RC_ASSERT(state.records == held);
      RC_ASSERT(state.fencing_token == model.token);
    }
  }));
}

TEST(ServiceModel, BytesHeldAreTheSumOfWhatIsRead) {
  ASSERT_TRUE(rc::check("bytes add up after appends and trims", [] {
    Service service;
    BasinConfig basin;
    basin.create_stream_on_append = true;
    RC_ASSERT(static_cast<bool>(service.create_basin(kBasin, basin, std::nullopt, 1)));
    Model model;
    const int appends = *rc::gen::inRange(1, 20);
    for (int i = 0; i < appends; ++i) {
      wire::AppendInput batch = draw_append(model, 10'000);
      batch.match_seq_num.reset();
      batch.fencing_token.reset();
      model.append(batch, 10'000);
      RC_ASSERT(static_cast<bool>(service.append(kBasin, kStream, std::move(batch), 10'000)));
    }
    std::size_t bytes = 0;
    auto cursor = service.open_read(kBasin, kStream, from_seq_num(0), 10'000);
    RC_ASSERT(static_cast<bool>(cursor));
    for (auto step = service.step(*cursor, 10'000); step->kind == ReadStep::Kind::batch;
         step = service.step(*cursor, 10'000)) {
      for (const wire::SequencedRecord& record : step->batch.records) bytes += wire::metered_bytes(record);
    }
    RC_ASSERT(service.stream_state(kBasin, kStream)->metered_bytes == bytes);
  }));
}

}  // namespace
}  // namespace s2::emulator
