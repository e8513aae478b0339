// The categories of events, and how an event gets its own.
//
// A type is known when it is a category's name followed by '_' ("console_error"): then the category is set
// here, whatever the caller says. Any other type must name one. Pure; any thread. Source: system rule
// "Categories".
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace s2::writer {

inline constexpr std::array<std::string_view, 12> kCategories = {
    "console", "network", "page",     "interaction", "liveview",   "captcha",
    "system",  "control", "platform", "connection",  "screenshot", "monitor"};

// The category of an event of this type, or one line that says what is missing.
tl::expected<std::string_view, std::string> category_of(std::string_view type, std::string_view given);

}  // namespace s2::writer
