// One drawn run as HTML: its violations, replay line, timelines and lost events. Used by index_html
// (report_html.cpp).
#pragma once

#include <string>

#include "scenarios/ledger.h"
#include "scenarios/report.h"

namespace s2::scenarios {

// The report's frame around a body; both are HTML already.
std::string page_html(const std::string& title, const std::string& body);

std::string run_card_html(const Suite& suite, const RunResult& result, const Ledger& ledger);

// A failing run whose ledger was not kept: words only.
std::string run_words_html(const Suite& suite, const RunResult& result);

std::string run_anchor(const RunResult& result);  // id of its card, harmless by construction

}  // namespace s2::scenarios
