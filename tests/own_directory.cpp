// What a test program writes is in a directory of its own, which goes with it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

class OwnDirectory : public testing::Environment {
 public:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "s2-tests-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr) << path;
    path_ = path;
    for (const char* name : {"TMPDIR", "TEST_TMPDIR"}) ::setenv(name, path_.c_str(), 1);
  }
  void TearDown() override {
    std::error_code gone;
    if (!path_.empty()) std::filesystem::remove_all(path_, gone);
  }

 private:
  std::string path_;
};

[[maybe_unused]] const auto* const own_directory = testing::AddGlobalTestEnvironment(new OwnDirectory);

}  // namespace
