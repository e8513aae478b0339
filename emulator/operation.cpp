// See operation.h.
#include "emulator/operation.h"

#include <algorithm>

#include "emulator/request.h"

namespace s2::emulator {
namespace {

struct OperationRun : std::enable_shared_from_this<OperationRun> {
  OperationRun(Stage& s, ExchangePtr e, Operation o)
      : stage(s), exchange(std::move(e)), operation(std::move(o)), generation(s.generation) {}

  Stage& stage;
  const ExchangePtr exchange;
  const Operation operation;
  const std::uint64_t generation;
  std::optional<Fault> fault;

  bool is(FaultKind kind, FaultWhen when) const {
    return fault && fault->kind == kind && fault->when == when;
  }

  void later(void (OperationRun::*step)()) {
    using std::chrono::milliseconds;
    auto left = fault->duration;
    if (fault->kind == FaultKind::delay)
      left = std::max(std::chrono::ceil<milliseconds>(left - operation.waited), milliseconds(0));
    stage.clock.after(left, [self = shared_from_this(), step] {
      if (self->generation == self->stage.generation) ((*self).*step)();
    });
  }

  void begin() {
    if (stage.forbids) {
      if (const auto refused = stage.forbids(*exchange, operation)) return operation.refuse(*refused);
    }
    fault = stage.faults.next(operation.op, operation.basin, operation.stream);
    if (fault) {
      announce();
      if (fault->kind == FaultKind::goaway) exchange->goaway();
      if (fault->kind == FaultKind::bandwidth) exchange->limit_bandwidth(fault->bytes);
      if (fault->kind == FaultKind::truncate) exchange->truncate_body(fault->bytes);
      if (is(FaultKind::cut, FaultWhen::mid_response)) exchange->cut_mid_response();
      if (is(FaultKind::delay, FaultWhen::before_commit)) return later(&OperationRun::perform);
      if (fault->kind == FaultKind::late_twin) {
        exchange->cut();
        return later(&OperationRun::perform);
      }
      if (interfere(FaultWhen::before_commit)) return;
    }
    perform();
  }

  void perform() {
    operation.perform([self = shared_from_this()] { self->performed(); });
  }

  void performed() {
    if (is(FaultKind::delay, FaultWhen::after_commit)) return later(&OperationRun::tell);
    if (fault && interfere(FaultWhen::after_commit)) return;
    tell();
  }

  void tell() { operation.answer(); }

  // What ends the operation's normal course at that place.
  bool interfere(FaultWhen when) {
    if (is(FaultKind::status, when)) {
      operation.refuse(refusal(fault->status, fault->code, "this answer comes from the fault plan"));
    } else if (is(FaultKind::cut, when)) {
      exchange->cut();
    } else if (is(FaultKind::hang, when)) {
      exchange->hang();
    } else {
      return false;
    }
    return true;
  }

  void announce() {
    ProtocolEvent event = event_of(Moment::fault_fired);
    event.connection = exchange->connection();
    event.basin = operation.basin;
    event.stream = operation.stream;
    event.detail = fault->describe();
    stage.moments.emit(std::move(event));
  }
};

}  // namespace

void run(Stage& stage, const ExchangePtr& exchange, Operation operation) {
  std::make_shared<OperationRun>(stage, exchange, std::move(operation))->begin();
}

}  // namespace s2::emulator
