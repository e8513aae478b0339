// Records, appends, acknowledgements and batches as S2's protobuf (proto3, package s2.v1).
//
// Field numbers stand in proto.cpp beside each message. Unknown fields are skipped; a known field of the
// wrong wire type, a length past the end or a repeated-scalar overflow is bad_proto. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "wire/error.h"
#include "wire/types.h"

namespace s2::wire {

std::string to_proto(const AppendInput& input);
void append_proto(std::string& out, const AppendInput& input);  // the same, behind what `out` has
Decoded<AppendInput> append_input_from_proto(std::string_view bytes);

std::string to_proto(const AppendAck& ack);
Decoded<AppendAck> append_ack_from_proto(std::string_view bytes);

std::string to_proto(const ReadBatch& batch);
Decoded<ReadBatch> read_batch_from_proto(std::string_view bytes);

}  // namespace s2::wire
