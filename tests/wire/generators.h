// RapidCheck generators for what S2 talks about, for the tests of every room.
//
// rc::gen::arbitrary<wire::AppendInput>() and the like give any value that the types can hold (bytes in
// bodies and headers, empty names, extreme numbers); valid_append_input() gives only what the service accepts
// from anybody. Values print as base64 JSON when a property fails.
#pragma once

#include <rapidcheck.h>

#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "wire/json.h"
#include "wire/types.h"

namespace s2::wire {

inline void showValue(const AppendInput& input, std::ostream& out) {
  out << to_json(input, Format::base64);
}
inline void showValue(const AppendAck& ack, std::ostream& out) {
  out << to_json(ack);
}
inline void showValue(const ReadBatch& batch, std::ostream& out) {
  out << to_json(batch, Format::base64);
}

}  // namespace s2::wire

namespace s2::generators {

// Any bytes at all.
inline rc::Gen<std::string> bytes() {
  return rc::gen::container<std::string>(rc::gen::map(
      rc::gen::arbitrary<std::uint8_t>(), [](std::uint8_t byte) { return static_cast<char>(byte); }));
}

// Valid UTF-8, with what tends to go wrong in it: NUL, controls, quotes, markup, U+2028, four-byte
// characters.
inline rc::Gen<std::string> text() {
  const auto piece = rc::gen::oneOf(
      rc::gen::map(rc::gen::inRange(0, 128), [](int c) { return std::string(1, static_cast<char>(c)); }),
      rc::gen::elementOf(std::vector<std::string>{"\"", "\\", "\r\n", "é", "ß", "\u2028", "\uFFFD", "日本",
                                                  "😀", "</script>", "\x1b[2J", "0123456789abcdef"}));
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& pieces) {
                        std::string joined;
                        for (const std::string& one : pieces) joined += one;
                        return joined;
                      });
}

// Numbers of every size, the edges of a varint and of 64 bits among them.
inline rc::Gen<std::uint64_t> number() {
  return rc::gen::oneOf(
      rc::gen::arbitrary<std::uint64_t>(),
      rc::gen::element<std::uint64_t>(0, 1, 127, 128, 16383, 16384, 1ULL << 32, 1ULL << 53, 1ULL << 63,
                                      std::numeric_limits<std::uint64_t>::max()));
}

template <class T>
rc::Gen<std::optional<T>> optionally(rc::Gen<T> value) {
  return rc::gen::map(rc::gen::maybe(std::move(value)), [](const rc::Maybe<T>& maybe) {
    return maybe ? std::optional<T>(*maybe) : std::nullopt;
  });
}

inline rc::Gen<wire::StreamPosition> position() {
  return rc::gen::build<wire::StreamPosition>(rc::gen::set(&wire::StreamPosition::seq_num, number()),
                                              rc::gen::set(&wire::StreamPosition::timestamp, number()));
}

inline rc::Gen<std::vector<wire::Header>> headers(const rc::Gen<std::string>& name,
                                                  const rc::Gen<std::string>& value) {
  return rc::gen::container<std::vector<wire::Header>>(rc::gen::build<wire::Header>(
      rc::gen::set(&wire::Header::name, name), rc::gen::set(&wire::Header::value, value)));
}

// With every name, value and body from `content`.
inline rc::Gen<wire::AppendInput> append_input(const rc::Gen<std::string>& content) {
  const auto record = rc::gen::build<wire::AppendRecord>(
      rc::gen::set(&wire::AppendRecord::timestamp, optionally(number())),
      rc::gen::set(&wire::AppendRecord::headers, headers(content, content)),
      rc::gen::set(&wire::AppendRecord::body, rc::gen::cast<wire::Bytes>(content)));
  return rc::gen::build<wire::AppendInput>(
      rc::gen::set(&wire::AppendInput::records,
                   rc::gen::scale(0.3, rc::gen::container<std::vector<wire::AppendRecord>>(record))),
      rc::gen::set(&wire::AppendInput::match_seq_num, optionally(number())),
      rc::gen::set(&wire::AppendInput::fencing_token,
                   optionally(rc::gen::resize(2, text()))));  // at most 36 bytes
}

inline rc::Gen<wire::ReadBatch> read_batch(const rc::Gen<std::string>& content) {
  const auto record = rc::gen::build<wire::SequencedRecord>(
      rc::gen::set(&wire::SequencedRecord::seq_num, number()),
      rc::gen::set(&wire::SequencedRecord::timestamp, number()),
      rc::gen::set(&wire::SequencedRecord::headers, headers(content, content)),
      rc::gen::set(&wire::SequencedRecord::body, content));
  return rc::gen::build<wire::ReadBatch>(
      rc::gen::set(&wire::ReadBatch::records,
                   rc::gen::scale(0.3, rc::gen::container<std::vector<wire::SequencedRecord>>(record))),
      rc::gen::set(&wire::ReadBatch::tail, optionally(position())));
}

// What S2 accepts from anybody: 1 to 20 small records, header names not empty, no condition, no timestamp (so
// that no rule of the stream about time matters).
inline rc::Gen<wire::AppendInput> valid_append_input() {
  const auto record = rc::gen::build<wire::AppendRecord>(
      rc::gen::set(&wire::AppendRecord::headers,
                   headers(rc::gen::suchThat(bytes(), [](const std::string& name) { return !name.empty(); }),
                           bytes())),
      rc::gen::set(&wire::AppendRecord::body, rc::gen::cast<wire::Bytes>(bytes())));
  return rc::gen::mapcat(rc::gen::inRange<std::size_t>(1, 21), [record](std::size_t count) {
    return rc::gen::build<wire::AppendInput>(rc::gen::set(
        &wire::AppendInput::records, rc::gen::container<std::vector<wire::AppendRecord>>(count, record)));
  });
}

}  // namespace s2::generators

namespace rc {

template <>
struct Arbitrary<s2::wire::AppendInput> {
  static Gen<s2::wire::AppendInput> arbitrary() {
    return s2::generators::append_input(s2::generators::bytes());
  }
};

template <>
struct Arbitrary<s2::wire::AppendAck> {
  static Gen<s2::wire::AppendAck> arbitrary() {
    return gen::build<s2::wire::AppendAck>(gen::set(&s2::wire::AppendAck::start, s2::generators::position()),
                                           gen::set(&s2::wire::AppendAck::end, s2::generators::position()),
                                           gen::set(&s2::wire::AppendAck::tail, s2::generators::position()));
  }
};

template <>
struct Arbitrary<s2::wire::ReadBatch> {
  static Gen<s2::wire::ReadBatch> arbitrary() { return s2::generators::read_batch(s2::generators::bytes()); }
};

}  // namespace rc
