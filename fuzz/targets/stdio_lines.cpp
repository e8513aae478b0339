// Lines between harness and writer, both ways: torn anywhere they are the same lines.
#include "writer/stdio_lines.h"

#include <string>
#include <vector>

#include "fuzz/targets/target.h"
#include "scenarios/driver_line.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(stdio_lines, input) {
  const std::string_view text = fuzz::text_of(input);
  writer::LineSplitter whole, torn;
  std::vector<std::string> lines, pieces;
  whole.receive(text, lines);
  whole.end(lines);
  fuzz::in_pieces(fuzz::lengths_of(input), text,
                  [&](std::string_view piece) { torn.receive(piece, pieces); });
  torn.end(pieces);
  must(lines == pieces, "torn anywhere they are the same lines");
  for (const std::string& line : lines) {
    const auto op = writer::parse_op(line);
    must(op || op.error().find('\n') == std::string::npos, "an error is one line");
    (void)scenarios::parse_writer_line(line);
  }
}
