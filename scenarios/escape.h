// Hostile text made harmless for each place it is shown in. All event data, session names, reasons and error
// texts pass through here on their way into the report.
//
// Pure; any thread. Every function takes any bytes: what is not UTF-8 becomes U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace s2::scenarios {

// Valid UTF-8, nothing else changed.
std::string utf8(std::string_view text);

// Control characters, line separators and marks that turn the direction of text are spelled out (\x1b,
// \u202e), so that nothing moves a cursor or hides: for a terminal, and the first step of the others.
std::string visible(std::string_view text);

std::string for_html(std::string_view text);      // element content and quoted attributes
std::string for_xml(std::string_view text);       // XML 1.0: what it cannot hold is removed
std::string for_markdown(std::string_view text);  // one line of plain text, in a table cell too
// Inside an HTML element within Markdown: every mark as a reference, so that neither language sees one.
std::string for_markdown_html(std::string_view text);

}  // namespace s2::scenarios
