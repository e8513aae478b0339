// See access.h.
#include "emulator/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "emulator/config_json.h"
#include "emulator/request.h"

namespace s2::emulator {
namespace {

constexpr std::array kAllOps = {"list-basins",
                                "create-basin",
                                "delete-basin",
                                "reconfigure-basin",
                                "get-basin-config",
                                "issue-access-token",
                                "revoke-access-token",
                                "list-access-tokens",
                                "list-streams",
                                "create-stream",
                                "delete-stream",
                                "get-stream-config",
                                "reconfigure-stream",
                                "check-tail",
                                "append",
                                "read",
                                "trim",
                                "fence",
                                "account-metrics",
                                "basin-metrics",
                                "stream-metrics"};

// The emulator's operations that S2 calls by another name than with hyphens.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kOtherNames = {
    {{"ensure_basin", "create-basin"},
     {"get_basin", "get-basin-config"},
     {"patch_basin", "reconfigure-basin"},
     {"ensure_stream", "create-stream"},
     {"get_stream", "get-stream-config"},
     {"patch_stream", "reconfigure-stream"},
     {"read_session", "read"},
     {"append_session", "append"}}};

std::string permission_of(std::string_view op) {
  for (const auto& [ours, theirs] : kOtherNames) {
    if (ours == op) return std::string(theirs);
  }
  std::string name(op);
  std::ranges::replace(name, '_', '-');
  return name;
}

ResourceSet read_resource_set(JsonView view) {
  ResourceSet out;
  if (!view.object()) return out;
  view.only({"exact", "prefix"});
  const auto exact = view.field("exact").text();
  const auto prefix = view.field("prefix").text();
  if (exact.has_value() == prefix.has_value()) view.refuse("must be {\"exact\": …} or {\"prefix\": …}");
  out.is_prefix = prefix.has_value();
  out.text = prefix ? *prefix : exact.value_or("");
  return out;
}

nlohmann::ordered_json json_of(const ResourceSet& set) {
  return {{set.is_prefix ? "prefix" : "exact", set.text}};
}

std::string new_secret() {
  std::random_device random;
  return fmt::format("s2t_{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

}  // namespace

bool ResourceSet::has(std::string_view name) const {
  return is_prefix ? name.starts_with(text) : !text.empty() && name == text;
}

Result<AccessToken> access_token_from_json(std::string_view text) {
  std::optional<JsonProblem> problem;
  const nlohmann::json document = parse_json(text, problem);
  AccessToken out;
  std::string unknown;
  if (!problem) {
    JsonView view(&document, "", problem);
    if (!document.is_object()) view.refuse("must be an object");
    JsonView id = view.field("id");
    id.require();
    out.id = id.text().value_or("");
    if (out.id.empty() || out.id.size() > kMaxAccessTokenIdBytes)
      id.refuse(fmt::format("must have 1 to {} bytes", kMaxAccessTokenIdBytes), false);
    if (view.field("expires_at").given()) unknown = "expires_at";
    if (view.field("auto_prefix_streams").boolean().value_or(false)) unknown = "auto_prefix_streams";
    JsonView scope = view.field("scope");
    scope.require();
    if (scope.object()) {
      out.basins = read_resource_set(scope.field("basins"));
      out.streams = read_resource_set(scope.field("streams"));
      for (const char* other : {"op_groups", "access_tokens"}) {
        if (scope.field(other).given()) unknown = std::string("scope.") + other;
      }
      JsonView ops = scope.field("ops");
      for (std::size_t i = 0; ops.array() && i < ops.size(); ++i) {
        JsonView op = ops.element(i);
        const std::string name = op.text().value_or("");
        if (std::ranges::find(kAllOps, name) == kAllOps.end()) op.refuse("is no operation of S2");
        out.ops.insert(name);
      }
      if (out.ops.empty() && unknown.empty()) ops.refuse("must name an operation", false);
    }
  }
  if (problem) return tl::unexpected<wire::ApiError>(refusal_of(*problem, wire::DecodeErrorKind::bad_json));
  if (!unknown.empty())
    return refuse(501, "not_implemented", fmt::format("{}: the emulator's access tokens have none", unknown));
  return out;
}

std::string to_json(const Page<AccessToken>& page) {
  nlohmann::ordered_json values = nlohmann::ordered_json::array();
  for (const AccessToken& token : page.values) {
    values.push_back({{"id", token.id},
                      {"scope",
                       {{"basins", json_of(token.basins)},
                        {"streams", json_of(token.streams)},
                        {"access_tokens", nullptr},
                        {"op_groups", nullptr},
                        {"ops", token.ops}}},
                      {"auto_prefix_streams", false},
                      {"expires_at", nullptr}});
  }
  return nlohmann::ordered_json{{"access_tokens", std::move(values)}, {"has_more", page.has_more}}.dump();
}

Result<std::string> AccessTokens::issue(AccessToken token) {
  if (by_id_.contains(token.id))
    return refuse(409, "resource_already_exists", fmt::format("there is an access token `{}`", token.id));
  if (by_id_.size() >= kMaxAccessTokens)
    return refuse(403, "quota_exhausted", fmt::format("there are {} access tokens", kMaxAccessTokens));
  std::string secret = new_secret();
  id_of_secret_[secret] = token.id;
  by_id_[token.id] = {token, secret};
  return secret;
}

Result<void> AccessTokens::revoke(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end())
    return refuse(404, "access_token_not_found", fmt::format("there is no access token `{}`", id));
  id_of_secret_.erase(found->second.secret);
  by_id_.erase(found);
  return {};
}

Page<AccessToken> AccessTokens::list(const ListRequest& wanted) const {
  const std::size_t limit = wanted.limit == 0 ? kMaxListLimit : std::min(wanted.limit, kMaxListLimit);
  Page<AccessToken> page;
  auto each = by_id_.lower_bound(std::max(wanted.prefix, wanted.start_after));
  for (; each != by_id_.end() && each->first.starts_with(wanted.prefix); ++each) {
    if (!wanted.start_after.empty() && each->first == wanted.start_after) continue;
    if (page.values.size() == limit) {
      page.has_more = true;
      break;
    }
    page.values.push_back(each->second.token);
  }
  return page;
}

const AccessToken* AccessTokens::of_secret(std::string_view secret) const {
  const auto found = id_of_secret_.find(secret);
  return found == id_of_secret_.end() ? nullptr : &by_id_.find(found->second)->second.token;
}

void AccessTokens::clear() {
  by_id_.clear();
  id_of_secret_.clear();
}

std::optional<wire::ApiError> refusal_for(const AccessToken& token, std::string_view op,
                                          const std::vector<std::string_view>& permissions,
                                          const std::string& basin, const std::string& stream) {
  const auto refused = [&](const std::string& why) {
    return refusal(403, "permission_denied", fmt::format("the access token `{}` {}", token.id, why));
  };
  const auto lacking = [&](std::string_view permission) { return !token.ops.contains(permission); };
  if (const auto lack = std::ranges::find_if(permissions, lacking); lack != permissions.end())
    return refused(fmt::format("may not {}", *lack));
  if (const std::string permission = permission_of(op); permissions.empty() && lacking(permission))
    return refused(fmt::format("may not {}", permission));
  if (!basin.empty() && !token.basins.has(basin))
    return refused(fmt::format("is not for the basin {}", basin));
  if (!stream.empty() && !token.streams.has(stream))
    return refused(fmt::format("is not for the stream {}", stream));
  return std::nullopt;
}

}  // namespace s2::emulator
