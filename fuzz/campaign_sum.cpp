// Results of parts of a campaign as one; see campaign.h.
#include <algorithm>

#include "fuzz/campaign.h"

namespace s2::fuzz {

void add(CampaignResult& sum, const CampaignResult& part) {
  for (const Finding& finding : part.findings) {  // several may come upon the same
    const bool known = std::any_of(sum.findings.begin(), sum.findings.end(), [&](const Finding& other) {
      return other.invariant == finding.invariant && other.kind == finding.kind &&
             other.target == finding.target && other.mutant == finding.mutant &&
             other.schedule_text() == finding.schedule_text();
    });
    if (!known) sum.findings.push_back(finding);
  }
  sum.executions += part.executions;
  sum.points += part.points;
  sum.kill_instants += part.kill_instants;
  sum.cut += part.cut;
  sum.choices += part.choices;
  sum.preemptions += part.preemptions;
  sum.states += part.states;
  sum.classes += part.classes;
  sum.abandoned += part.abandoned;
  sum.reruns += part.reruns;
  sum.differing += part.differing;
  sum.seconds = std::max(sum.seconds, part.seconds);
  sum.job_seconds += part.job_seconds;
  sum.virtual_seconds += part.virtual_seconds;
}

}  // namespace s2::fuzz
