// The fields of a protobuf message, one after another, each checked before it is taken.
//
// For the codecs of this folder. On top of protozero's varints, because its reader takes tags and lengths
// modulo 2^32, cuts numbers over 64 bits, and asserts where a peer sends another wire type than ours. Calls
// return false once something is wrong; error() then says what. The bytes must outlive the reader; a reader
// belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/error.h"

namespace s2::wire {

class ProtoFields {
 public:
  explicit ProtoFields(std::string_view message) : at_(message.data()), end_(at_ + message.size()) {}

  // Moves to the next field; false at the end and when something is wrong: failed() tells which.
  bool next();
  std::uint32_t number() const { return number_; }

  // The value of the field that next() found, in its one right wire type.
  bool u64(std::uint64_t& out);
  bool bytes(std::string_view& out);
  bool skip();  // any wire type but groups, which proto3 does not have

  bool fail(std::string_view what);
  // Takes over what is wrong in the message inside the current field.
  bool fail_as(const ProtoFields& inner);
  bool failed() const { return !what_.empty(); }
  DecodeError error() const { return {DecodeErrorKind::bad_proto, "protobuf: " + what_}; }

 private:
  bool varint(std::uint64_t& out);
  bool take(std::uint64_t size, std::string_view& out);

  const char* at_;
  const char* end_;
  std::uint32_t number_ = 0;
  unsigned wire_type_ = 0;
  std::string what_;
};

}  // namespace s2::wire
