// Records: append, check tail, read. Basins and streams as resources are in service.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/errors.h"
#include "emulator/service.h"
#include "emulator/service_impl.h"
#include "emulator/stream_rules.h"

namespace s2::emulator {
namespace {

tl::unexpected<wire::ApiError> unwritten(const wire::StreamPosition& tail) {
  wire::ApiError error;
  error.status = 416;
  error.message = "the stream does not reach that far";
  error.tail = tail;
  return tl::unexpected<wire::ApiError>(std::move(error));
}

// S2 spec "append": the fencing token is looked at before match_seq_num.
std::optional<wire::ApiError> failed_condition(const Stream& stream, const wire::AppendInput& input) {
  wire::ApiError error;
  error.status = 412;
  if (input.fencing_token && *input.fencing_token != stream.fencing_token) {
    error.message = "the fencing token is not the stream's";
    error.fencing_token_mismatch = stream.fencing_token;
    return error;
  }
  const std::uint64_t next = stream.store.tail().seq_num;
  if (input.match_seq_num && *input.match_seq_num != next) {
    error.message =
        fmt::format("match_seq_num is {}, the next sequence number {}", *input.match_seq_num, next);
    error.seq_num_mismatch = next;
    return error;
  }
  return std::nullopt;
}

// Where a read starts. Beyond the tail: nothing.
std::optional<std::uint64_t> start_of(const Store& store, const ReadFrom& from) {
  const wire::StreamPosition tail = store.tail();
  if (const auto* at = std::get_if<FromSeqNum>(&from)) {
    if (at->seq_num > tail.seq_num) return std::nullopt;
    return at->seq_num;
  }
  if (const auto* at = std::get_if<FromTimestamp>(&from)) {
    if (at->timestamp > tail.timestamp) return std::nullopt;
    return store.find_timestamp(at->timestamp);
  }
  return tail.seq_num - std::min(tail.seq_num, std::get<FromTailOffset>(from).tail_offset);
}

std::optional<std::uint64_t> at_most(const std::optional<std::uint64_t>& given, bool capped,
                                     std::uint64_t cap) {
  if (!capped) return given;
  return std::min(given.value_or(cap), cap);
}

void use_up(std::optional<std::uint64_t>& left, std::uint64_t used) {
  if (left) *left -= used;
}

}  // namespace

bool may_follow(const ReadRequest& request) {
  const bool bounded = request.unary || request.count || request.bytes || request.until;
  return !bounded || request.wait_secs.value_or(0) > 0;
}

Result<void> Service::check_input(const wire::AppendInput& input) {
  return check_append_input(input).map([](std::size_t) {});
}

Result<void> Service::open_for_append(std::string_view basin, std::string_view stream, std::uint64_t now,
                                      const StreamConfigLayer& if_created) {
  return impl_->find_or_create(basin, stream, &BasinConfig::create_stream_on_append, if_created, now)
      .map([](Stream*) {});
}

Result<wire::AppendAck> Service::append(std::string_view basin, std::string_view stream,
                                        wire::AppendInput&& input, std::uint64_t now,
                                        const StreamConfigLayer& if_created) {
  Result<wire::AppendAck> ack =
      check_append_input(input)
          .and_then([&](std::size_t) {
            return impl_->find_or_create(basin, stream, &BasinConfig::create_stream_on_append, if_created,
                                         now);
          })
          .and_then([&](Stream* found) { return impl_->commit(*found, std::move(input), now); });
  if (!ack) ++impl_->counted.appends_refused;
  return ack;
}

Result<wire::AppendAck> Service::Impl::commit(Stream& stream, wire::AppendInput&& input, std::uint64_t now) {
  if (auto error = failed_condition(stream, input)) return tl::unexpected<wire::ApiError>(*std::move(error));
  for (const wire::AppendRecord& record : input.records) {
    if (!timestamp_for(record.timestamp, now, stream.config)) {
      return invalid("the stream requires a timestamp on each record, one has none");
    }
  }
  // Nothing refuses from here on.
  std::uint64_t trim_point = 0;
  wire::AppendAck ack;
  ack.start.seq_num = stream.store.tail().seq_num;
  for (std::size_t i = 0; i < input.records.size(); ++i) {
    wire::AppendRecord& record = input.records[i];
    if (std::optional<Command> command = command_of(record)) {
      if (auto* fence = std::get_if<Fence>(&*command)) {
        stream.fencing_token = std::move(fence->token);
      } else {
        const std::uint64_t beyond_itself = stream.store.tail().seq_num + 1;
        trim_point = std::max(trim_point, std::min(std::get<Trim>(*command).trim_point, beyond_itself));
      }
    }
    const std::uint64_t timestamp = *timestamp_for(record.timestamp, now, stream.config);
    const std::size_t metered = wire::metered_bytes(record);
    stream.store.append(std::move(record), timestamp, metered, now);
    if (i == 0) ack.start.timestamp = stream.store.tail().timestamp;
  }
  ack.end = ack.tail = stream.store.tail();
  stream.store.trim(trim_point);
  stream.empty_since = now;
  ++counted.appends;
  counted.records_appended += input.records.size();
  stream.tell_subscriptions();
  return ack;
}

Result<wire::StreamPosition> Service::check_tail(std::string_view basin, std::string_view stream,
                                                 std::uint64_t now, const StreamConfigLayer& if_created) {
  return impl_->find_or_create(basin, stream, &BasinConfig::create_stream_on_read, if_created, now)
      .map([](Stream* found) { return found->store.tail(); });
}

Result<ReadCursor> Service::open_read(std::string_view basin, std::string_view stream,
                                      const ReadRequest& request, std::uint64_t now,
                                      const StreamConfigLayer& if_created) {
  const auto* timestamp = std::get_if<FromTimestamp>(&request.from);
  if (timestamp && request.until && timestamp->timestamp >= *request.until) {
    return invalid(fmt::format("timestamp {} is not below until {}", timestamp->timestamp, *request.until));
  }
  const Result<Stream*> found =
      impl_->find_or_create(basin, stream, &BasinConfig::create_stream_on_read, if_created, now);
  if (!found) return tl::unexpected(found.error());
  const Store& store = (*found)->store;
  const wire::StreamPosition tail = store.tail();
  std::optional<std::uint64_t> start = start_of(store, request.from);
  if (!start && request.clamp) start = tail.seq_num;
  if (!start || (*start == tail.seq_num && !may_follow(request))) return unwritten(tail);

  ReadCursor cursor;
  cursor.basin = basin;
  cursor.stream = stream;
  cursor.stream_id = (*found)->id;
  cursor.next_seq_num = *start;
  cursor.count_left = at_most(request.count, request.unary, wire::kMaxBatchRecords);
  cursor.bytes_left = at_most(request.bytes, request.unary, wire::kMaxBatchMeteredBytes);
  cursor.until = request.until;
  cursor.may_follow = may_follow(request);
  return cursor;
}

Result<ReadStep> Service::step(ReadCursor& cursor, std::uint64_t now) {
  Result<Stream*> found = impl_->find_stream(cursor.basin, cursor.stream, now);
  if (!found) return tl::unexpected(found.error());
  if ((*found)->id != cursor.stream_id) {
    return refuse(404, "stream_not_found",
                  fmt::format("stream \"{}\" was deleted while it was read", cursor.stream));
  }
  const Store& store = (*found)->store;
  ReadStep step;
  step.tail = store.tail();
  if (cursor.count_left == 0 || cursor.bytes_left == 0) return step;
  cursor.next_seq_num =
      std::max(cursor.next_seq_num, store.first_seq_num());  // what was trimmed is passed over
  if (cursor.next_seq_num == step.tail.seq_num) {
    if (cursor.may_follow) step.kind = ReadStep::Kind::waiting;
    return step;
  }
  const std::uint64_t max_records =
      std::min<std::uint64_t>(cursor.count_left.value_or(wire::kMaxBatchRecords), wire::kMaxBatchRecords);
  const std::uint64_t max_bytes = std::min<std::uint64_t>(
      cursor.bytes_left.value_or(wire::kMaxBatchMeteredBytes), wire::kMaxBatchMeteredBytes);
  std::uint64_t bytes = 0;
  std::uint64_t end = cursor.next_seq_num;
  while (end < step.tail.seq_num && end - cursor.next_seq_num < max_records &&
         bytes + store.metered_bytes_of(end) <= max_bytes &&
         (!cursor.until || store.record(end).timestamp < *cursor.until)) {
    bytes += store.metered_bytes_of(end++);
  }
  if (end == cursor.next_seq_num) return step;  // a bound denies the next record
  step.kind = ReadStep::Kind::batch;
  step.batch.records.reserve(end - cursor.next_seq_num);
  for (std::uint64_t seq_num = cursor.next_seq_num; seq_num < end; ++seq_num) {
    step.batch.records.push_back(store.record(seq_num));
  }
  if (end == step.tail.seq_num) step.batch.tail = step.tail;
  use_up(cursor.count_left, end - cursor.next_seq_num);
  use_up(cursor.bytes_left, bytes);
  impl_->counted.records_read += end - cursor.next_seq_num;
  cursor.next_seq_num = end;
  return step;
}

Result<Subscription> Service::subscribe(const ReadCursor& cursor, std::function<void()> callback) {
  const auto basin = impl_->basins.find(cursor.basin);
  if (basin != impl_->basins.end()) {
    const auto stream = basin->second.streams.find(cursor.stream);
    if (stream != basin->second.streams.end() && stream->second->id == cursor.stream_id) {
      auto owned = std::make_shared<std::function<void()>>(std::move(callback));
      auto& subscriptions = stream->second->subscriptions;
      std::erase_if(subscriptions, [](const auto& subscription) { return subscription.expired(); });
      subscriptions.push_back(owned);
      return Subscription(std::move(owned));
    }
  }
  return refuse(404, "stream_not_found",
                fmt::format("stream \"{}\" was deleted while it was read", cursor.stream));
}

Result<StreamState> Service::stream_state(std::string_view basin, std::string_view stream) const {
  // As of the last call that gave a time: nothing ages at 0.
  return impl_->find_stream(basin, stream, 0).map([](const Stream* found) {
    StreamState state;
    state.stream_id = found->id;
    state.tail = found->store.tail();
    state.first_seq_num = found->store.first_seq_num();
    state.records = found->store.size();
    state.metered_bytes = found->store.metered_bytes();
    state.fencing_token = found->fencing_token;
    state.subscriptions = static_cast<std::size_t>(
        std::ranges::count_if(found->subscriptions, [](const auto& weak) { return !weak.expired(); }));
    return state;
  });
}

}  // namespace s2::emulator
