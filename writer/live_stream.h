// The live stream: what is published, as server-sent events, to any number of viewers up to a limit.
//
//   id: 17                          its sequence number
//   data: {…}                       the envelope
//
//   event: drop                     what a viewer that was lapped has missed; its id goes on from there
//   data: {"count":3,"from":4,"to":6}
//
// A viewer's call to serve() owns the calling thread until the viewer is gone or end() was called. Any thread
// may call the rest. All viewers must have left before the writer goes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "writer/writer.h"

namespace s2::writer {

inline constexpr std::size_t kMaxViewers = 64;
inline constexpr std::chrono::milliseconds kKeepAlive{15'000};  // a comment after so long a silence

// One item of the ring as the text that a viewer gets.
std::string sse_text(const Envelope& envelope);
std::string sse_text(const Drop& drop);

// A `Last-Event-ID`: 0 where it is empty, the largest where it is beyond all, nothing where it is no number.
std::optional<std::uint64_t> event_id(std::string_view text);

class LiveStream {
 public:
  // Whether the viewer is still there; false ends it.
  using Write = std::function<bool(std::string_view bytes)>;
  using Alive = std::function<bool()>;

  class Viewer {
   public:
    // Writes what comes next, or a comment when it is time, or nothing after a short wait. False: it is over.
    bool serve(const Write& write, const Alive& alive);
    ~Viewer();

   private:
    friend class LiveStream;
    Viewer(LiveStream& stream, std::unique_ptr<RingReader> reader, bool skips_first_drop);

    LiveStream& stream_;
    std::unique_ptr<RingReader> reader_;
    bool skips_first_drop_;
    std::chrono::steady_clock::time_point spoke_;
  };

  explicit LiveStream(Writer& writer, std::chrono::milliseconds keep_alive = kKeepAlive)
      : writer_(writer), keep_alive_(keep_alive) {}

  // From behind the number that was seen last; where it is not given yet, as one of a writer that died may
  // be, from the first on; with 0 from now, or with `replay_all` from the oldest that the ring holds. Null:
  // there are kMaxViewers, or it has ended.
  std::unique_ptr<Viewer> join(std::uint64_t last_seen, bool replay_all);
  // Every viewer's serve() returns at once, now and later.
  void end();
  std::size_t viewers() const;
  bool over() const;  // end() was called

 private:
  Writer& writer_;
  const std::chrono::milliseconds keep_alive_;
  mutable std::mutex mutex_;
  std::list<Viewer*> viewers_;
  bool over_ = false;
};

}  // namespace s2::writer
