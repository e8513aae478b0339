// Results as JSON; see result_json.h.
#include "fuzz/result_json.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace s2::fuzz {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Finding& finding) {
  return {
      {"invariant", finding.invariant}, {"kind", finding.kind},          {"by", finding.by},
      {"detail", finding.detail},       {"target", finding.target},      {"mutant", finding.mutant},
      {"shape", finding.shape},         {"schedule", finding.steps},     {"preemptions", finding.preemptions},
      {"fewest", finding.fewest},       {"replay", finding.token},       {"long_replay", finding.long_token},
      {"found_by", finding.found_by},   {"execution", finding.execution}};
}

struct NoResult : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What is read may come from anybody: a count is a whole number that fits.
std::uint64_t count_at(const Json& json, const char* key) {
  const Json& value = json.at(key);
  if (!value.is_number_unsigned()) throw NoResult(key);
  return value;
}

Finding finding_of(const Json& json) {
  Finding finding;
  finding.invariant = json.at("invariant");
  finding.kind = json.at("kind");
  finding.by = json.at("by");
  finding.detail = json.at("detail");
  finding.target = json.at("target");
  finding.mutant = json.at("mutant");
  finding.shape = json.at("shape");
  finding.steps = json.at("schedule").get<std::vector<std::string>>();
  finding.preemptions = count_at(json, "preemptions");
  finding.fewest = json.at("fewest");
  finding.token = json.at("replay");
  finding.long_token = json.at("long_replay");
  finding.found_by = json.at("found_by");
  finding.execution = count_at(json, "execution");
  return finding;
}

// Hostile bytes in a detail stay bytes that JSON can hold.
std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_json_line(const CampaignResult& result) {
  Json failures = Json::array();
  for (const Finding& finding : result.findings) failures.push_back(json_of(finding));
  const Json json = {{"verdict", result.findings.empty() ? "held" : "broken"},
                     {"executions", result.executions},
                     {"seconds", result.seconds},
                     {"executions_per_second", result.executions_per_second()},
                     {"executions_per_core_second", result.executions_per_core_second()},
                     {"points", result.points},
                     {"kill_instants", result.kill_instants},
                     {"sends_cut", result.cut},
                     {"choices", result.choices},
                     {"preemptions", result.preemptions},
                     {"abandoned", result.abandoned},
                     {"reruns", result.reruns},
                     {"differing", result.differing},
                     {"exhausted", result.exhausted},
                     {"states", result.states},
                     {"classes", result.classes},
                     {"job_seconds", result.job_seconds},
                     {"virtual_seconds", result.virtual_seconds},
                     {"failures", failures}};
  return text_of(json) + "\n";
}

std::string replay_json_line(const CampaignResult& result, std::size_t places, std::size_t met) {
  std::string line = to_json_line(result);
  line.erase(line.rfind('}'));
  return line + ",\"places\":" + std::to_string(places) + ",\"places_met\":" + std::to_string(met) + "}\n";
}

std::optional<CampaignResult> result_of_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    CampaignResult result;
    result.executions = count_at(json, "executions");
    result.seconds = json.at("seconds");
    result.points = count_at(json, "points");
    result.kill_instants = count_at(json, "kill_instants");
    result.choices = count_at(json, "choices");
    result.preemptions = count_at(json, "preemptions");
    result.abandoned = count_at(json, "abandoned");
    result.reruns = count_at(json, "reruns");
    result.differing = count_at(json, "differing");
    result.exhausted = json.at("exhausted");
    // Records of earlier versions have neither.
    if (json.contains("sends_cut")) result.cut = count_at(json, "sends_cut");
    if (json.contains("states")) {
      result.states = count_at(json, "states");
      result.classes = count_at(json, "classes");
    }
    result.job_seconds = json.at("job_seconds");
    result.virtual_seconds = json.at("virtual_seconds");
    for (const Json& failure : json.at("failures")) result.findings.push_back(finding_of(failure));
    return result;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const NoResult&) {
    return std::nullopt;
  }
}

std::string to_json(const std::vector<MutantResult>& results) {
  Json all = Json::array();
  for (const MutantResult& each : results) {
    all.push_back({{"name", each.name},
                   {"effect", each.effect},
                   {"found", each.found},
                   {"by", each.by},
                   {"kind", each.kind},
                   {"detail", each.detail},
                   {"executions", each.executions},
                   {"seconds", each.seconds},
                   {"preemptions", each.preemptions},
                   {"fewest", each.fewest},
                   {"replay", each.replay}});
  }
  return text_of(all, 1) + "\n";
}

std::string list_json(const std::vector<Target>& targets, const std::vector<PlantedBugText>& bugs) {
  Json json = {{"targets", Json::array()}, {"planted_bugs", Json::array()}};
  for (const Target& each : targets) json["targets"].push_back({{"name", each.name}, {"about", each.about}});
  for (const PlantedBugText& each : bugs)
    json["planted_bugs"].push_back({{"name", each.name}, {"effect", each.effect}});
  return text_of(json, 1) + "\n";
}

std::optional<std::vector<MutantResult>> mutants_of_json(std::string_view text) {
  try {
    std::vector<MutantResult> all;
    for (const Json& json : Json::parse(text)) {
      MutantResult each;
      each.name = json.at("name");
      each.effect = json.at("effect");
      each.found = json.at("found");
      each.by = json.at("by");
      each.kind = json.at("kind");
      each.detail = json.at("detail");
      each.executions = json.at("executions");
      each.seconds = json.at("seconds");
      each.preemptions = json.at("preemptions");
      each.fewest = json.at("fewest");
      each.replay = json.at("replay");
      all.push_back(std::move(each));
    }
    return all;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace s2::fuzz
