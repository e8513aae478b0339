// Events as JSON text with the places of their probe left open, so that publishing one is three copies and no
// parsing.
//
// Pure; any thread. A probe is `probe:<run>:<n>;`, <run> 16 hex digits, <n> decimal; each event carries it in
// `data` and in `source.metadata.probe` (which truncation keeps).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace s2::scenarios {

struct EventShape {
  std::string type;
  std::vector<std::string> pieces;  // the probe stands between each two
  std::size_t kept_bytes = 0;       // around what is outside of `data`: it stays when a writer truncates

  std::string text(std::string_view run, std::uint64_t n) const;
  std::size_t bytes() const;  // without the probes
};

std::string probe_text(std::string_view run, std::uint64_t n);

// `data` that is not an object becomes {"value":…}. Nothing if it is no event: an object with a text as
// `type`.
std::optional<EventShape> shape_of_json(nlohmann::json event);
// One of ours: `text_json` is the JSON text of data.text (with its quotes), taken as it is.
EventShape shape_of(std::string_view type, std::string_view category, std::string_view text_json);
// One that no truncation of data makes smaller: so many bytes stand in source.metadata.
EventShape shape_of_kept(std::string_view type, std::string_view category, std::size_t bytes);

std::string json_quoted(std::string_view utf8);  // as ASCII where escapes can say it

// Finds every probe of `run` in `bytes`: each n once, in the order of first appearance. At most one n a
// match; digits beyond 19 are no probe.
std::vector<std::uint64_t> find_probes(std::string_view bytes, std::string_view run);

}  // namespace s2::scenarios
