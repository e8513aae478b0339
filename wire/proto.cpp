// S2's messages in protobuf: out by protozero's varints with sizes known beforehand (no byte is moved), in
// through ProtoFields. proto3: a plain scalar of 0 and empty bytes are left out; the last one of a scalar
// wins; a message that stands twice is merged.
#include "wire/proto.h"

#include <array>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "wire/json.h"
#include "wire/proto_fields.h"

namespace s2::wire {
namespace {

// Field numbers of package s2.v1, a namespace a message.
namespace position_field {
constexpr std::uint32_t kSeqNum = 1, kTimestamp = 2;
}
namespace header_field {
constexpr std::uint32_t kName = 1, kValue = 2;
}
namespace append_record_field {
constexpr std::uint32_t kTimestamp = 1, kHeaders = 2, kBody = 3;
}
namespace append_input_field {
constexpr std::uint32_t kRecords = 1, kMatchSeqNum = 2, kFencingToken = 3;
}
namespace append_ack_field {
constexpr std::uint32_t kStart = 1, kEnd = 2, kTail = 3;
}
namespace sequenced_record_field {
constexpr std::uint32_t kSeqNum = 1, kTimestamp = 2, kHeaders = 3, kBody = 4;
}
namespace read_batch_field {
constexpr std::uint32_t kRecords = 1, kTail = 2;
}

// --- sizes; every field number is below 16, so that a tag is one byte ---

std::size_t varint_size(std::uint64_t value) {
  return 1 + static_cast<std::size_t>(protozero::length_of_varint(value));
}
std::size_t bytes_size(std::size_t size) {
  return varint_size(size) + size;
}
std::size_t scalar_size(std::uint64_t value) {
  return value == 0 ? 0 : varint_size(value);
}
std::size_t scalar_size(std::string_view value) {
  return value.empty() ? 0 : bytes_size(value.size());
}

std::size_t size_of(const StreamPosition& position) {
  return scalar_size(position.seq_num) + scalar_size(position.timestamp);
}

std::size_t size_of(const Header& header) {
  return scalar_size(header.name) + scalar_size(header.value);
}

std::size_t size_of(const std::vector<Header>& headers) {
  std::size_t size = 0;
  for (const Header& header : headers) size += bytes_size(size_of(header));
  return size;
}

std::size_t size_of(const AppendRecord& record) {
  return (record.timestamp ? varint_size(*record.timestamp) : 0) + size_of(record.headers) +
         scalar_size(record.body);
}

std::size_t size_of(const SequencedRecord& record) {
  return scalar_size(record.seq_num) + scalar_size(record.timestamp) + size_of(record.headers) +
         scalar_size(record.body);
}

template <class Record>
std::size_t size_of_all(const std::vector<Record>& records) {
  std::size_t size = 0;
  for (const Record& record : records) size += bytes_size(size_of(record));
  return size;
}

// --- out ---

// Fields behind one another. The varints before a field's bytes leave together: byte by byte into the buffer
// costs more.
class Out {
 public:
  explicit Out(std::string& buffer) : buffer_(buffer) {}

  void add_uint64(std::uint32_t field, std::uint64_t value) {
    add_varints(field, protozero::pbf_wire_type::varint, value);
  }
  void add_bytes(std::uint32_t field, std::string_view bytes) {
    begin_message(field, bytes.size());
    buffer_ += bytes;
  }
  void begin_message(std::uint32_t field, std::size_t size) {
    add_varints(field, protozero::pbf_wire_type::length_delimited, size);
  }

 private:
  void add_varints(std::uint32_t field, protozero::pbf_wire_type type, std::uint64_t value) {
    std::array<char, 2 * protozero::max_varint_length> varints{};
    char* end = varints.data();
    end += protozero::add_varint_to_buffer(end, field << 3 | static_cast<std::uint32_t>(type));
    end += protozero::add_varint_to_buffer(end, value);
    buffer_.append(varints.data(), end);
  }

  std::string& buffer_;
};

void write_scalar(Out& to, std::uint32_t field, std::uint64_t value) {
  if (value != 0) to.add_uint64(field, value);
}

void write_scalar(Out& to, std::uint32_t field, std::string_view value) {
  if (!value.empty()) to.add_bytes(field, value);
}

void write(Out& to, const StreamPosition& position) {
  write_scalar(to, position_field::kSeqNum, position.seq_num);
  write_scalar(to, position_field::kTimestamp, position.timestamp);
}

void write(Out& to, const Header& header) {
  write_scalar(to, header_field::kName, header.name);
  write_scalar(to, header_field::kValue, header.value);
}

void write(Out& to, const AppendRecord& record);
void write(Out& to, const SequencedRecord& record);

// The message's size is known, so its fields simply follow. (protozero's own nested writers lose an empty
// message, and with a size known refuse the field after it.)
template <class Message>
void write_message(Out& to, std::uint32_t field, const Message& message) {
  to.begin_message(field, size_of(message));
  write(to, message);
}

void write(Out& to, const AppendRecord& record) {
  if (record.timestamp) to.add_uint64(append_record_field::kTimestamp, *record.timestamp);
  for (const Header& header : record.headers) write_message(to, append_record_field::kHeaders, header);
  write_scalar(to, append_record_field::kBody, record.body);
}

void write(Out& to, const SequencedRecord& record) {
  write_scalar(to, sequenced_record_field::kSeqNum, record.seq_num);
  write_scalar(to, sequenced_record_field::kTimestamp, record.timestamp);
  for (const Header& header : record.headers) write_message(to, sequenced_record_field::kHeaders, header);
  write_scalar(to, sequenced_record_field::kBody, record.body);
}

// --- in: each returns false with `fields` (the message that it stands in) failed ---

// Reads the message in `fields`' current field by read(inner, value).
template <class Message, class Read>
bool read_message(ProtoFields& fields, Message& out, Read&& read) {
  std::string_view message;
  if (!fields.bytes(message)) return false;
  ProtoFields inner(message);
  return read(inner, out) || fields.fail_as(inner);
}

bool read_bytes(ProtoFields& fields, std::string& out) {
  std::string_view bytes;
  if (!fields.bytes(bytes)) return false;
  out = bytes;
  return true;
}

bool read_bytes(ProtoFields& fields, Bytes& out) {
  std::string own;
  if (!read_bytes(fields, own)) return false;
  out = std::move(own);
  return true;
}

bool read_position(ProtoFields& fields, StreamPosition& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case position_field::kSeqNum:
        fields.u64(out.seq_num);
        break;
      case position_field::kTimestamp:
        fields.u64(out.timestamp);
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

bool read_header(ProtoFields& fields, Header& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case header_field::kName:
        read_bytes(fields, out.name);
        break;
      case header_field::kValue:
        read_bytes(fields, out.value);
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

bool read_append_record(ProtoFields& fields, AppendRecord& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case append_record_field::kTimestamp:
        fields.u64(out.timestamp.emplace());
        break;
      case append_record_field::kHeaders:
        read_message(fields, out.headers.emplace_back(), read_header);
        break;
      case append_record_field::kBody:
        read_bytes(fields, out.body);
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

bool read_append_input(ProtoFields& fields, AppendInput& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case append_input_field::kRecords:
        read_message(fields, out.records.emplace_back(), read_append_record);
        break;
      case append_input_field::kMatchSeqNum:
        fields.u64(out.match_seq_num.emplace());
        break;
      case append_input_field::kFencingToken:
        if (read_bytes(fields, out.fencing_token.emplace()) && !is_utf8(*out.fencing_token))
          fields.fail("a string that is not UTF-8");
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

bool read_ack(ProtoFields& fields, AppendAck& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case append_ack_field::kStart:
        read_message(fields, out.start, read_position);
        break;
      case append_ack_field::kEnd:
        read_message(fields, out.end, read_position);
        break;
      case append_ack_field::kTail:
        read_message(fields, out.tail, read_position);
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

bool read_sequenced_record(ProtoFields& fields, SequencedRecord& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case sequenced_record_field::kSeqNum:
        fields.u64(out.seq_num);
        break;
      case sequenced_record_field::kTimestamp:
        fields.u64(out.timestamp);
        break;
      case sequenced_record_field::kHeaders:
        read_message(fields, out.headers.emplace_back(), read_header);
        break;
      case sequenced_record_field::kBody:
        read_bytes(fields, out.body);
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

bool read_batch(ProtoFields& fields, ReadBatch& out) {
  while (fields.next()) {
    switch (fields.number()) {
      case read_batch_field::kRecords:
        read_message(fields, out.records.emplace_back(), read_sequenced_record);
        break;
      case read_batch_field::kTail:
        if (!out.tail) out.tail.emplace();
        read_message(fields, *out.tail, read_position);
        break;
      default:
        fields.skip();
    }
  }
  return !fields.failed();
}

template <class Message, class Read>
Decoded<Message> whole(std::string_view bytes, Read&& read) {
  ProtoFields fields(bytes);
  Message message;
  if (read(fields, message)) return message;
  return tl::unexpected<DecodeError>(fields.error());
}

}  // namespace

std::string to_proto(const AppendInput& input) {
  std::string out;
  append_proto(out, input);
  return out;
}

void append_proto(std::string& out, const AppendInput& input) {
  out.reserve(out.size() + size_of_all(input.records) +
              (input.match_seq_num ? varint_size(*input.match_seq_num) : 0) +
              (input.fencing_token ? bytes_size(input.fencing_token->size()) : 0));
  Out to(out);
  for (const AppendRecord& record : input.records) write_message(to, append_input_field::kRecords, record);
  if (input.match_seq_num) to.add_uint64(append_input_field::kMatchSeqNum, *input.match_seq_num);
  if (input.fencing_token) to.add_bytes(append_input_field::kFencingToken, *input.fencing_token);
}

std::string to_proto(const AppendAck& ack) {
  std::string out;
  Out to(out);
  write_message(to, append_ack_field::kStart, ack.start);
  write_message(to, append_ack_field::kEnd, ack.end);
  write_message(to, append_ack_field::kTail, ack.tail);
  return out;
}

std::string to_proto(const ReadBatch& batch) {
  std::string out;
  out.reserve(size_of_all(batch.records) + (batch.tail ? bytes_size(size_of(*batch.tail)) : 0));
  Out to(out);
  for (const SequencedRecord& record : batch.records) write_message(to, read_batch_field::kRecords, record);
  if (batch.tail) write_message(to, read_batch_field::kTail, *batch.tail);
  return out;
}

Decoded<AppendInput> append_input_from_proto(std::string_view bytes) {
  return whole<AppendInput>(bytes, read_append_input);
}

Decoded<AppendAck> append_ack_from_proto(std::string_view bytes) {
  return whole<AppendAck>(bytes, read_ack);
}

Decoded<ReadBatch> read_batch_from_proto(std::string_view bytes) {
  return whole<ReadBatch>(bytes, read_batch);
}

}  // namespace s2::wire
