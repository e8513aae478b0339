// Events as publishers hand them in, and envelopes as every sink gets them: marshalled once, at publish.
//
// An envelope is the JSON text
// {"capture_session_id","seq","event":{"ts","type","category","source":{"kind","event",
// "metadata"},"detail_level","url","data","truncated"}}. One over kMaxEnvelopeBytes has its `data` nulled and
// `truncated` set, for every sink alike; metadata (and the probe in it) is kept. Text that is not UTF-8 gets
// U+FFFD. Plain values; any thread. An envelope in the ring is shared and never changed. Source: system rules
// "Envelope", "Limit".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace s2::writer {

inline constexpr std::size_t kMaxEnvelopeBytes = 1'000'000;  // marshalled

struct Source {
  std::string kind;
  std::string event;
  std::string metadata_json;  // JSON text, on any number of lines; empty: {}
};

struct Event {
  std::int64_t ts_us = 0;  // microseconds since the epoch; 0: stamped at publish
  std::string type;
  std::string category;  // may be empty where the type tells it
  Source source;
  std::string detail_level;
  std::string url;
  std::string data_json;  // JSON text; empty: null
};

// Who a capture session is: fixed when it starts. `ordinal` is unique in the process, also where an id comes
// again.
struct SessionIdentity {
  std::uint64_t ordinal = 0;
  std::string id;
  std::string stream;
  std::uint64_t after = 0;  // up to this number this process's events are other streams'; 0: not known
};
using SessionRef = std::shared_ptr<const SessionIdentity>;

struct Envelope {
  std::uint64_t seq = 0;
  SessionRef session;
  std::string_view category;  // one of kCategories
  bool store = false;         // storing was on when it was accepted, and it is no error event
  bool truncated = false;
  std::int64_t published_us = 0;
  std::string json;
};
using EnvelopeRef = std::shared_ptr<const Envelope>;

// An event marshalled outside of any lock: all but its sequence number.
class PreparedEvent {
 public:
  // In the session of that id. One line of error where the event cannot be marshalled (no category, data that
  // is not JSON).
  static tl::expected<PreparedEvent, std::string> make(std::string_view session_id, const Event& event,
                                                       std::int64_t now_us);

  std::string_view category() const { return category_; }
  std::int64_t published_us() const { return published_us_; }
  // The envelope of this event under that number; `session` is the one it was made for. Moves text within its
  // buffer, takes no memory: fit for the inside of a lock.
  Envelope seal(SessionRef session, std::uint64_t seq, bool store) &&;

 private:
  std::string_view category_;
  std::int64_t published_us_ = 0;
  std::string json_;         // whole, with room for the longest number
  std::size_t seq_at_ = 0;   // that room
  std::size_t data_at_ = 0;  // the value of `data` and what is behind it
};

// Whether `text` nests arrays and objects no deeper than kMaxJsonDepth: deeper text is refused before any
// parser or printer recurses into it.
inline constexpr int kMaxJsonDepth = 256;
bool within_json_depth(std::string_view text);

// Whether `text` is one JSON value in UTF-8, of any depth.
bool is_json(std::string_view text);

// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace s2::writer
