// GET /v1/streams/{}/records and …/tail: the unary read, check tail, and the way to read sessions and SSE.
// S2 spec "read", "check tail".
#include <algorithm>

#include "emulator/operation.h"
#include "emulator/read_session.h"
#include "emulator/routes.h"
#include "emulator/units.h"
#include "wire/compress.h"
#include "wire/json.h"
#include "wire/proto.h"

namespace s2::emulator {
namespace {

constexpr std::uint32_t kMaxUnaryWaitSecs = 60;

struct ReadArguments {
  Place place;
  StreamConfigLayer if_created;
  ReadRequest read;
  wire::Format format = wire::Format::raw;
};

Result<ReadFrom> read_from(const Query& query) {
  const auto seq_num = query.number("seq_num");
  const auto timestamp = query.number("timestamp");
  const auto tail_offset = query.number("tail_offset");
  if (!seq_num) return tl::unexpected(seq_num.error());
  if (!timestamp) return tl::unexpected(timestamp.error());
  if (!tail_offset) return tl::unexpected(tail_offset.error());
  if (seq_num->has_value() + timestamp->has_value() + tail_offset->has_value() > 1) {
    return invalid("only one of seq_num, timestamp, or tail_offset can be provided");
  }
  if (*seq_num) return FromSeqNum{**seq_num};
  if (*timestamp) return FromTimestamp{**timestamp};
  return FromTailOffset{tail_offset->value_or(0)};
}

// What is left of the bounds behind the last event that an SSE client has seen: "seq_num,count,bytes".
Result<void> resume_after(std::string_view last_event_id, ReadRequest& read) {
  std::uint64_t numbers[3] = {};
  std::string_view rest = last_event_id;
  for (std::uint64_t& number : numbers) {
    const bool is_last = &number == &numbers[2];
    const std::size_t comma = rest.find(',');
    const auto value = parse_decimal(is_last ? rest : rest.substr(0, comma));
    if (!value || (!is_last && comma == std::string_view::npos)) {
      return refuse(400, "bad_header", "Invalid header `last-event-id`: it is `seq_num,count,bytes`");
    }
    number = *value;
    if (!is_last) rest.remove_prefix(comma + 1);
  }
  read.from = FromSeqNum{numbers[0] == ~0ULL ? numbers[0] : numbers[0] + 1};
  if (read.count) *read.count -= std::min(*read.count, numbers[1]);
  if (read.bytes) *read.bytes -= std::min(*read.bytes, numbers[2]);
  return {};
}

Result<ReadArguments> read_arguments(const Request& request) {
  ReadArguments out;
  const Query query(request.query);
  const auto place = place_of(request);
  if (!place) return tl::unexpected(place.error());
  const auto if_created = stream_config_of(request.head());
  if (!if_created) return tl::unexpected(if_created.error());
  const auto from = read_from(query);
  if (!from) return tl::unexpected(from.error());
  const auto clamp = query.boolean("clamp");
  if (!clamp) return tl::unexpected(clamp.error());
  const auto count = query.number("count");
  const auto bytes = query.number("bytes");
  const auto until = query.number("until");
  const auto wait = query.number("wait");
  for (const auto* number : {&count, &bytes, &until, &wait}) {
    if (!*number) return tl::unexpected(number->error());
  }
  const std::string_view format = request.header("s2-format");
  if (!format.empty()) {
    const auto known = wire::format_from_header(format);
    if (!known) return tl::unexpected(refusal(known.error()));
    out.format = *known;
  }
  out.place = *place;
  out.if_created = *if_created;
  out.read.from = *from;
  out.read.clamp = clamp->value_or(false);
  out.read.count = *count;
  out.read.bytes = *bytes;
  out.read.until = *until;
  if (*wait) {
    if (**wait > ~std::uint32_t{0})
      return refuse(400, "bad_query", "query parameter `wait`: over 32 bits of seconds");
    out.read.wait_secs = static_cast<std::uint32_t>(**wait);
  }
  const auto* timestamp = std::get_if<FromTimestamp>(&*from);
  if (timestamp && *until && timestamp->timestamp >= **until) {
    return invalid("start `timestamp` exceeds or equal to `until`");
  }
  return out;
}

std::optional<History::Op> start_history(World& world, const ReadArguments& arguments) {
  const auto* from = std::get_if<FromSeqNum>(&arguments.read.from);
  if (!from || from->seq_num != 0) return std::nullopt;
  return world.history.start_read(arguments.place.basin, arguments.place.stream);
}

// A unary read under way; with `wait` it sits at the tail until a record comes or the time is over.
struct UnaryRead : std::enable_shared_from_this<UnaryRead> {
  UnaryRead(World& w, Request r, ReadArguments a)
      : world(w), request(std::move(r)), arguments(std::move(a)) {}

  World& world;
  const Request request;
  ReadArguments arguments;
  std::optional<History::Op> history;
  ReadCursor cursor;
  Subscription subscription;
  Clock::TimerId timer = 0;
  std::function<void()> next;
  Result<wire::ReadBatch> result;
  bool woken = false;

  void begin() {
    arguments.read.unary = true;
    if (arguments.read.wait_secs) {
      arguments.read.wait_secs = std::min(*arguments.read.wait_secs, kMaxUnaryWaitSecs);
    }
    history = start_history(world, arguments);
    Operation operation;
    operation.op = "read";
    operation.basin = arguments.place.basin;
    operation.stream = arguments.place.stream;
    const auto self = shared_from_this();
    operation.perform = [self](std::function<void()> performed) { self->open(std::move(performed)); };
    operation.answer = [self] { self->answer(); };
    operation.refuse = [self](const wire::ApiError& error) {
      self->result = tl::unexpected(error);
      self->answer();
    };
    run(world, request.exchange, std::move(operation));
  }

  void open(std::function<void()> performed) {
    next = std::move(performed);
    const auto opened = world.service.open_read(arguments.place.basin, arguments.place.stream, arguments.read,
                                                world.clock.now_ms(), arguments.if_created);
    if (!opened) return done(tl::unexpected(opened.error()));
    cursor = *opened;
    step(true);
  }

  void step(bool may_wait) {
    auto step = world.service.step(cursor, world.clock.now_ms());
    if (!step) return done(tl::unexpected(step.error()));
    if (step->kind == ReadStep::Kind::waiting && may_wait) return wait();
    done(std::move(step->batch));
  }

  void wait() {
    if (!request.exchange->is_open()) return abandon();
    const auto self = shared_from_this();
    auto subscribed = world.service.subscribe(cursor, [weak = weak_from_this()] {
      const auto reader = weak.lock();
      if (!reader || std::exchange(reader->woken, true)) return;
      reader->world.soon([reader] { reader->stop_waiting(); });
    });
    if (!subscribed) return done(tl::unexpected(subscribed.error()));
    subscription = std::move(*subscribed);
    timer = world.clock.after(std::chrono::seconds(arguments.read.wait_secs.value_or(0)),
                              [self] { self->stop_waiting(); });
    request.exchange->on_gone = [self] { self->abandon(); };
  }

  void stop_waiting() {
    if (!next) return;
    leave();
    step(false);
  }

  void leave() {
    world.clock.cancel(std::exchange(timer, 0));
    subscription = {};
  }

  // The client is gone: nothing goes on, and the operation that waits for `next` is let go with it.
  void abandon() {
    leave();
    next = nullptr;
    if (history) world.history.withdraw(*std::exchange(history, std::nullopt));
  }

  void done(Result<wire::ReadBatch> what) {
    result = std::move(what);
    if (const auto go_on = std::exchange(next, nullptr)) go_on();
  }

  void answer() {
    if (!result) {
      send_error(world, request, result.error());
    } else if (media_type(request.header("accept")) == MediaType::protobuf) {
      send(world, request, {.body = wire::to_proto(*result), .content_type = "application/protobuf"});
    } else {
      send(world, request, {.body = wire::to_json(*result, arguments.format)});
    }
    if (!history) return;
    WholeRead whole;
    if (!result || !whole.take(*result)) return world.history.withdraw(*history);
    request.exchange->after_written([&to = world.history, op = *history, whole](bool written) {
      written ? to.read_success(op, whole) : to.read_failure(op);
    });
  }
};

void read_session(World& world, const Request& request, ReadArguments arguments,
                  std::unique_ptr<ReadVoice> voice) {
  struct Opening {
    std::unique_ptr<ReadVoice> voice;
    Result<ReadCursor> cursor;
    std::optional<History::Op> history;
  };
  const auto opening = std::make_shared<Opening>();
  opening->voice = std::move(voice);
  opening->history = start_history(world, arguments);
  Operation operation;
  operation.op = "read_session";
  operation.basin = arguments.place.basin;
  operation.stream = arguments.place.stream;
  const auto give_up = [&world, request, opening](const wire::ApiError& error) {
    if (opening->history) world.history.withdraw(*opening->history);
    send_error(world, request, error);
  };
  operation.perform = [&world, arguments, opening](const std::function<void()>& next) {
    opening->cursor = world.service.open_read(arguments.place.basin, arguments.place.stream, arguments.read,
                                              world.clock.now_ms(), arguments.if_created);
    next();
  };
  operation.answer = [&world, request, opening, give_up, wait = arguments.read.wait_secs] {
    if (!opening->cursor) return give_up(opening->cursor.error());
    start_read_session(world, request.exchange, {*opening->cursor, wait, opening->history},
                       std::move(opening->voice));
  };
  operation.refuse = give_up;
  run(world, request.exchange, std::move(operation));
}

void read(World& world, Request request) {
  auto arguments = read_arguments(request);
  if (!arguments) return send_error(world, request, arguments.error());
  if (media_type(request.header("content-type")) == MediaType::s2s) {
    const auto how = wire::best_accepted(request.header("accept-encoding"));
    return read_session(world, request, std::move(*arguments), make_s2s_voice(how));
  }
  if (media_type(request.header("accept")) == MediaType::event_stream) {
    const std::string_view last_event_id = request.header("last-event-id");
    if (!last_event_id.empty()) {
      const auto resumed = resume_after(last_event_id, arguments->read);
      if (!resumed) return send_error(world, request, resumed.error());
    }
    const wire::Format format = arguments->format;
    return read_session(world, request, std::move(*arguments), make_sse_voice(format));
  }
  std::make_shared<UnaryRead>(world, std::move(request), std::move(*arguments))->begin();
}

void check_tail(World& world, Request request) {
  const auto place = place_of(request);
  if (!place) return send_error(world, request, place.error());
  const auto if_created = stream_config_of(request.head());
  if (!if_created) return send_error(world, request, if_created.error());
  const auto op = world.history.start_check_tail(place->basin, place->stream);
  const auto tail = std::make_shared<Result<wire::StreamPosition>>();
  Operation operation;
  operation.op = "check_tail";
  operation.basin = place->basin;
  operation.stream = place->stream;
  operation.perform = [&world, place = *place, if_created = *if_created,
                       tail](const std::function<void()>& next) {
    *tail = world.service.check_tail(place.basin, place.stream, world.clock.now_ms(), if_created);
    next();
  };
  operation.answer = [&world, request, op, tail] {
    send(world, request, *tail ? Answer{.body = wire::tail_to_json(**tail)} : error_answer(tail->error()));
    request.exchange->after_written([&world, op, tail](bool written) {
      written && *tail ? world.history.check_tail_success(op, (*tail)->seq_num)
                       : world.history.check_tail_failure(op);
    });
  };
  operation.refuse = [&world, request, op](const wire::ApiError& error) {
    send_error(world, request, error);
    world.history.check_tail_failure(op);
  };
  run(world, request.exchange, std::move(operation));
}

}  // namespace

const std::vector<Route>& read_routes() {
  static const std::vector<Route> kRoutes = {{"GET", "/v1/streams/{}/records", read},
                                             {"GET", "/v1/streams/{}/records/tail", check_tail}};
  return kRoutes;
}

}  // namespace s2::emulator
