// See backlog.h.
#include "writer/backlog.h"

#include <memory>
#include <utility>
#include <vector>

namespace s2::writer {

Backlog::Backlog(Journal* journal, std::size_t most, Durability& durability,
                 std::function<void(const Drop&)> tell)
    : journal_(most == 0 ? nullptr : journal), most_(most), durability_(durability), tell_(std::move(tell)) {}

void Backlog::add(const Drop& drop) {
  if (journal_ == nullptr) return tell_(drop);
  if (empty()) first_ = drop.from;
  last_ = drop.to;
  if (last_ - first_ < most_) return;
  const std::uint64_t oldest = last_ + 1 - most_;
  tell_({oldest - first_, first_, oldest - 1});
  first_ = oldest;
  std::erase_if(lines_, [&](const Line& line) { return line.event.seq < oldest; });
}

EnvelopeRef Backlog::next(const std::stop_token& stop, Deadline deadline) {
  EnvelopeRef found;
  while (!found && !empty()) {
    if (lines_.empty() && !refill(stop, deadline)) break;
    if (lines_.empty()) continue;
    Line line = std::move(lines_.front());
    lines_.pop_front();
    first_ = line.event.seq + 1;
    if (line.text.json.empty()) {
      miss(line.event.seq);
      continue;
    }
    auto envelope = std::make_shared<Envelope>();
    envelope->seq = line.event.seq;
    envelope->session = std::move(line.event.session);
    envelope->store = true;
    envelope->published_us = line.text.published_us;
    envelope->json = std::move(line.text.json);
    found = std::move(envelope);
  }
  tell_missed();
  return found;
}

// False: stop or deadline came first. Otherwise lines are here, or the range has got shorter.
bool Backlog::refill(const std::stop_token& stop, Deadline deadline) {
  std::vector<Durability::Pending> pending = durability_.pending_in(first_, last_, kReadBackEvents);
  if (pending.empty()) {
    first_ = last_ + 1;
    return true;
  }
  std::vector<std::uint64_t> seqs;
  for (const Durability::Pending& event : pending) seqs.push_back(event.seq);
  auto texts = journal_->read_back(seqs, stop, deadline);
  if (!texts) return false;
  if (texts->empty()) {  // what is published now must not wait for a disk that hangs, too
    tell_missed();
    tell_({last_ + 1 - first_, first_, last_});
    first_ = last_ + 1;
    return true;
  }
  for (std::size_t i = 0; i < texts->size(); ++i)
    lines_.push_back({std::move(pending[i]), std::move((*texts)[i])});
  return true;
}

void Backlog::miss(std::uint64_t seq) {
  if (missed_.count == 0) missed_.from = seq;
  ++missed_.count;
  missed_.to = seq;
}

void Backlog::tell_missed() {
  if (missed_.count > 0) tell_(std::exchange(missed_, {}));
}

void Backlog::wake() {
  if (journal_ != nullptr) journal_->wake();
}

void Backlog::passed(std::uint64_t through) {
  if (journal_ != nullptr) journal_->forget(through);
}

}  // namespace s2::writer
