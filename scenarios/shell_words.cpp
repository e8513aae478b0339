// See shell_words.h.
#include "scenarios/shell_words.h"

namespace s2::scenarios {

tl::expected<std::vector<std::string>, std::string> split_shell_words(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (c == '\0') return tl::unexpected(std::string("a command cannot hold a NUL"));
    if (quote == '\'') {
      if (c == '\'') {
        quote = 0;
      } else {
        word += c;
      }
      continue;
    }
    if (c == '\\') {
      if (++i == command.size()) return tl::unexpected(std::string("a backslash at the end quotes nothing"));
      // In double quotes a backslash is itself, except before these (POSIX shell, "Double-Quotes").
      const bool plain =
          quote == '"' && std::string_view("$`\"\\\n").find(command[i]) == std::string_view::npos;
      if (plain) word += c;
      if (command[i] != '\n') word += command[i];
      in_word = true;
    } else if (quote == '"') {
      if (c == '"') {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote) return tl::unexpected(std::string("a quote is not closed"));
  if (in_word) words.push_back(std::move(word));
  if (words.empty()) return tl::unexpected(std::string("there is no command"));
  return words;
}

}  // namespace s2::scenarios
