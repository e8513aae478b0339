// Small histories for the tests of linearizability: good ones, made by clients of a model of one stream who
// overlap and lose answers; damaged ones; and the plainest checker there is to hold the others against.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "scenarios/linear_history.h"

namespace s2::scenarios {

struct GivenOp {
  std::string kind = "Append";  // Append, Read, CheckTail
  std::string end;              // AppendSuccess, …; empty: none yet
  int client = 0;
  std::vector<std::uint64_t> records;
  std::optional<std::string> set_token, token;
  std::optional<std::uint64_t> match;
  std::uint64_t tail = 0, stream_hash = 0;  // as answered
  std::string refusal;                      // kind of a definite failure, or empty
  std::string refused_token;
  std::vector<std::uint64_t> listed;  // record_hashes beside a read
};

struct GivenHistory {
  std::vector<GivenOp> ops;
  std::vector<std::pair<std::size_t, bool>> lines;  // op, whether it starts there
  std::string text() const;
};

GivenHistory draw_history(std::mt19937_64& random);
// Sixteen clients, so many operations, one in a hundred lost; a read at the end.
GivenHistory long_history(std::size_t operations, bool lists_records);
void damage(GivenHistory& history, std::mt19937_64& random);

// Tries every order that real time allows.
bool plainly_linearizable(const LinearHistory& history);

}  // namespace s2::scenarios
