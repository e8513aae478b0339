// What a writer's appends left in the emulator of a test, as its observer sees it.
#pragma once

#include <nlohmann/json.hpp>

#include "emulator/emulator.h"

namespace s2::writer::test {

// Calls `each` with every envelope of a commit, in order; other moments, and fences, have none. On the
// emulator's thread.
template <class Each>
void each_committed(const emulator::ProtocolEvent& moment, Each each) {
  if (moment.moment != emulator::Moment::committed || moment.input == nullptr) return;
  for (const wire::AppendRecord& record : moment.input->records) {
    const auto envelope = nlohmann::json::parse(record.body.view(), nullptr, false);
    if (envelope.is_object() && envelope["seq"].is_number()) each(envelope);
  }
}

}  // namespace s2::writer::test
