// The account of every accepted event; see durability.h.
//
// window_ holds one slot a number from the first pending one on; each session keeps the same for its own
// numbers. A front that is settled is passed: that is what moves "durable through" on. A slot that is dropped
// or lost changes only after the listener has said so; from then on it claims nothing, so that it may be
// forgotten wherever it stands. So may every other that is settled, where another one behind it, with nothing
// pending between them, claims more.
#include "writer/durability.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "writer/planted_bugs.h"

namespace s2::writer {

Durability::Durability(DurabilityListener& listener) : listener_(listener) {}

const Durability::Slot* Durability::slot(std::uint64_t seq) const {
  if (window_.empty() || seq < window_.front().seq || seq > window_.back().seq) return nullptr;
  const std::uint64_t index = seq - window_.front().seq;  // where no slot before it was forgotten
  if (index < window_.size() && window_[index].seq == seq) return &window_[index];
  const auto found = std::ranges::lower_bound(window_, seq, {}, &Slot::seq);
  return found->seq == seq ? &*found : nullptr;
}

Durability::Slot* Durability::slot(std::uint64_t seq) {
  return const_cast<Slot*>(std::as_const(*this).slot(seq));
}

void Durability::accepted(std::uint64_t seq, const SessionRef& session, bool store) {
  std::lock_guard lock(mutex_);
  Session& own = sessions_[session->ordinal];
  if (!own.identity) own.identity = session;
  own.open.push_back(seq);
  window_.push_back({seq, &own, store ? State::pending : State::not_stored});
  pending_ += store ? 1 : 0;
  if (!store) {
    told_.unstored.add(seq, kMaxRangesTold);
    pass_settled();
    forget_settled();
    changed_.notify_all();
  }
}

void Durability::pass_settled() {
  for (auto& [ordinal, session] : sessions_) {
    while (!session.open.empty()) {
      std::uint64_t seq = session.open.front();
      State state = slot(seq)->state;
      if (state == State::pending) break;
      if (state == State::acked) session.last_acked = session.durable_through = seq;
      // What needed no storing is passed over, but claims nothing where nothing was ever stored.
      if (state == State::not_stored && session.durable_through != 0) session.durable_through = seq;
      session.open.pop_front();
    }
  }
  while (!window_.empty() && window_.front().state != State::pending) {
    const auto [seq, session, state] = window_.front();
    if (state == State::acked || (state == State::not_stored && durable_through_ != 0))
      durable_through_ = seq;
    window_.pop_front();
  }
}

// An outage may leave something pending at the front for hours, while the ring drops what comes behind it,
// storing is off, or other streams go on.
void Durability::forget_settled() {
  if (window_.size() - pending_ < forget_at_) return;
  struct Behind {  // from the next that is pending back to here
    bool claim = false, ack = false;
    bool outdoes(State state) const { return state == State::acked ? ack : claim; }
    void add(State state) {
      claim = claim || state == State::acked || state == State::not_stored;
      ack = ack || state == State::acked;
    }
  };
  Behind all;
  std::map<const Session*, Behind> own;
  for (auto at = window_.rbegin(); at != window_.rend(); ++at) {
    if (at->state == State::pending) {
      all = own[at->session] = {};
      continue;
    }
    const auto& open = at->session->open;
    const bool passed = open.empty() || at->seq < open.front();
    const State state = at->state;
    Behind& of_session = own[at->session];
    if (state == State::gone || (all.outdoes(state) && (passed || of_session.outdoes(state))))
      at->state = State::forgotten;
    all.add(state);
    of_session.add(state);
  }
  for (auto& [ordinal, session] : sessions_) {
    std::erase_if(session.open, [&](std::uint64_t seq) { return slot(seq)->state == State::forgotten; });
  }
  std::erase_if(window_, [](const Slot& slot) { return slot.state == State::forgotten; });
  forget_at_ = std::max(kLeastForgotten, 2 * (window_.size() - pending_));
}

void Durability::tell_acked() {
  std::lock_guard telling(telling_);
  std::vector<std::pair<SessionRef, std::uint64_t>> claims;
  {
    std::lock_guard lock(mutex_);
    for (auto& [ordinal, session] : sessions_) {
      if (session.last_acked == session.claimed) continue;
      session.claimed = session.last_acked;
      claims.emplace_back(session.identity, session.claimed);
    }
  }
  for (auto& [session, through] : claims) {
    listener_.acked(*session, planted(PlantedBug::ack_off_by_one) ? through + 1 : through);
  }
}

void Durability::acked(std::span<const std::uint64_t> seqs) {
  {
    std::lock_guard lock(mutex_);
    auto at = window_.end();
    for (std::uint64_t seq : seqs) {  // nearly always each right behind the one before
      if (at == window_.end() || at->seq != seq) at = std::ranges::lower_bound(window_, seq, {}, &Slot::seq);
      if (at == window_.end() || at->seq != seq) continue;
      if (at->state == State::pending) {
        at->state = State::acked;
        --pending_;
      }
      ++at;
    }
    pass_settled();
    forget_settled();
    changed_.notify_all();
  }
  tell_acked();
}

std::vector<Durability::Run> Durability::pending_runs(std::span<const std::uint64_t> seqs) {
  std::vector<Run> runs;
  std::lock_guard lock(mutex_);
  for (std::uint64_t seq : seqs) {
    Slot* found = slot(seq);
    if (found == nullptr || found->state != State::pending) continue;
    const SessionRef& session = found->session->identity;
    if (!runs.empty() && runs.back().to + 1 == seq && runs.back().session == session) {
      runs.back().to = seq;
    } else {
      runs.push_back({session, seq, seq});
    }
  }
  return runs;
}

std::uint64_t Durability::mark_gone(const std::vector<Run>& runs, bool lost) {
  std::uint64_t marked = 0;
  {
    std::lock_guard lock(mutex_);
    for (const Run& run : runs) {
      for (std::uint64_t seq = run.from; seq <= run.to; ++seq) {
        Slot* found = slot(seq);
        if (found == nullptr || found->state != State::pending) continue;
        found->state = State::gone;
        --pending_;
        ++gone_, ++marked;
        ++told_.gone, told_.missing.add(seq, kMaxRangesTold);
        if (lost) ++found->session->lost, ++lost_;
      }
    }
    pass_settled();
    forget_settled();
    changed_.notify_all();
  }
  tell_acked();
  return marked;
}

std::vector<Durability::Pending> Durability::pending_in(std::uint64_t from, std::uint64_t to,
                                                        std::size_t most) const {
  std::vector<Pending> pending;
  std::lock_guard lock(mutex_);
  for (auto at = std::ranges::lower_bound(window_, from, {}, &Slot::seq);
       at != window_.end() && at->seq <= to && pending.size() < most; ++at) {
    if (at->state == State::pending) pending.push_back({at->seq, at->session->identity});
  }
  return pending;
}

std::vector<Durability::Run> Durability::dropped(const Drop& drop) {
  std::lock_guard leaving(leaving_);
  std::vector<std::uint64_t> seqs;
  {
    std::lock_guard lock(mutex_);
    const auto from = std::ranges::lower_bound(window_, drop.from, {}, &Slot::seq);
    for (auto at = from; at != window_.end() && at->seq <= drop.to; ++at) seqs.push_back(at->seq);
  }
  std::vector<Run> runs = pending_runs(seqs);
  for (const Run& run : runs) {
    if (planted(PlantedBug::silent_drop)) continue;
    const std::uint64_t to = planted(PlantedBug::drop_off_by_one) ? run.to - 1 : run.to;
    if (run.from <= to) listener_.dropped(*run.session, run.from, to);
  }
  if (!runs.empty()) listener_.told(!ended_);
  mark_gone(runs, false);
  return runs;
}

std::uint64_t Durability::lost(std::span<const std::uint64_t> seqs, const std::string& reason) {
  std::lock_guard leaving(leaving_);
  std::vector<Run> runs = pending_runs(seqs);
  for (const Run& run : runs) listener_.lost(*run.session, run.from, run.to, reason);
  if (!runs.empty()) listener_.told(!ended_);
  return mark_gone(runs, true);
}

void Durability::end_waits() {
  std::unique_lock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return waiters_ == 0; });  // each leaves at once, with its own account
}

std::uint64_t Durability::lose_pending(const std::string& reason, std::uint64_t through,
                                       std::uint64_t after) {
  std::vector<std::uint64_t> seqs;
  {
    std::lock_guard lock(mutex_);
    for (const Slot& each : window_) {
      if (each.seq > through) break;
      if (each.state == State::pending && each.seq > after) seqs.push_back(each.seq);
    }
  }
  return lost(seqs, reason);
}

Standing Durability::stand(const SessionRef& session, std::uint64_t through) const {
  Standing standing;
  if (session) {
    auto found = sessions_.find(session->ordinal);
    if (found != sessions_.end()) {
      standing.durable_through = found->second.durable_through;
      standing.acked_through = found->second.last_acked;
      for (std::uint64_t seq : found->second.open) {
        if (seq > through) break;
        if (slot(seq)->state == State::pending) ++standing.pending;
      }
    }
  } else {
    standing.durable_through = durable_through_;
    for (const Slot& each : window_) {
      if (each.seq > through) break;
      if (each.state == State::pending) ++standing.pending;
    }
  }
  standing.settled = standing.pending == 0;
  return standing;
}

std::uint64_t Durability::lost_of(const SessionRef& session) const {
  if (!session) return lost_;
  auto found = sessions_.find(session->ordinal);
  return found == sessions_.end() ? 0 : found->second.lost;
}

Standing Durability::wait_settled(const SessionRef& session, std::uint64_t through, Time deadline,
                                  const std::function<Time()>& meanwhile) {
  std::unique_lock lock(mutex_);
  std::uint64_t lost_before = lost_of(session);
  auto settled = [&] {
    if (session) {
      auto found = sessions_.find(session->ordinal);
      return found == sessions_.end() || found->second.open.empty() || found->second.open.front() > through;
    }
    return window_.empty() || window_.front().seq > through;
  };
  const auto wait = [&](Time until) {
    const auto over = [&] { return ended_ || settled(); };
    if (!planted(PlantedBug::wait_without_loop)) return changed_.wait_until(lock, until, over);
    return over() || changed_.wait_until(lock, until) == std::cv_status::no_timeout;
  };
  ++waiters_;
  Time until;
  do {
    until = deadline;
    if (meanwhile) {
      lock.unlock();
      until = std::min(until, meanwhile());
      lock.lock();
    }
  } while (!wait(until) && until < deadline);
  --waiters_;
  if (waiters_ == 0) changed_.notify_all();
  Standing standing = stand(session, through);
  standing.lost_meanwhile = lost_of(session) != lost_before;
  return standing;
}

Standing Durability::standing(const SessionRef& session, std::uint64_t through) const {
  std::lock_guard lock(mutex_);
  return stand(session, through);
}

SessionRef Durability::session_of(std::uint64_t seq) const {
  std::lock_guard lock(mutex_);
  const Slot* found = slot(seq);
  return found == nullptr ? nullptr : found->session->identity;
}

bool Durability::forget(const SessionRef& session) {
  std::scoped_lock lock(telling_, mutex_);
  auto found = sessions_.find(session->ordinal);
  if (found == sessions_.end()) return true;
  // Slots that are passed by the session may still be in the window, behind a pending one of another session.
  for (const Slot& each : window_) {
    if (each.session == &found->second) return false;
  }
  sessions_.erase(found);
  return true;
}

std::size_t Durability::remembered() const {
  std::lock_guard lock(mutex_);
  return window_.size();
}

void Durability::branch(std::uint64_t through) {
  std::lock_guard lock(mutex_);
  told_before_ = told_;
  told_.missing = told_.missing.behind(through);
  told_.unstored = told_.unstored.behind(through);
  told_.gone = told_.missing.count();
  ++branches_;
}

unsigned Durability::branches() const {
  std::lock_guard lock(mutex_);
  return branches_;
}

Told Durability::told(unsigned branch) const {
  std::lock_guard lock(mutex_);
  return branch == branches_ ? told_ : told_before_;
}

std::uint64_t Durability::gone() const {
  std::lock_guard lock(mutex_);
  return gone_;
}

}  // namespace s2::writer
