// See live_stream.h.
#include "writer/live_stream.h"

#include <fmt/format.h>

#include <charconv>

namespace s2::writer {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLooksForItsViewer{500};

}  // namespace

std::optional<std::uint64_t> event_id(std::string_view text) {
  if (text.empty()) return 0;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t id = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc() ? id : ~std::uint64_t{0};
}

std::string sse_text(const Envelope& envelope) {
  // One line: a marshalled envelope holds no line break.
  return fmt::format("id: {}\ndata: {}\n\n", envelope.seq, envelope.json);
}

std::string sse_text(const Drop& drop) {
  return fmt::format("id: {}\nevent: drop\ndata: {{\"count\":{},\"from\":{},\"to\":{}}}\n\n", drop.to,
                     drop.count, drop.from, drop.to);
}

LiveStream::Viewer::Viewer(LiveStream& stream, std::unique_ptr<RingReader> reader, bool skips_first_drop)
    : stream_(stream),
      reader_(std::move(reader)),
      skips_first_drop_(skips_first_drop),
      spoke_(steady_clock::now()) {}

LiveStream::Viewer::~Viewer() {
  const std::lock_guard lock(stream_.mutex_);
  stream_.viewers_.remove(this);
}

bool LiveStream::Viewer::serve(const Write& write, const Alive& alive) {
  const auto now = steady_clock::now();
  const RingItem item = reader_->next(std::min(now + kLooksForItsViewer, spoke_ + stream_.keep_alive_));
  {
    const std::lock_guard lock(stream_.mutex_);
    if (stream_.over_) return false;
  }
  std::string text;
  if (const auto* envelope = std::get_if<EnvelopeRef>(&item)) {
    text = sse_text(**envelope);
  } else if (const auto* drop = std::get_if<Drop>(&item)) {
    // Who asked for all that there is has not missed what was there before.
    if (!skips_first_drop_) text = sse_text(*drop);
  } else if (steady_clock::now() - spoke_ >= stream_.keep_alive_) {
    text = ": still here\n\n";
  }
  if (!std::holds_alternative<std::monostate>(item)) skips_first_drop_ = false;
  if (text.empty()) return alive();
  spoke_ = steady_clock::now();
  return write(text);
}

std::unique_ptr<LiveStream::Viewer> LiveStream::join(std::uint64_t last_seen, bool replay_all) {
  const std::lock_guard lock(mutex_);
  if (over_ || viewers_.size() >= kMaxViewers) return nullptr;
  const std::uint64_t newest = writer_.last_seq();
  const std::uint64_t after = last_seen > newest ? 0 : last_seen > 0 ? last_seen : replay_all ? 0 : newest;
  std::unique_ptr<Viewer> viewer(new Viewer(*this, writer_.viewer(after), replay_all && last_seen == 0));
  viewers_.push_back(viewer.get());
  return viewer;
}

void LiveStream::end() {
  const std::lock_guard lock(mutex_);
  over_ = true;
  for (Viewer* viewer : viewers_) viewer->reader_->cancel();
}

bool LiveStream::over() const {
  const std::lock_guard lock(mutex_);
  return over_;
}

std::size_t LiveStream::viewers() const {
  const std::lock_guard lock(mutex_);
  return viewers_.size();
}

}  // namespace s2::writer
