// A real browser, headless Chromium in a process group of its own, and a user's program that drives it
// (workloads/recorder/live.mjs: try { … } catch (e) { log(e) } finally { delete browser }).
//
// At most kMaxBrowsers live at once in this process: start() waits for its turn. kill() may be called from
// any thread, from inside an emulator's observer too; the rest from the thread that started it. Events come
// on a thread of the browser's own. The destructor ends both groups, and removes the browser's files.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "scenarios/event_text.h"

namespace s2::scenarios {

inline constexpr int kMaxBrowsers = 2;

class LiveBrowser {
 public:
  using OnEvent = std::function<void(const EventShape&)>;

  // Error: one line.
  static tl::expected<std::unique_ptr<LiveBrowser>, std::string> start();
  ~LiveBrowser();
  LiveBrowser(const LiveBrowser&) = delete;
  LiveBrowser& operator=(const LiveBrowser&) = delete;

  // The program begins. It watches its last page for so long, and then, with `mistake`, fails.
  tl::expected<void, std::string> drive(std::chrono::milliseconds watched, bool mistake, OnEvent on_event);
  // The program has come to its `finally`; false at the deadline, or where it ended without.
  bool wait_deleted(std::chrono::steady_clock::time_point deadline);
  std::string caught() const;  // what the program's `catch` got; empty: nothing

  // SIGKILL to the browser's group; false if the browser had ended before.
  bool kill();

 private:
  class Impl;
  explicit LiveBrowser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Why no browser can be driven on this machine; empty: one can.
std::string why_no_browser();

}  // namespace s2::scenarios
