// S2 without HTTP, for speed: the writer's append channels on one end, the emulator's service on the other.
//
// Appends travel one by one; a thread of its own takes them in order within a session and in any order across
// sessions, commits and answers. What goes wrong on the way is planned by the how-manieth append. Plain std
// threads: in a deterministic world these are fibers, and nothing here knows. Sessions, refusals and what
// ends a session are S2's: the first refusal ends it, what came behind has no effect.
//
// As s2_client.h says for the writer's side. Hooks are called under the lock of the net, by whichever thread
// sends, or by the net's own. Channels go before the net. Time is the steady clock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "emulator/service.h"
#include "writer/s2_client.h"

namespace s2::scenarios {

inline constexpr const char* kDirectBasin = "memory-basin";
inline constexpr std::size_t kMaxUnansweredAppends = 16;  // of a session; then send() is not to be called

// What happens to one append, and to the session that it is in.
enum class DirectFault : std::uint8_t {
  cut_before_commit,     // the connection ends; nothing of the session is committed from here on
  cut_after_commit,      // committed, and the connection ends: the lost acknowledgement
  late_twin,             // the connection ends; what is on its way lands later all the same
  busy,                  // 429 rate_limited, without effect
  unavailable,           // 503, without effect
  error_after_commit,    // 500 internal, and committed all the same
  retiring,              // answered, and the server wants no more in this session
  silent_before_commit,  // nothing is taken or answered any more; what is on its way may land later
  silent_after_commit,   // committed, and nothing is answered any more
  stranger,              // as cut_before_commit, and as many records of a stranger stand in its place
  token_refused,         // 401, without effect and for good: the only one that loses an append
};
inline constexpr std::size_t kDirectFaults = 10;  // that lose none
const char* name_of(DirectFault fault);
// What somebody else appends, without a token and at any place: no fence keeps it out.
wire::AppendInput strangers_records(std::size_t count);

struct PlannedFault {
  DirectFault fault = DirectFault::cut_before_commit;
  std::uint64_t append = 1;  // the how-manieth that the service takes, from 1
};

struct DirectOptions {
  // A number below the given one: all chance comes from it.
  std::function<std::uint64_t(std::uint64_t below)> draw;
  std::vector<PlannedFault> faults = {};
  // Of connection attempts: the first that is refused, from 1, and how many are in a row. 0: none.
  std::uint64_t refused_from = 0;
  std::uint64_t refused_opens = 0;
  // From the sending of an append until it is taken; those that are on their way at once share it.
  std::chrono::milliseconds latency{0};
  // A name for each append that is sent, told again when it is committed.
  std::function<std::uint64_t(const std::string& stream, const wire::AppendInput& input)> on_send = {};
  std::function<void(std::uint64_t name)> on_commit = {};
  // So many records of a stranger are in the stream.
  std::function<void(const std::string& stream, std::size_t records)> on_stranger = {};
  // After each send: the names of what is on its way, by session, oldest first. It may land, in order within
  // a session, if everything ends now.
  std::function<void(const std::vector<std::vector<std::uint64_t>>& under_way)> on_under_way = {};
};

class DirectS2 final : public writer::AppendClient {
 public:
  explicit DirectS2(DirectOptions options);
  ~DirectS2() override;  // ends its thread; what is on its way is dropped
  DirectS2(const DirectS2&) = delete;
  DirectS2& operator=(const DirectS2&) = delete;

  std::unique_ptr<writer::AppendChannel> make_channel(const std::string& stream,
                                                      std::function<void()> wake) override;
  std::uint64_t attempts() const;  // opens and sends so far

 private:
  friend class DirectChannel;
  using Clock = std::chrono::steady_clock;

  struct UnderWay {
    wire::AppendInput input;
    std::uint64_t name = 0;
    bool ping = false;
    Clock::time_point due{};  // with a latency
  };
  // One session of a channel. The channel lets go of it; the net serves what is on its way.
  struct Session {
    std::string stream;
    std::function<void()> wake;
    std::deque<UnderWay> to_service;
    std::vector<writer::AppendEvent> to_client;
    std::size_t unanswered = 0;
    Clock::time_point heard{};
    bool retiring = false;
    bool over = false;     // for the channel: nothing more can be sent, nothing more will be said
    bool dropped = false;  // the channel has left
    bool deaf = false;     // the service takes nothing more while the channel is there
    bool mute = false;     // nothing reaches the channel any more
    bool waking = false;   // its wake is being called, without the lock
  };
  using SessionPtr = std::shared_ptr<Session>;

  void run();
  SessionPtr next_session(Clock::time_point& due);
  void take(std::unique_lock<std::mutex>& lock, const SessionPtr& session);
  void answer(std::unique_lock<std::mutex>& lock, const SessionPtr& session, writer::AppendEvent event,
              bool ends);
  void tell_under_way();
  std::uint64_t now_ms() const;

  const DirectOptions options_;
  emulator::Service service_;
  mutable std::mutex mutex_;
  std::condition_variable work_;     // for the net's thread
  std::condition_variable changed_;  // for channels that wait
  std::list<SessionPtr> sessions_;   // with something under way, or alive
  std::uint64_t appends_ = 0, opens_ = 0, sends_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace s2::scenarios
