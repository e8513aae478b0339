// Values to JSON: appended piece by piece to one buffer that is reserved once, no tree, no copy of a body.
#include "wire/json.h"

#include <charconv>

#include "wire/text.h"

namespace s2::wire {
namespace {

// What a record needs beside its bytes, generously: brackets, member names and two numbers.
constexpr std::size_t kRecordOverheadBytes = 96;

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];  // 2^64 - 1 has 20
  const auto result = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, result.ptr);
}

void append_bytes(std::string& out, std::string_view bytes, Format format) {
  if (format == Format::raw) {
    append_json_string(out, bytes);
    return;
  }
  out += '"';
  append_base64(out, bytes);
  out += '"';
}

void append_position(std::string& out, const StreamPosition& position) {
  out += R"({"seq_num":)";
  append_number(out, position.seq_num);
  out += R"(,"timestamp":)";
  append_number(out, position.timestamp);
  out += '}';
}

// `"headers":[["n","v"]],"body":"…"`, without what is empty; `separator` stands before the first of them.
void append_headers_and_body(std::string& out, std::string_view separator, const std::vector<Header>& headers,
                             std::string_view body, Format format) {
  if (!headers.empty()) {
    out += separator;
    separator = ",";
    out += R"("headers":)";
    char before = '[';
    for (const Header& header : headers) {
      out += before;
      out += '[';
      append_bytes(out, header.name, format);
      out += ',';
      append_bytes(out, header.value, format);
      out += ']';
      before = ',';
    }
    out += ']';
  }
  if (!body.empty()) {
    out += separator;
    out += R"("body":)";
    append_bytes(out, body, format);
  }
}

template <class Record>
std::size_t likely_json_bytes(const std::vector<Record>& records, Format format) {
  std::size_t bytes = kRecordOverheadBytes;
  for (const Record& record : records) bytes += kRecordOverheadBytes + metered_bytes(record);
  return format == Format::raw ? bytes + bytes / 8 : bytes + bytes / 2;
}

}  // namespace

Decoded<Format> format_from_header(std::string_view value) {
  if (value == "raw" || value == "json") return Format::raw;
  if (value == "base64" || value == "json-binsafe") return Format::base64;
  return decode_error(DecodeErrorKind::bad_header, "s2-format: expected raw or base64");
}

std::string to_json(const AppendInput& input, Format format) {
  std::string out;
  out.reserve(likely_json_bytes(input.records, format));
  out += R"({"records":[)";
  bool first = true;
  for (const AppendRecord& record : input.records) {
    out += first ? "{" : ",{";
    first = false;
    if (record.timestamp) {
      out += R"("timestamp":)";
      append_number(out, *record.timestamp);
    }
    append_headers_and_body(out, record.timestamp ? "," : "", record.headers, record.body, format);
    out += '}';
  }
  out += ']';
  if (input.match_seq_num) {
    out += R"(,"match_seq_num":)";
    append_number(out, *input.match_seq_num);
  }
  if (input.fencing_token) {
    out += R"(,"fencing_token":)";
    append_json_string(out, *input.fencing_token);
  }
  out += '}';
  return out;
}

std::string to_json(const AppendAck& ack) {
  std::string out = R"({"start":)";
  append_position(out, ack.start);
  out += R"(,"end":)";
  append_position(out, ack.end);
  out += R"(,"tail":)";
  append_position(out, ack.tail);
  out += '}';
  return out;
}

std::string to_json(const ReadBatch& batch, Format format) {
  std::string out;
  out.reserve(likely_json_bytes(batch.records, format));
  out += R"({"records":[)";
  bool first = true;
  for (const SequencedRecord& record : batch.records) {
    out += first ? R"({"seq_num":)" : R"(,{"seq_num":)";
    first = false;
    append_number(out, record.seq_num);
    out += R"(,"timestamp":)";
    append_number(out, record.timestamp);
    append_headers_and_body(out, ",", record.headers, record.body, format);
    out += '}';
  }
  out += ']';
  if (batch.tail) {
    out += R"(,"tail":)";
    append_position(out, *batch.tail);
  }
  out += '}';
  return out;
}

std::string tail_to_json(const StreamPosition& tail) {
  std::string out = R"({"tail":)";
  append_position(out, tail);
  out += '}';
  return out;
}

}  // namespace s2::wire
