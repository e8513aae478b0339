// What an observer inside the world knows of one writer: what was published, said and stored. It holds the
// promises against it the moment anything changes, as if the process died there.
//
// A kill can come at every point, and between two changes of the ledger every kill finds the same: so the
// prefix-closed promises (I1 to I4) are judged at each change, and each point of the execution counts as a
// judged kill. For what is on its way when it comes, every order in which it may land is judged too.
//
// Belongs to the execution that made it; its threads call without a lock, as one runs at a time and no call
// in here is a point; a search that reduces orders hears of them (sim::touches_unguarded). A broken promise
// ends the execution (sim::fail) with "I4 lost: ...": the invariant, the kind, and what happened. Source:
// system rules I1 to I11.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/types.h"
#include "writer/durability.h"
#include "writer/flush.h"
#include "writer/writer.h"

namespace s2::fuzz {

// Sessions are named s1, s2, …; each has the stream of its name.
inline constexpr std::size_t kMaxStreams = 4;
std::string stream_name(std::size_t stream);

// What anything may take when nobody is slow: clock reads, and one look of a storage writer that was held up.
inline constexpr std::chrono::milliseconds kPunctual{50};
// No more than that was hurried so far: the writer has no reason to take the peer for silent.
bool unhurried();

class WriterLedger final : public writer::DurabilityListener {
 public:
  // An event as a publisher hands it in. `n` names it, from 1, in the order of the calls.
  struct Offer {
    std::size_t stream = 0;
    bool unstorable = false;  // over S2's limit even without its data: it has to be told as lost
  };
  // `punctual`: nothing goes wrong on the network, so that what is accepted is on its way after the linger.
  WriterLedger(std::uint64_t ring_events, std::chrono::milliseconds linger, bool punctual)
      : ring_events_(ring_events), linger_(linger), punctual_(punctual) {}

  // --- publishers ---
  void session_starts(std::size_t stream);
  std::uint64_t offered(Offer offer);
  void accepted(std::uint64_t n, std::uint64_t seq);
  void rejected(std::uint64_t n);
  // So many sessions may get their end markers from now on.
  void may_set_markers(std::uint64_t sessions);
  void storing_changes(bool on);  // the call begins
  void storing_changed();         // and has returned

  // --- what the writer says ---
  void acked(const writer::SessionIdentity& session, std::uint64_t through) override;
  void dropped(const writer::SessionIdentity& session, std::uint64_t from, std::uint64_t to) override;
  void lost(const writer::SessionIdentity& session, std::uint64_t from, std::uint64_t to,
            const std::string& reason) override;
  // A change of identity has returned: the streams before `stream` are left, and the numbers up to `through`.
  // `judge_sends`: sent() is called when something is sent, not when it lands.
  void left(std::size_t stream, std::uint64_t through, bool judge_sends);
  // What a flush or stop that begins now has to cover.
  std::uint64_t accepted_so_far() const;
  void flush_answered(std::uint64_t began, const writer::FlushAnswer& answer);
  void stopped(std::uint64_t began, std::size_t stream, const writer::Stopped& stopped);

  // --- what the service did ---
  // An append as it is sent; the name that it is committed by.
  std::uint64_t sent(const std::string& stream, const wire::AppendInput& input);
  void committed(std::uint64_t name);
  void stranger(const std::string& stream, std::size_t records);
  // What may land, by session, oldest first, if everything ends now.
  void under_way(const std::vector<std::vector<std::uint64_t>>& sessions);

  // What the writer sends, as the service gets it.
  void received(const wire::AppendInput& input);

  // --- the end ---
  // The writer's machine is gone: nothing that it says from now on counts, and what still lands is judged by
  // what it had said.
  void died();
  bool dead() const { return dead_; }
  struct End {
    bool time_left = false;     // no step of the shutdown ran into its deadline
    std::uint64_t unsaved = 0;  // what the shutdown reported
    std::uint32_t ended = 0;    // sessions whose end marker has to be stored, a bit each
  };
  void judge_end(const End& end);
  // The lines of the file that all events go to, where its ring was never lapped and all was written.
  void judge_journal(const std::vector<std::string>& lines);
  std::uint64_t given_up() const;  // numbers told as lost, not as overwritten
  // Events that have to be stored and are neither stored nor told as gone.
  std::uint64_t pending() const;
  std::uint64_t branches() const { return branches_; }  // orders of what was on its way that were judged
  std::uint64_t cut() const { return cut_; }            // sends behind which there were more of them
  // Appends that the service got although it had stored their records: their acknowledgement was lost.
  std::uint64_t stored_before() const { return stored_before_; }

 private:
  enum class Told : std::uint8_t { nothing, dropped, lost, unknown };
  enum class Storing : std::uint8_t { on, off, changing };
  struct Event {
    Offer offer;
    std::uint64_t seq = 0;  // once accepted
    std::uint64_t stored_as = 0;
    std::uint64_t life = 0;  // of its session, when it was offered
    bool rejected = false;
    Storing storing = Storing::on;
    std::uint64_t changes = 0;               // of storing, when it was offered
    std::chrono::nanoseconds accepted_at{};  // without what was hurried
  };
  struct Number {  // a sequence number of the writer
    std::uint64_t n = 0;
    bool stored = false;
    Told told = Told::nothing;
  };
  struct Stored {
    std::uint64_t seq = 0, n = 0;
    std::size_t named = kMaxStreams;  // the session that the envelope names
    bool end_marker = false, event = false;
  };
  struct Append {
    std::size_t stream = kMaxStreams;
    std::vector<Stored> records;
    std::uint64_t size = 0;  // all records, commands too
    std::uint64_t match_seq_num = kNoGuard;
    std::string token, new_token;  // new_token: of a fence command
    bool guarded_by_token = false;
  };
  struct Stream {
    std::uint64_t lives = 0, last_stored = 0, acked_through = 0, tail = 0;
    std::string token;
    bool ends_with_marker = false;
  };
  static constexpr std::uint64_t kNoGuard = ~std::uint64_t{0};
  static constexpr std::uint32_t kCommutes = 0;  // for sim::touches_unguarded()

  [[gnu::cold]] static void broken(std::string_view invariant, std::string_view kind,
                                   const std::string& what);
  Number& number(std::uint64_t seq);
  bool must_be_stored(const Event& event) const;
  bool owed(std::uint64_t seq) const;  // accepted, has to be stored, neither stored nor told
  void lands(std::size_t stream, const Stored& record);
  void tell(std::size_t stream, std::uint64_t from, std::uint64_t to, Told told);
  std::string describe(std::uint64_t seq) const;
  struct Landing {  // one order in which what is on its way lands
    std::array<Stream, kMaxStreams> streams;
    std::vector<std::uint64_t> landed;  // sequence numbers
    std::vector<std::size_t> next;      // by session
  };
  using UnderWay = std::vector<std::vector<std::uint64_t>>;
  void land_in_every_order(const UnderWay& sessions, const Landing& so_far, std::uint64_t& orders, bool& cut);
  bool land(const Append& append, Landing& landing);
  static std::string text_of(const Append& append);
  static Stored read(std::string_view envelope);

  const std::uint64_t ring_events_;
  const std::chrono::milliseconds linger_;
  const bool punctual_;
  std::vector<Event> events_;            // by n - 1
  std::vector<std::uint64_t> accepted_;  // n, in the order of acceptance
  std::vector<Number> numbers_;          // by seq
  std::vector<Append> appends_;          // by name
  std::array<Stream, kMaxStreams> streams_;
  Storing storing_ = Storing::on, becomes_ = Storing::on;
  std::uint64_t storing_changes_ = 0;
  std::uint64_t highest_ = 0;  // sequence number that anybody has seen
  std::uint64_t markers_ = 0, lost_calls_ = 0;
  std::uint64_t told_ = 0;  // numbers told as gone
  std::uint64_t left_through_ = 0;
  std::size_t sends_judged_below_ = 0;  // streams: none of them may get anything more
  std::uint64_t given_up_ = 0;
  std::uint64_t branches_ = 0, cut_ = 0;
  std::uint64_t stored_before_ = 0;
  bool dead_ = false;
};

}  // namespace s2::fuzz
