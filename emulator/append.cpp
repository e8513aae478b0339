// See append.h.
#include "emulator/append.h"

#include <algorithm>

#include "emulator/operation.h"
#include "emulator/stream_rules.h"

namespace s2::emulator {

#ifdef PLANTED_BUGS
bool delete_drops_append = false;
#endif

namespace {

// A command record needs a permission of its own, and that of an append only beside ordinary records.
std::vector<std::string_view> permissions_for(const wire::AppendInput& input) {
  std::vector<std::string_view> all;
  const auto need = [&](std::string_view permission) {
    if (std::ranges::find(all, permission) == all.end()) all.push_back(permission);
  };
  for (const wire::AppendRecord& record : input.records) {
    const auto command = command_of(record);
    need(!command ? "append" : std::holds_alternative<Fence>(*command) ? "fence" : "trim");
  }
  return all;
}

struct AppendRun : std::enable_shared_from_this<AppendRun> {
  AppendRun(World& w, ExchangePtr e, Append a, TellAppend t)
      : world(w), exchange(std::move(e)), append(std::move(a)), tell(std::move(t)) {}

  World& world;
  const ExchangePtr exchange;
  Append append;
  const TellAppend tell;
  std::uint64_t id = 0;
  wire::AppendInput shown;  // what the observer sees once the service has used up the input
  History::Op op;
  Result<wire::AppendAck> result;

  ProtocolEvent moment(Moment which) const {
    ProtocolEvent event = event_of(which);
    event.connection = exchange->connection();
    event.append_id = id;
    event.basin = append.basin;
    event.stream = append.stream;
    event.input = &shown;
    if (result && which != Moment::append_received) {
      event.start = result->start;
      event.end = result->end;
    }
    return event;
  }

  void begin() {
    id = world.moments.next_append_id();
    op = world.history.start_append(append.basin, append.stream, append.input);
    if (world.moments.observed()) shown = append.input;
    result = tl::unexpected(wire::ApiError{});
    world.moments.emit(moment(Moment::append_received));
    Operation operation;
    operation.op = append.op;
    operation.basin = append.basin;
    operation.stream = append.stream;
    operation.waited = std::chrono::nanoseconds(world.clock.elapsed_ns() - append.arrived_ns);
    if (world.forbids) operation.permissions = permissions_for(append.input);
    const auto self = shared_from_this();
    operation.perform = [self](const std::function<void()>& next) {
      self->commit();
      next();
    };
    operation.answer = [self] { self->answer(self->result); };
    operation.refuse = [self](const wire::ApiError& error) { self->answer(tl::unexpected(error)); };
    run(world, exchange, std::move(operation));
  }

  void commit() {
    result = world.service.append(append.basin, append.stream, std::move(append.input), world.clock.now_ms(),
                                  append.if_created);
    if (result) world.moments.emit(moment(Moment::committed));
  }

  void answer(const Result<wire::AppendAck>& told) {
#ifdef PLANTED_BUGS
    if (delete_drops_append && !told && told.error().code == "stream_not_found") return;
#endif
    tell(told);
    exchange->after_written(
        [self = shared_from_this(), told](bool written) { self->delivered(told, written); });
  }

  void delivered(const Result<wire::AppendAck>& told, bool written) {
    if (!written) return world.history.append_indefinite_failure(op);
    if (told) {
      world.history.append_success(op, told->end.seq_num);
      world.moments.emit(moment(Moment::ack_sent));
      return;
    }
    // An invented refusal after the commit promises nothing, whatever its code says.
    const bool surely_without_effect = !result && wire::is_surely_without_effect(told.error());
    surely_without_effect ? world.history.append_definite_failure(op, told.error())
                          : world.history.append_indefinite_failure(op);
    ProtocolEvent event = moment(Moment::append_refused);
    event.error_code = told.error().code;
    event.detail = wire::to_json(told.error());
    world.moments.emit(std::move(event));
  }
};

}  // namespace

void run_append(World& world, const ExchangePtr& exchange, Append append, TellAppend tell) {
  std::make_shared<AppendRun>(world, exchange, std::move(append), std::move(tell))->begin();
}

}  // namespace s2::emulator
