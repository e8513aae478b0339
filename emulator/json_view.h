// A JSON value seen with its place: reads typed fields, and remembers the first thing that is wrong and
// where.
//
// For bodies of requests and for files; for .cpp files only (it includes the JSON library). A view refers to
// a document and a problem slot that outlive it; one thread. After the first problem every read gives
// nothing, so callers read all fields and look at the problem once, at the end.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace s2::emulator {

struct JsonProblem {
  bool of_shape = true;  // false: the shape is right, the value may not be
  std::string message;   // "config.retention_policy.age: must be over 0"
};

class JsonView {
 public:
  JsonView(const nlohmann::json* value, std::string place, std::optional<JsonProblem>& problem)
      : value_(value), place_(std::move(place)), problem_(&problem) {}

  bool absent() const { return value_ == nullptr; }
  bool null() const { return value_ != nullptr && value_->is_null(); }
  bool given() const { return value_ != nullptr && !value_->is_null() && !*problem_; }
  const std::string& place() const { return place_; }
  std::size_t size() const { return value_->size(); }

  // All of these take an absent value and null as nothing given; anything else of the wrong type is a
  // problem.
  bool object();  // true: it is one, its fields may be read
  bool array();   // true: it is one, its elements may be read
  std::optional<bool> boolean();
  std::optional<std::uint64_t> whole_number();  // 0 to 2^64-1
  std::optional<std::string> text();
  template <class T>
  std::optional<T> choice(std::initializer_list<std::pair<std::string_view, T>> words);

  // Of an object, of an array.
  JsonView field(std::string_view name) const;
  JsonView element(std::size_t index) const;
  // Refuses fields that are not among these.
  void only(std::initializer_list<std::string_view> names);
  // Refuses null and absence as well.
  void require();

  void refuse(std::string what, bool of_shape = true);

 private:
  const nlohmann::json* value_;
  std::string place_;  // "" at the top
  std::optional<JsonProblem>* problem_;
};

// Parses `text`; where that fails, the problem says line and column, and the value is discarded.
nlohmann::json parse_json(std::string_view text, std::optional<JsonProblem>& problem);

template <class T>
std::optional<T> JsonView::choice(std::initializer_list<std::pair<std::string_view, T>> words) {
  const std::optional<std::string> word = text();
  if (!word) return std::nullopt;
  std::string expected;
  for (const auto& [name, value] : words) {
    if (name == *word) return value;
    expected += expected.empty() ? "" : ", ";
    expected += name;
  }
  refuse("must be one of " + expected);
  return std::nullopt;
}

}  // namespace s2::emulator
