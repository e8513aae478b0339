// What answers say about appends in flight; see append_window.h.
#include "writer/append_window.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "writer/planted_bugs.h"

namespace s2::writer {

void AppendWindow::push(Batch&& batch) {
  Slot slot;
  slot.begin = next_place();
  slot.batch = std::move(batch);
  slots_.push_back(std::move(slot));
}

void AppendWindow::renumber(std::uint64_t tail, bool harmless) {
  tail_ = tail;
  std::uint64_t place = tail;
  for (Slot& slot : slots_) {
    slot.in_doubt = slot.in_doubt && !harmless && slot.doubted >= tail;
    slot.begin = place;
    slot.sent = false;
    place = slot.end();
  }
  sent_ = 0;
}

std::size_t AppendWindow::in_doubt() const {
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.in_doubt; }));
}

AppendWindow::Slot* AppendWindow::next_to_send() {
  return sent_ < slots_.size() && !slots_[sent_].in_doubt_elsewhere() ? &slots_[sent_] : nullptr;
}

void AppendWindow::mark_sent(std::chrono::steady_clock::time_point now) {
  slots_[sent_].sent = true;
  slots_[sent_].sent_at = now;
  ++sent_;
}

std::optional<Batch> AppendWindow::acked(const wire::AppendAck& ack) {
  if (sent_ == 0) return std::nullopt;
  const Slot& oldest = slots_.front();
  const bool fits = ack.start.seq_num == oldest.begin && ack.end.seq_num == oldest.end() &&
                    ack.tail.seq_num >= ack.end.seq_num;
  const bool blind = planted(PlantedBug::unsafe_retry) || planted(PlantedBug::resend_after_reconnect);
  if (!fits && !blind) return std::nullopt;
  const std::uint64_t tail = oldest.end();
  Batch stored = take(0);
  for (Slot& slot : slots_) slot.in_doubt = slot.in_doubt && slot.doubted >= tail;
  return stored;
}

void AppendWindow::session_lost() {
  for (std::size_t i = 0; i < sent_; ++i) {
    slots_[i].sent = false;
    slots_[i].in_doubt = true;
    slots_[i].doubted = slots_[i].begin;
  }
  sent_ = 0;
}

void AppendWindow::session_refused() {
  if (slots_.empty() || slots_.front().in_doubt) return session_lost();
  for (std::size_t i = 0; i < sent_; ++i) slots_[i].sent = false;
  sent_ = 0;
}

Batch AppendWindow::take(std::size_t index) {
  Slot& slot = slots_[index];
  if (index + 1 == slots_.size()) tail_ = slot.end();
  if (slot.sent) --sent_;
  Batch out = std::move(slot.batch);
  slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(index));
  return out;
}

void AppendWindow::split_front() {
  Slot& first = slots_.front();
  Slot second;
  const auto half = static_cast<std::ptrdiff_t>(first.batch.seqs.size() / 2);
  auto& records = first.batch.input.records;
  auto& seqs = first.batch.seqs;
  second.batch.input.records.assign(std::make_move_iterator(records.begin() + half),
                                    std::make_move_iterator(records.end()));
  second.batch.seqs.assign(seqs.begin() + half, seqs.end());
  records.resize(static_cast<std::size_t>(half));
  seqs.resize(static_cast<std::size_t>(half));
  first.batch.metered = wire::metered_bytes(records);
  second.batch.metered = wire::metered_bytes(second.batch.input.records);
  second.begin = first.end();
  slots_.insert(slots_.begin() + 1, std::move(second));
}

bool AppendWindow::ends_with(std::size_t index, const std::vector<wire::SequencedRecord>& stored) const {
  const Slot& slot = slots_[index];
  const wire::AppendRecord& last = slot.batch.input.records.back();
  return !stored.empty() && stored.front().seq_num == slot.doubted_end() - 1 &&
         stored.front().body == last.body.view() && stored.front().headers == last.headers;
}

}  // namespace s2::writer
