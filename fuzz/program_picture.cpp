// The picture of what a command found; see program_commands.h.
#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

#include "fuzz/picture.h"
#include "fuzz/program_commands.h"
#include "fuzz/source_lines.h"

namespace s2::fuzz {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

void write_picture(const Finding& finding, const std::string& command, const std::string& path) {
  std::string error;
  const auto token = parse_replay_token(finding.schedule_text(), error);
  const auto target = token ? target_named(token->target) : std::nullopt;
  if (!target) throw std::runtime_error("cannot draw " + path + ": no such execution");
  Picture about;
  sim::Execution execution = replay(token->schedule, target->world, target->program, true, &about.followed);
  const SourceLines lines(execution);
  name_objects(execution, lines);
  about.place_of = [&](const sim::TraceStep& step) { return lines.of(step); };
  about.title = sim::is_failure(execution.ending)
                    ? fmt::format("{} {}: {}", finding.invariant, finding.kind, finding.detail)
                    : "Nothing was broken in this order";
  about.lost = finding.target + (finding.mutant.empty() ? "" : " with the planted bug " + finding.mutant);
  if (!finding.shape.empty()) about.lost += ": " + finding.shape;
  about.replay = command;
  write_file(path, picture_of(execution, about));
}

}  // namespace s2::fuzz
