// Replay tokens of s2-fuzz: what is taken comes back from its own text, and what is refused is refused with
// one line.
#include <string>

#include "fuzz/schedule.h"
#include "fuzz/targets/target.h"

using namespace s2;
using s2::fuzz::must;

FUZZ_TARGET(replay_tokens, input) {
  std::string error;
  if (const auto schedule = fuzz::schedule_of(input, error)) {
    const std::string text = fuzz::text_of(*schedule);
    const auto again = fuzz::schedule_of(text, error);
    must(again && *again == *schedule, "a schedule comes back");
    must(text.find_first_of(" \n\t'") == std::string::npos, "a token is one word");
    if (const auto token = fuzz::token_of(*schedule))
      must(token->size() <= fuzz::kMostTokenBytes, "a token is short");
  } else {
    must(!error.empty() && error.find('\n') == std::string::npos, "an error is one line");
  }
  const auto token = fuzz::parse_replay_token(input, error);
  if (!token) return must(!error.empty() && error.find('\n') == std::string::npos, "an error is one line");
  const auto again =
      fuzz::parse_replay_token(fuzz::replay_text(token->target, token->mutant, token->schedule), error);
  must(again && again->target == token->target && again->mutant == token->mutant &&
           again->schedule == token->schedule,
       "a replay line comes back");
}
