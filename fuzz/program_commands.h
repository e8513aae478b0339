// What each command of s2-fuzz does; the exit code is the program's.
//
// On the main thread, which has no others beside it. Throws std::runtime_error (one line) for what exit code
// 3 means.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fuzz/campaign_ledger.h"
#include "fuzz/finding.h"
#include "fuzz/program_options.h"

namespace s2::fuzz {

int explore_command(const FuzzOptions& options, const volatile bool& stop);
// A token that is @FILE becomes what the file holds.
void read_token_file(FuzzOptions& options);
int replay_command(const FuzzOptions& options);
int mutants_command(const FuzzOptions& options, const volatile bool& stop);
int determinism_command(const FuzzOptions& options);
int hashes_command(const FuzzOptions& options);
int list_command(const FuzzOptions& options);
int merge_command(const FuzzOptions& options);

// The campaign's ledger before a shard: is it reached, is this shard in it already, was anything found? With
// no ledger afterwards, it said why not, and what is returned is the exit code.
int open_ledger(const FuzzOptions& options, std::unique_ptr<CampaignLedger>& ledger);
// And after it. 0, or an exit code when it said why it was not written.
int write_ledger(CampaignLedger& ledger, const ShardRecord& record);

// On stdout; `file` holds the schedule when it is too long for a line, or is "".
void print_finding(const Finding& finding, const std::string& file);

// The whole file; throws when it cannot be written.
void write_file(const std::string& path, const std::string& text);
// Runs the finding's execution once more, in this process, and draws it (picture.h). `command` is what makes
// it again. Its planted bug is planted already.
void write_picture(const Finding& finding, const std::string& command, const std::string& path);

// On stdout, as every command's result. Whether it could be written is told once, at the end of the program.
void print_out(std::string_view text);
void flush_out();

// ", 851 kill instants judged", or "" where no ledger judges them.
std::string kills_text(const CampaignResult& result);

// What is wrong with the name of a bug, with the one that may be meant.
std::string no_planted_bug(const std::string& name);

// What is wrong, on stderr in one line; whatever was given stands in it so that no terminal obeys it.
int complain(int exit_code, const std::string& what);
// Runs the program beside this one that has the planted bugs, instead of this one; returns only when it
// cannot.
int become_the_one_with_bugs(char* const* argv);
std::string program_with_bugs();  // its path

}  // namespace s2::fuzz
