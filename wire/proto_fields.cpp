// Tags, varints and lengths of a message that somebody else wrote.
#include "wire/proto_fields.h"

#include <limits>
#include <protozero/exception.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

namespace s2::wire {
namespace {

using protozero::pbf_wire_type;

constexpr std::ptrdiff_t kMaxVarintBytes = 10;
constexpr unsigned kWireTypeBits = 3;

bool is(unsigned wire_type, pbf_wire_type expected) {
  return wire_type == static_cast<unsigned>(expected);
}

}  // namespace

bool ProtoFields::fail(std::string_view what) {
  if (what_.empty()) {
    what_ = what;
    if (number_ != 0) what_ += " (field " + std::to_string(number_) + ")";
  }
  return false;
}

bool ProtoFields::fail_as(const ProtoFields& inner) {
  return fail(inner.what_);
}

bool ProtoFields::varint(std::uint64_t& out) {
  const char* const begin = at_;
  try {
    out = protozero::decode_varint(&at_, end_);
  } catch (const protozero::exception&) {
    return fail("a varint without end");
  }
  // The tenth byte holds bit 63 only; protozero drops what is above.
  if (at_ - begin == kMaxVarintBytes && static_cast<unsigned char>(begin[kMaxVarintBytes - 1]) > 1)
    return fail("a number over 64 bits");
  return true;
}

bool ProtoFields::next() {
  if (failed() || at_ == end_) return false;
  number_ = 0;
  std::uint64_t tag = 0;
  if (!varint(tag)) return false;
  if (tag > std::numeric_limits<std::uint32_t>::max() || tag >> kWireTypeBits == 0)
    return fail("an impossible field number");
  number_ = static_cast<std::uint32_t>(tag >> kWireTypeBits);
  wire_type_ = static_cast<unsigned>(tag) & ((1U << kWireTypeBits) - 1);
  return true;
}

bool ProtoFields::take(std::uint64_t size, std::string_view& out) {
  if (size > static_cast<std::uint64_t>(end_ - at_)) return fail("a length past the end");
  out = std::string_view(at_, static_cast<std::size_t>(size));
  at_ += size;
  return true;
}

bool ProtoFields::u64(std::uint64_t& out) {
  return is(wire_type_, pbf_wire_type::varint) ? varint(out) : fail("expected a varint");
}

bool ProtoFields::bytes(std::string_view& out) {
  if (!is(wire_type_, pbf_wire_type::length_delimited)) return fail("expected a length and bytes");
  std::uint64_t size = 0;
  return varint(size) && take(size, out);
}

bool ProtoFields::skip() {
  std::string_view ignored;
  std::uint64_t value = 0;
  if (is(wire_type_, pbf_wire_type::varint)) return varint(value);
  if (is(wire_type_, pbf_wire_type::fixed64)) return take(sizeof(std::uint64_t), ignored);
  if (is(wire_type_, pbf_wire_type::length_delimited)) return bytes(ignored);
  if (is(wire_type_, pbf_wire_type::fixed32)) return take(sizeof(std::uint32_t), ignored);
  return fail("an unknown wire type");
}

}  // namespace s2::wire
