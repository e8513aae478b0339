// See recovery.h.
#include "writer/recovery.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "writer/backoff.h"
#include "writer/epoch.h"
#include "writer/thread_name.h"
#include "writer/wake.h"

namespace s2::writer {
namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::milliseconds;

constexpr std::size_t kRecordsARead = 1000;
constexpr std::uint64_t kNoPlace = std::uint64_t{1} << 62;  // a guard that no stream can meet

std::string describe_refusal(const wire::ApiError& error) {
  std::string out = fmt::format("S2 answered {} {}", error.status, error.code);
  if (!error.message.empty()) out += ": " + error.message.substr(0, 200);
  return out;
}

// One stream's recovery.
class StreamRecovery {
 public:
  StreamRecovery(const JournalScan& journal, std::vector<const JournalPart*> parts,
                 const RecoveryOptions& options, AppendClient& client, Time deadline)
      : journal_(journal),
        parts_(std::move(parts)),
        options_(options),
        deadline_(deadline),
        token_(options.epoch_token + ".r"),
        fencing_(options.fencing),
        most_(options.max_batch_records),
        backoff_(options.backoff_base, options.backoff_cap, std::hash<std::string>{}(options.epoch_token)) {
    channel_ = client.make_channel(parts_.front()->mark.stream, [this] {
      const std::lock_guard lock(mutex_);
      news_ = true;
      changed_.notify_one();
    });
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const auto& lines = parts_[part]->lines;
      stored_.emplace_back(lines.size(), false);
      for (std::size_t line = 0; line < lines.size(); ++line)
        places_.push_back({lines[line].hash, part, line});
    }
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return a.hash < b.hash; });
    if (options_.stop_fd >= 0) watch_ = std::jthread([this] { watch(); });
  }
  ~StreamRecovery() { over_.set(); }
  StreamRecovery(const StreamRecovery&) = delete;
  StreamRecovery& operator=(const StreamRecovery&) = delete;

  RecoveredStream run() {
    while (problem_.empty()) {
      if (is_over()) {
        problem_ = stopped_ ? "a signal ended it" : fmt::format("not done in time: {}", trouble_);
      } else if (attempt()) {
        break;
      } else if (problem_.empty()) {
        std::unique_lock lock(mutex_);
        changed_.wait_until(lock, patience(backoff_.next()), [this] { return stopped_.load(); });
      }
    }
    channel_->drop();
    RecoveredStream result{parts_.front()->mark.stream};
    const std::uint64_t rest = unfound();
    (below_ == 0 && !trimmed_ ? result.left_out : result.unknown) = rest;
    result.stored_before = before_ - rest;
    result.delivered = delivered_;
    result.missing = places_.size() - before_ - delivered_;
    result.settled = done_;
    result.problem = done_ ? std::move(skipped_reason_) : std::move(problem_);
    return result;
  }

 private:
  struct Place {
    std::size_t hash, part, line;
  };

  // Each returns false where the attempt is over: with a problem_ for good, otherwise to be made again.
  bool attempt() {
    if (!done_) {
      if (!fenced_ && fencing_ && !take_stream()) return false;
      if (!fencing_ && !find_tail()) return false;
      if (!compare() || !deliver()) return false;
    }
    return account();
  }

  bool take_stream() {
    while (fencing_) {
      wire::AppendInput input;
      input.records.push_back(wire::fence_command(token_));
      input.match_seq_num = tail_;
      input.fencing_token = condition_;
      const auto answer = exchange(input);
      if (!answer) return false;
      if (const auto* acked = std::get_if<AppendAcked>(&*answer)) {
        if (!fits(acked->ack, 1)) return false;
        tail_ = acked->ack.end.seq_num;
        fenced_ = true;
        return true;
      }
      const wire::ApiError& error = std::get<AppendRefused>(*answer).error;
      if (error.seq_num_mismatch) {
        tail_ = *error.seq_num_mismatch;
      } else if (error.fencing_token_mismatch) {
        const std::string& current = *error.fencing_token_mismatch;
        if (is_of_later_process(current, token_))
          return give_up("a writer that began later has the stream: it is left to that one");
        condition_ = current;  // the dead process's, or ours: an earlier attempt came through
      } else if (error.status == 403 && error.code == "permission_denied") {
        fencing_ = false;  // the guard of the places is enough; it only lets the dead process's last batch in
      } else if (!is_worth_a_try(error)) {
        return give_up(describe_refusal(error));
      } else {
        return trouble(describe_refusal(error));
      }
    }
    return find_tail();
  }

  // By a guard that cannot be met: an append-only token may ask that much.
  bool find_tail() {
    wire::AppendInput input;
    input.records.emplace_back();
    input.match_seq_num = kNoPlace;
    const auto answer = exchange(input);
    if (!answer) return false;
    const auto* refused = std::get_if<AppendRefused>(&*answer);
    if (refused && refused->error.seq_num_mismatch) {
      tail_ = *refused->error.seq_num_mismatch;
      return true;
    }
    if (refused && !is_worth_a_try(refused->error)) return give_up(describe_refusal(refused->error));
    return trouble(refused ? describe_refusal(refused->error) : "an acknowledgement that cannot be");
  }

  // From the tail backwards, to the last stored line of each process.
  bool compare() {
    last_.assign(parts_.size(), std::nullopt);
    trimmed_ = false;
    std::uint64_t below = tail_;
    const auto all_met = [&] { return std::all_of(last_.begin(), last_.end(), [](auto& l) { return !!l; }); };
    while (below > 0 && !trimmed_ && !all_met()) {
      if (!look_back(below)) return false;
    }
    if (trimmed_ && !all_met())
      return give_up("the beginning of the stream was trimmed away: it cannot be told what was stored");
    next_.clear();
    for (const auto& line : last_) next_.push_back(line ? *line + 1 : 0);
    const std::uint64_t before = std::accumulate(next_.begin(), next_.end(), std::uint64_t{0});
    // At the first look this is what the dead processes stored; later, what we did ourselves has joined it.
    if (first_.empty()) {
      first_ = next_;
      before_ = before;
      below_ = below;
    } else {
      delivered_ = before - before_ - skipped_before();
    }
    return true;
  }

  // What the page before `below` has of the journal.
  bool look_back(std::uint64_t& below) {
    const std::uint64_t from = below > kRecordsARead ? below - kRecordsARead : 0;
    const auto page = channel_->read_back(from, below - from, patience(options_.ack_timeout));
    if (!page) return unreadable(page.error());
    trimmed_ = page->empty() || page->front().seq_num != from;
    for (auto record = page->rbegin(); record != page->rend(); ++record) {
      const std::size_t hash = std::hash<std::string_view>{}(record->body);
      auto place = std::lower_bound(places_.begin(), places_.end(), hash,
                                    [](const Place& one, std::size_t other) { return one.hash < other; });
      for (; place != places_.end() && place->hash == hash; ++place) {
        auto& last = last_[place->part];
        if (!last && !is_text(parts_[place->part]->lines[place->line], record->body)) continue;
        if (!last) last = place->line;
        stored_[place->part][place->line] = true;
      }
    }
    below = from;
    return true;
  }

  // Further back, for the lines that have not been met: those that are nowhere were told as dropped or lost.
  bool account() {
    while (options_.account && below_ > 0 && !trimmed_ && unfound() > 0) {
      if (!look_back(below_)) return false;
    }
    return true;
  }

  // Of the lines up to the last stored one of their process, those that were not met in the stream.
  std::uint64_t unfound() const {
    std::uint64_t count = 0;
    for (std::size_t part = 0; part < first_.size(); ++part) {
      const auto begin = stored_[part].begin();
      count += static_cast<std::uint64_t>(
          std::count(begin, begin + static_cast<std::ptrdiff_t>(first_[part]), false));
    }
    return count;
  }

  bool deliver() {
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      const auto& lines = parts_[part]->lines;
      while (next_[part] < lines.size()) {
        if (is_over()) return trouble("lines are left");
        if (skipped_.contains(&lines[next_[part]])) {
          ++next_[part];
          continue;
        }
        if (!deliver_batch(*parts_[part], next_[part])) return false;
      }
    }
    return done_ = true;
  }

  bool deliver_batch(const JournalPart& part, std::size_t& next) {
    wire::AppendInput input;
    std::vector<const JournalLine*> lines;
    std::size_t metered = 0;
    for (std::size_t at = next; at < part.lines.size() && lines.size() < most_; ++at) {
      const JournalLine& line = part.lines[at];
      if (skipped_.contains(&line)) break;
      auto text = journal_.text(line);
      if (!text) return give_up(std::move(text.error()));
      wire::AppendRecord record;
      record.body = std::move(*text);
      const auto parsed = nlohmann::json::parse(record.body.view(), nullptr, /*allow_exceptions=*/false);
      const std::size_t size = wire::metered_bytes(record);
      if (!parsed.is_object() || size > wire::kMaxBatchMeteredBytes) {
        if (!lines.empty()) break;
        skip(line, parsed.is_object() ? "larger than S2 takes" : "a line that is no whole event");
        return true;
      }
      if (metered + size > wire::kMaxBatchMeteredBytes) break;
      if (const auto& event = parsed["event"];
          event.is_object() && event.contains("ts") && event["ts"].is_number_unsigned())
        record.timestamp = event["ts"].get<std::uint64_t>() / 1000;
      metered += size;
      lines.push_back(&line);
      input.records.push_back(std::move(record));
    }
    input.match_seq_num = tail_;
    if (fencing_) input.fencing_token = token_;
    const auto answer = exchange(input);
    if (!answer) return false;
    if (const auto* acked = std::get_if<AppendAcked>(&*answer)) {
      if (!fits(acked->ack, lines.size())) return false;
      tail_ = acked->ack.end.seq_num;
      next += lines.size();
      delivered_ += lines.size();
      most_ = options_.max_batch_records;
      backoff_.reset();
      return true;
    }
    const wire::ApiError& error = std::get<AppendRefused>(*answer).error;
    if (error.fencing_token_mismatch) return give_up("another writer has fenced the stream meanwhile");
    if (error.seq_num_mismatch) {
      tail_ = *error.seq_num_mismatch;
      return trouble("somebody else appends to the stream");
    }
    if (is_worth_a_try(error)) return trouble(describe_refusal(error));
    if (error.status != 400 && error.status != 413 && error.status != 422)
      return give_up(describe_refusal(error));
    if (lines.size() == 1) {
      skip(*lines.front(), describe_refusal(error));
    } else {
      most_ = lines.size() / 2;  // the good ones must not fail with the bad one
    }
    return true;
  }

  // Sends, and waits for what comes of it; nothing: the outcome is unknown, and trouble_ says why.
  std::optional<AppendEvent> exchange(const wire::AppendInput& input) {
    if (!open_) {
      if (auto opened = channel_->open(patience(options_.open_timeout)); !opened) {
        trouble(opened.error());
        return std::nullopt;
      }
      open_ = true;
    }
    const Time by = patience(options_.ack_timeout);
    auto sent = channel_->send(input, by);
    std::vector<AppendEvent> events;
    bool retiring = false;
    while (true) {
      events.clear();
      channel_->poll(events, by);
      for (AppendEvent& event : events) {
        if (std::holds_alternative<SessionRetiring>(event)) {
          retiring = true;
          continue;
        }
        if (const auto* lost = std::get_if<SessionLost>(&event)) return broken(lost->reason);
        open_ = std::holds_alternative<AppendAcked>(event);
        if (open_ && retiring) {
          channel_->drop();
          open_ = false;
        }
        return std::move(event);
      }
      if (!sent) return broken(sent.error());
      if (Clock::now() >= by || stopped_) return broken("no answer in time");
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, std::min(by, Clock::now() + milliseconds(100)),
                          [this] { return news_ || stopped_; });
      news_ = false;
    }
  }

  // A place that is not where the append was guarded to go is nobody's tail: what is sent behind it could
  // land late, once the stream has grown as far.
  bool fits(const wire::AppendAck& ack, std::size_t records) {
    if (ack.start.seq_num == tail_ && ack.end.seq_num == tail_ + records) return true;
    broken("an acknowledgement that fits no append");
    return false;
  }

  std::nullopt_t broken(const std::string& reason) {
    channel_->drop();
    open_ = false;
    trouble(reason);
    return std::nullopt;
  }

  bool unreadable(const ReadError& error) {
    if (!error.refused) return trouble("the stream cannot be read: " + error.reason);
    if (error.error.status == 401 || error.error.status == 403) {
      return give_up(
          fmt::format("S2 answered {}: the token may not read this stream; set S2_READ_TOKEN to one that may",
                      error.error.status));
    }
    return is_worth_a_try(error.error) ? trouble(describe_refusal(error.error))
                                       : give_up(describe_refusal(error.error));
  }

  static bool is_worth_a_try(const wire::ApiError& error) {
    return wire::is_retryable(error) || !wire::is_surely_without_effect(error);
  }

  bool is_text(const JournalLine& line, const std::string& body) const {
    const auto text = journal_.text(line);
    return text && *text == body;
  }

  void skip(const JournalLine& line, const std::string& reason) {
    skipped_.insert(&line);
    if (skipped_reason_.empty()) skipped_reason_ = fmt::format("event {}: {}", line.seq, reason);
  }

  // Lines given up before the last stored one of their process: they count as neither stored nor delivered.
  std::uint64_t skipped_before() const {
    std::uint64_t count = 0;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      for (std::size_t line = 0; last_[part] && line < *last_[part]; ++line)
        count += skipped_.contains(&parts_[part]->lines[line]) ? 1 : 0;
    }
    return count;
  }

  bool give_up(std::string reason) {
    problem_ = std::move(reason);
    return false;
  }
  bool trouble(std::string reason) {
    trouble_ = std::move(reason);
    return false;
  }

  // A call of the channel waits for the peer: only another thread can end it.
  void watch() {
    name_this_thread("recovery-stop");
    std::array<pollfd, 2> waits = {{{options_.stop_fd, POLLIN, 0}, {over_.fd(), POLLIN, 0}}};
    while (::poll(waits.data(), waits.size(), -1) < 0) {  // EINTR
    }
    if (waits[0].revents == 0) return;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      changed_.notify_one();
    }
    channel_->abort();
  }

  bool is_over() const { return Clock::now() >= deadline_ || stopped_; }
  Time patience(Clock::duration limit) const { return std::min(deadline_, Clock::now() + limit); }

  const JournalScan& journal_;
  const std::vector<const JournalPart*> parts_;
  const RecoveryOptions& options_;
  const Time deadline_;
  const std::string token_;
  bool fencing_;
  std::size_t most_;  // records a batch
  bool fenced_ = false;
  std::string condition_;  // the token that must be in force for ours to follow; "": none
  Backoff backoff_;
  std::uint64_t tail_ = 0;
  std::vector<Place> places_;                     // of all lines, by hash
  std::vector<std::vector<bool>> stored_;         // by part and line: met in the stream
  std::vector<std::optional<std::size_t>> last_;  // a part's last stored line
  std::vector<std::size_t> next_;                 // a part's first line to deliver
  std::vector<std::size_t> first_;                // the same at the first look
  std::set<const JournalLine*> skipped_;          // what S2 will never take
  std::string skipped_reason_;
  std::uint64_t before_ = 0, delivered_ = 0;  // before_: the sum of first_
  std::uint64_t below_ = 0;                   // the stream was read down to here
  bool trimmed_ = false;                      // and begins there
  bool done_ = false, open_ = false;
  std::string problem_;              // for good
  std::string trouble_ = "no time";  // of the last attempt

  std::mutex mutex_;
  std::condition_variable changed_;
  bool news_ = false;
  std::atomic<bool> stopped_{false};
  Wake over_;                               // the watch may end
  std::unique_ptr<AppendChannel> channel_;  // its reader calls back into the above
  std::jthread watch_;                      // last: it uses the above
};

}  // namespace

std::vector<RecoveredStream> recover(const JournalScan& journal, const std::string& directory,
                                     const RecoveryOptions& options, AppendClient& client, Time deadline,
                                     const Log& log) {
  std::map<std::string, std::vector<const JournalPart*>> streams;
  std::map<std::string, bool> epochs;            // whether there is nothing more to do for it
  std::map<std::string, std::size_t> elsewhere;  // basin: lines
  for (const JournalPart& part : journal.parts()) {
    if (part.mark.basin != options.basin) {
      elsewhere[part.mark.basin] += part.lines.size();
      continue;
    }
    streams[part.mark.stream].push_back(&part);
    epochs[part.mark.epoch] = true;
  }
  for (const auto& [basin, lines] : elsewhere)
    log(fmt::format("recovery: {} journalled events of basin `{}` are left alone: S2_BASIN is `{}`", lines,
                    basin, options.basin));
  std::vector<RecoveredStream> all;
  for (const auto& [stream, parts] : streams) {
    RecoveredStream one = StreamRecovery(journal, parts, options, client, deadline).run();
    if (one.missing > 0) {
      log(fmt::format(
          "recovery: stream `{}`: {} of {} journalled events are still missing ({} were stored "
          "now): {}",
          stream, one.missing, one.stored_before + one.left_out + one.unknown + one.delivered + one.missing,
          one.delivered, one.problem));
    } else {
      log(fmt::format("recovery: stream `{}`: {} missing and {} stored now{}", stream,
                      counted(one.delivered, "event") + (one.delivered == 1 ? " was" : " were"),
                      one.delivered == 1 ? "is" : "are",
                      one.left_out == 0 ? ""
                                        : fmt::format("; {} left out, before the last stored one: dropped, "
                                                      "or refused",
                                                      counted(one.left_out, "event"))));
    }
    for (const JournalPart* part : parts) epochs[part->mark.epoch] = epochs[part->mark.epoch] && one.settled;
    all.push_back(std::move(one));
  }
  for (const auto& [epoch, whole] : epochs) {
    if (whole && !directory.empty() && !settle_epoch(directory, epoch)) {
      log(fmt::format("recovery: {}/settled.jsonl cannot be written ({}): the next start looks again",
                      directory, std::strerror(errno)));
    }
  }
  return all;
}

}  // namespace s2::writer
