// JSON to values: what each object must hold, told to the pull parser.
#include "wire/json.h"
#include "wire/json_reader.h"

namespace s2::wire {
namespace {

// What differs between the two formats.
bool parse_bytes(JsonReader& reader, Format format, std::string& out) {
  if (format == Format::raw) return reader.string(out);
  std::string text;
  if (!reader.string(text)) return false;
  std::optional<std::string> bytes = base64_decode(text);
  if (!bytes) return reader.fail("expected base64 (standard alphabet, padded)");
  out = std::move(*bytes);
  return true;
}

bool parse_bytes(JsonReader& reader, Format format, Bytes& out) {
  std::string own;
  if (!parse_bytes(reader, format, own)) return false;
  out = std::move(own);
  return true;
}

bool parse_header(JsonReader& reader, Format format, Header& out) {
  int count = 0;
  const bool understood = reader.array([&] {
    ++count;
    if (count == 1) return parse_bytes(reader, format, out.name);
    if (count == 2) return parse_bytes(reader, format, out.value);
    return reader.fail("expected a name and a value, no more");
  });
  if (!understood) return false;
  return count == 2 || reader.fail("expected a name and a value");
}

bool parse_headers(JsonReader& reader, Format format, std::vector<Header>& out) {
  return reader.array([&] { return parse_header(reader, format, out.emplace_back()); });
}

bool parse_position(JsonReader& reader, StreamPosition& out) {
  unsigned seen = 0;
  const bool understood = reader.object([&](std::string_view name) {
    if (name == "seq_num") return reader.once(seen, 1) && reader.u64(out.seq_num);
    if (name == "timestamp") return reader.once(seen, 2) && reader.u64(out.timestamp);
    return reader.skip();
  });
  if (!understood) return false;
  return seen == 3 || reader.fail("expected seq_num and timestamp");
}

bool parse_append_record(JsonReader& reader, Format format, AppendRecord& out) {
  unsigned seen = 0;
  return reader.object([&](std::string_view name) {
    if (name == "timestamp") return reader.once(seen, 1) && reader.optional_u64(out.timestamp);
    if (name == "headers") return reader.once(seen, 2) && parse_headers(reader, format, out.headers);
    if (name == "body") return reader.once(seen, 4) && parse_bytes(reader, format, out.body);
    return reader.skip();
  });
}

bool parse_sequenced_record(JsonReader& reader, Format format, SequencedRecord& out) {
  unsigned seen = 0;
  const bool understood = reader.object([&](std::string_view name) {
    if (name == "seq_num") return reader.once(seen, 1) && reader.u64(out.seq_num);
    if (name == "timestamp") return reader.once(seen, 2) && reader.u64(out.timestamp);
    if (name == "headers") return reader.once(seen, 4) && parse_headers(reader, format, out.headers);
    if (name == "body") return reader.once(seen, 8) && parse_bytes(reader, format, out.body);
    return reader.skip();
  });
  if (!understood) return false;
  return (seen & 3) == 3 || reader.fail("expected seq_num and timestamp");
}

bool parse_append_input(JsonReader& reader, Format format, AppendInput& out) {
  unsigned seen = 0;
  const bool understood = reader.object([&](std::string_view name) {
    if (name == "records") {
      return reader.once(seen, 1) &&
             reader.array([&] { return parse_append_record(reader, format, out.records.emplace_back()); });
    }
    if (name == "match_seq_num") return reader.once(seen, 2) && reader.optional_u64(out.match_seq_num);
    if (name == "fencing_token") {
      if (!reader.once(seen, 4)) return false;
      if (reader.null()) return true;
      // S2 refuses a token that is too long as JSON, not as an append.
      return reader.string(out.fencing_token.emplace()) &&
             (out.fencing_token->size() <= kMaxFencingTokenBytes || reader.fail("expected at most 36 bytes"));
    }
    return reader.skip();
  });
  if (!understood) return false;
  return (seen & 1) != 0 || reader.fail("expected records");
}

bool parse_ack(JsonReader& reader, AppendAck& out) {
  unsigned seen = 0;
  const bool understood = reader.object([&](std::string_view name) {
    if (name == "start") return reader.once(seen, 1) && parse_position(reader, out.start);
    if (name == "end") return reader.once(seen, 2) && parse_position(reader, out.end);
    if (name == "tail") return reader.once(seen, 4) && parse_position(reader, out.tail);
    return reader.skip();
  });
  if (!understood) return false;
  return seen == 7 || reader.fail("expected start, end and tail");
}

bool parse_batch(JsonReader& reader, Format format, ReadBatch& out) {
  unsigned seen = 0;
  const bool understood = reader.object([&](std::string_view name) {
    if (name == "records") {
      return reader.once(seen, 1) &&
             reader.array([&] { return parse_sequenced_record(reader, format, out.records.emplace_back()); });
    }
    if (name == "tail") {
      if (!reader.once(seen, 2)) return false;
      return reader.null() || parse_position(reader, out.tail.emplace());
    }
    return reader.skip();
  });
  if (!understood) return false;
  return (seen & 1) != 0 || reader.fail("expected records");
}

bool parse_tail(JsonReader& reader, StreamPosition& out) {
  unsigned seen = 0;
  const bool understood = reader.object([&](std::string_view name) {
    if (name == "tail") return reader.once(seen, 1) && parse_position(reader, out);
    return reader.skip();
  });
  if (!understood) return false;
  return seen == 1 || reader.fail("expected tail");
}

template <class T, class Read>
Decoded<T> document(std::string_view text, Read&& read) {
  JsonReader reader(text);
  T value;
  if (read(reader, value) && reader.end()) return value;
  return tl::unexpected<DecodeError>(reader.error());
}

}  // namespace

Decoded<AppendInput> append_input_from_json(std::string_view text, Format format) {
  return document<AppendInput>(
      text, [&](JsonReader& reader, AppendInput& out) { return parse_append_input(reader, format, out); });
}

Decoded<AppendAck> append_ack_from_json(std::string_view text) {
  return document<AppendAck>(text, parse_ack);
}

Decoded<ReadBatch> read_batch_from_json(std::string_view text, Format format) {
  return document<ReadBatch>(
      text, [&](JsonReader& reader, ReadBatch& out) { return parse_batch(reader, format, out); });
}

Decoded<StreamPosition> tail_from_json(std::string_view text) {
  return document<StreamPosition>(text, parse_tail);
}

}  // namespace s2::wire
