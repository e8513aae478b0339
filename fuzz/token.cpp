// The replay token. See schedule.h.
//
//   s2r1:<draw seed, hex>:<names, by commas>:<deviations, one after the other>
//
// A deviation is the thread's number in the list of names, a letter for the kind of point, the ordinal, `+`
// and the repeat where it is not 0, `^` where it preempts and `-` where it does not (no shell minds either),
// and the target: a number, `t` for the timer, `g` for a signal, `w` and a number for a spurious wake-up.
// Deviations are separated by dots.
#include <algorithm>
#include <charconv>

#include "fuzz/schedule.h"
#include "scenarios/escape.h"

namespace s2::fuzz {
namespace {

constexpr std::string_view kPrefix = "s2r1:";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGH";  // by kind
constexpr std::size_t kShownBytes = 20;                                      // of what is none
static_assert(kLetters.size() >= sim::kKinds);

// In names, what the token's own syntax needs is replaced; a name that a program gives has it seldom.
std::string plain(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c <= ' ' || c > '~' || c == ',' || c == ':' || c == '\'') c = '_';
  }
  return text.empty() ? "_" : text;
}

std::size_t number_of(std::vector<std::string>& names, const std::string& name) {
  const auto place = std::find(names.begin(), names.end(), name);
  if (place != names.end()) return static_cast<std::size_t>(place - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool empty() const { return text_.empty(); }
  char next() {
    if (text_.empty()) return '\0';
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  template <class Number>
  bool number(Number& value, int base = 10) {
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value, base);
    if (error != std::errc()) return false;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return true;
  }
  std::string_view until(char c) {
    const std::string_view head = text_.substr(0, text_.find(c));
    text_.remove_prefix(std::min(text_.size(), head.size() + 1));
    return head;
  }
  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

bool read_deviation(Reader& reader, const std::vector<std::string>& names, Deviation& one) {
  std::size_t thread = 0;
  if (!reader.number(thread) || thread >= names.size()) return false;
  one.thread = names[thread];
  const std::size_t kind = kLetters.find(reader.next());
  if (kind >= sim::kKinds || !reader.number(one.ordinal)) return false;
  one.kind = static_cast<sim::Kind>(kind);
  if (reader.take('+') && !reader.number(one.repeat)) return false;
  const char mark = reader.next();
  if (mark != '^' && mark != '-') return false;
  one.preempts = mark == '^';
  if (reader.take('t')) {
    one.source = sim::Source::timer;
  } else if (reader.take('g')) {
    one.source = sim::Source::signal;
  } else {
    one.source = reader.take('w') ? sim::Source::spurious : sim::Source::thread;
    std::size_t target = 0;
    if (!reader.number(target) || target >= names.size()) return false;
    one.target = names[target];
  }
  return true;
}

}  // namespace

std::string text_of(const Schedule& schedule) {
  std::vector<std::string> names;
  std::string body;
  for (const Deviation& one : schedule.deviations) {
    if (!body.empty()) body += '.';
    body += std::to_string(number_of(names, plain(one.thread))) +
            kLetters[static_cast<std::size_t>(one.kind)] + std::to_string(one.ordinal);
    if (one.repeat != 0) body += "+" + std::to_string(one.repeat);
    body += one.preempts ? '^' : '-';
    switch (one.source) {
      case sim::Source::timer:
        body += 't';
        break;
      case sim::Source::signal:
        body += 'g';
        break;
      case sim::Source::spurious:
        body += 'w';
        [[fallthrough]];
      case sim::Source::thread:
        body += std::to_string(number_of(names, plain(one.target)));
        break;
    }
  }
  char seed[16];
  const auto end = std::to_chars(seed, seed + sizeof seed, schedule.draw_seed, 16).ptr;
  std::string token = std::string(kPrefix) + std::string(seed, end) + ":";
  for (std::size_t i = 0; i < names.size(); ++i) token += (i == 0 ? "" : ",") + names[i];
  return token + ":" + body;
}

std::optional<std::string> token_of(const Schedule& schedule) {
  std::string token = text_of(schedule);
  if (token.size() > kMostTokenBytes) return std::nullopt;
  return token;
}

namespace {

// `from`: bytes of the word that the token stands behind.
std::optional<Schedule> schedule_behind(std::size_t from, std::string_view token, std::string& error) {
  const auto refuse = [&](const std::string& why) {
    error = "replay token: " + why;
    return std::nullopt;
  };
  if (token.size() > kMostScheduleBytes)
    return refuse("longer than " + std::to_string(kMostScheduleBytes) + " bytes");
  if (!token.starts_with(kPrefix)) return refuse("does not begin with " + std::string(kPrefix));
  Reader reader(token.substr(kPrefix.size()));
  Schedule schedule;
  if (!reader.number(schedule.draw_seed, 16) || !reader.take(':'))
    return refuse("no seed in hexadecimal before the second colon");
  std::vector<std::string> names;
  for (Reader list(reader.until(':')); !list.empty();) {
    names.emplace_back(list.until(','));
    if (plain(names.back()) != names.back()) return refuse("a thread's name is empty, or not printable");
  }
  while (!reader.empty()) {
    const std::size_t left = reader.rest().size();
    const bool read = read_deviation(reader, names, schedule.deviations.emplace_back());
    if (!read || (!reader.empty() && (!reader.take('.') || reader.empty()))) {
      return refuse("no deviation at byte " + std::to_string(from + token.size() - left) + ", `" +
                    scenarios::visible(token.substr(token.size() - left, kShownBytes)) + "`");
    }
  }
  return schedule;
}

}  // namespace

std::optional<Schedule> schedule_of(std::string_view token, std::string& error) {
  return schedule_behind(0, token, error);
}

std::string replay_text(const std::string& target, const std::string& mutant, const Schedule& schedule) {
  return target + (mutant.empty() ? "" : "+" + mutant) + "/" + text_of(schedule);
}

std::optional<ReplayToken> parse_replay_token(std::string_view text, std::string& error) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    error = "replay token: a token is TARGET[+BUG]/SCHEDULE, as a failure prints it";
    return std::nullopt;
  }
  ReplayToken token;
  const std::string_view head = text.substr(0, slash);
  const std::size_t plus = head.find('+');
  token.target = head.substr(0, plus);
  if (plus != std::string_view::npos) token.mutant = head.substr(plus + 1);
  auto schedule = schedule_behind(slash + 1, text.substr(slash + 1), error);
  if (!schedule) return std::nullopt;
  token.schedule = std::move(*schedule);
  return token;
}

}  // namespace s2::fuzz
