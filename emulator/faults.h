// The fault plan: which operations go wrong, how, and how often that happened.
//
// Rules are looked at in order; the first that fires decides what happens to the operation. Every rule counts
// the operations that match it, whoever fires. Chance comes from the seed alone: the same plan, seed and
// operations give the same faults. Belongs to one thread. Source of the format: the contract of `PUT
// /_emulator/faults`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace s2::emulator {

inline constexpr std::size_t kMaxFaultRules = 256;

enum class FaultKind { delay, status, cut, hang, goaway, truncate, late_twin, bandwidth };
enum class FaultWhen { before_commit, after_commit, mid_response };

struct Fault {
  FaultKind kind = FaultKind::delay;
  FaultWhen when = FaultWhen::before_commit;  // delay, status, cut, hang
  std::chrono::milliseconds duration{0};      // delay, late_twin
  int status = 0;                             // status
  std::string code;                           // status: an S2 error code
  std::uint64_t bytes = 0;                    // truncate: of the answer's body; bandwidth: a second

  std::string describe() const;  // "cut after_commit", "status 503 before_commit", …
};

class FaultPlan {
 public:
  explicit FaultPlan(std::uint64_t seed) : seed_(seed) {}

  // Replaces the plan and begins all counts, and chance, anew. Throws std::invalid_argument with one line
  // that names the rule and the member; the old plan stays then.
  void replace(const std::string& json);
  void clear() { replace("[]"); }
  std::string to_json() const;  // the plan, each rule with "matched" and "fired"

  // Whether some rule for operations of that name may still fire.
  bool may_fire(std::string_view op) const;
  // Called once for each operation, when it is understood.
  std::optional<Fault> next(std::string_view op, std::string_view basin, std::string_view stream);

 private:
  struct Rule {
    std::string op;      // empty: any
    std::string basin;   // glob; empty: any
    std::string stream;  // glob; empty: any
    std::uint64_t after = 0;
    std::optional<std::uint64_t> times;
    double probability = 1;
    Fault fault;
    std::string source;  // {"match":…,"fault":…} as given
    std::uint64_t matched = 0;
    std::uint64_t fired = 0;
  };
  static Rule parse_rule(const std::string& source, std::size_t index);

  std::uint64_t seed_;
  std::optional<std::mt19937_64> random_;  // from the first draw on
  std::vector<Rule> rules_;
};

// `*` is any run of bytes, `?` any one.
bool glob_matches(std::string_view glob, std::string_view text);

}  // namespace s2::emulator
