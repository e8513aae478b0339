// A writer in a branch of a snapshot; see Writer::identify() and docs/forks.md.
#include <fmt/format.h>

#include "writer/writer.h"

namespace s2::writer {

tl::expected<Identified, std::string> Writer::identify(const NewIdentity& next) {
  const std::lock_guard one_at_a_time(identity_mutex_);
  if (identities_ >= kMaxIdentities) {
    return tl::unexpected(
        fmt::format("this writer has changed its identity {} times: start a new one", kMaxIdentities));
  }
  const std::string epoch = options_.new_epoch();
  if (epoch.empty()) return tl::unexpected<std::string>("a new epoch cannot be drawn from /dev/urandom");
  // What is quick happens while publishes are held; what may take a moment, like closing connections, after
  // it.
  const auto renewed =
      sessions_.renew(next, std::chrono::steady_clock::now() + kIdentityHold, [&](std::uint64_t cut_off) {
        if (producers_) producers_->renew(epoch, next.inherit ? std::nullopt : std::optional(cut_off));
        if (journal_) branch_journal(cut_off, epoch, next.stream);
      });
  if (!renewed) return tl::unexpected(renewed.error());
  ++identities_;

  Identified identified{renewed->session, renewed->cut_off, 0, 0};
  if (next.inherit) {
    identified.pending = durability_.standing(nullptr, renewed->cut_off).pending;
  } else if (storage_) {
    identified.left = storage_->leave(renewed->cut_off);
  }
  if (!next.inherit) durability_.branch(renewed->cut_off);
  share_epochs(epoch, next.inherit);
  if (producers_) {
    {
      const std::lock_guard lock(ended_mutex_);
      ended_.insert(ended_.end(), renewed->ended.begin(), renewed->ended.end());
    }
    remove_streams(std::chrono::steady_clock::now());
  }
  return identified;
}

// Two branches may have the same directory: none writes into the files of the other, or of their source.
void Writer::branch_journal(std::uint64_t after, const std::string& epoch, const std::string& fixed_stream) {
  if (options_.journal_mark.epoch.empty()) return journal_->branch(after, epoch, {});
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  journal_->branch(
      after, epoch,
      line_of({epoch,
               static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()),
               options_.journal_mark.basin, fixed_stream}));
}

// Whoever recovers the journal later must know whose business the source's lines are.
void Writer::share_epochs(const std::string& epoch, bool inherit) {
  if (epochs_.empty()) return;
  for (const std::string& each : epochs_) {
    if (!branch_epoch(options_.journal_dir, each, inherit))
      log_(fmt::format(
          "journal: {}/settled.jsonl cannot be written: a recovery may deliver what this branch {}",
          options_.journal_dir, inherit ? "has delivered" : "has left"));
  }
  if (!inherit) epochs_.clear();
  epochs_.push_back(epoch);
}

}  // namespace s2::writer
