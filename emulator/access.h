// Access tokens: what was issued, and what a token may do where.
//
// Kept in memory, on the emulator's thread. The root token may do everything and is the only one that issues,
// lists and revokes; what it issues is checked with enforced auth. Of S2's scope the emulator knows `basins`,
// `streams` and `ops`; operation groups, expiry and prefixing are refused with 501, so that no token is wider
// or narrower here than it says. S2 spec "access tokens".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/service.h"

namespace s2::emulator {

inline constexpr std::size_t kMaxAccessTokens = 10'000;  // more are refused with 403 quota_exhausted
inline constexpr std::size_t kMaxAccessTokenIdBytes = 96;

// {"exact": NAME} or {"prefix": TEXT}; an empty name is nobody's, an empty prefix everybody's.
struct ResourceSet {
  bool is_prefix = false;
  std::string text;
  bool has(std::string_view name) const;
};

struct AccessToken {
  std::string id;
  ResourceSet basins, streams;
  std::set<std::string, std::less<>> ops;  // in S2's names: "append"
};

// The body of POST /v1/access-tokens. 400 bad_json, 422 `invalid`, 501 for what the emulator does not know.
Result<AccessToken> access_token_from_json(std::string_view text);
std::string to_json(const Page<AccessToken>& page);  // {"access_tokens":[…],"has_more":…}

class AccessTokens {
 public:
  // The secret; 409 where the id is taken.
  Result<std::string> issue(AccessToken token);
  Result<void> revoke(const std::string& id);
  Page<AccessToken> list(const ListRequest& wanted) const;
  const AccessToken* of_secret(std::string_view secret) const;  // valid until the next change; null: nobody's
  void clear();

 private:
  struct Issued {
    AccessToken token;
    std::string secret;
  };
  std::map<std::string, Issued, std::less<>> by_id_;
  std::map<std::string, std::string, std::less<>> id_of_secret_;
};

// Why the token may not do this operation of the emulator (`read_session`, see Operation) there: 403, one
// line. `permissions` in S2's names, where they are not told by the operation.
std::optional<wire::ApiError> refusal_for(const AccessToken& token, std::string_view op,
                                          const std::vector<std::string_view>& permissions,
                                          const std::string& basin, const std::string& stream);

}  // namespace s2::emulator
