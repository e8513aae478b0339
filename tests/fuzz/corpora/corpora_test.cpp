// Every seed of fuzz/corpora through its target, once: what libFuzzer starts from holds in this build, too.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "fuzz/targets/target.h"

namespace s2::fuzz {
namespace {

namespace fs = std::filesystem;

std::map<std::string, OneInput>& by_name() {
  static std::map<std::string, OneInput> targets;
  return targets;
}

std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(directory)) entries.push_back(entry.path());
  return entries;
}

TEST(Corpora, AreThereForEachTargetAndForNoOther) {
  for (const auto& [name, target] : by_name()) {
    const fs::path seeds = fs::path(CORPORA_DIR) / name;
    EXPECT_TRUE(fs::is_directory(seeds) && !fs::is_empty(seeds)) << "no seed for " << name;
  }
  for (const fs::path& corpus : entries_of(CORPORA_DIR))
    EXPECT_TRUE(by_name().contains(corpus.filename())) << corpus << " has no target";
}

// A claim that does not hold ends the program, and says which.
TEST(Corpora, HoldSeedBySeed) {
  std::size_t seeds = 0;
  for (const auto& [name, target] : by_name()) {
    for (const fs::path& seed : entries_of(fs::path(CORPORA_DIR) / name)) {
      std::ifstream file(seed, std::ios::binary);
      const std::string input{std::istreambuf_iterator<char>(file), {}};
      const testing::ScopedTrace trace(__FILE__, __LINE__, seed.string());
      target(input);
      ++seeds;
    }
  }
  EXPECT_GE(seeds, by_name().size());
}

}  // namespace

bool add_target(const char* name, OneInput target) {
  return by_name().emplace(name, target).second;
}

}  // namespace s2::fuzz
