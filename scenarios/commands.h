// The commands of s2-scenarios, each from its options to its exit code.
//
// Called by main() alone, on its thread. They write to stdout and stderr.
#pragma once

#include <atomic>

#include "scenarios/options.h"
#include "scenarios/realm_process.h"

namespace s2::scenarios {

int list_command(const Options& options);
int run_command(const Options& options, const std::atomic<bool>& cancelled);
int replay_command(const Options& options, const std::atomic<bool>& cancelled);
int curve_command(const Options& options, const std::atomic<bool>& cancelled);
int check_command(const Options& options);
int report_command(const Options& options);

RealmOptions realm_options(const Options& options);

// "s2-scenarios: what" on stderr, in one line; gives the exit code back.
int fail(int exit_code, const std::string& what);

}  // namespace s2::scenarios
