// See workload.h.
#include "scenarios/workload.h"

#include <algorithm>
#include <array>
#include <utility>

#include "scenarios/recording.h"

namespace s2::scenarios {
namespace {

// The writer's limit on a marshalled envelope, and S2's on a record, both in bytes.
constexpr std::uint64_t kEnvelopeLimit = 1'000'000;
constexpr std::uint64_t kRecordLimit = 1024 * 1024;
constexpr std::uint64_t kEnvelopeOverhead = 700;          // around what an envelope adds to data.text
constexpr std::size_t kMaxWindowBytes = 3 * 1024 * 1024;  // of a window of the recording
constexpr std::int64_t kUsPerSecond = 1'000'000;
constexpr std::uint64_t kLatestRestartUs = 2000;  // behind the stop: about what its answer takes
constexpr std::uint64_t kRestartEveryUs = 5000;

struct EventKind {
  const char* type;
  const char* category;
};
constexpr std::array<EventKind, 6> kEventKinds = {{{"console_log", "console"},
                                                   {"console_error", "console"},
                                                   {"network_request", "network"},
                                                   {"network_response", "network"},
                                                   {"page_navigation", "page"},
                                                   {"interaction_click", "interaction"}}};

EventShape small_event(Prng& prng, std::string_view text_json) {
  const EventKind& kind = kEventKinds[prng.between(0, kEventKinds.size() - 1)];
  return shape_of(kind.type, kind.category, text_json);
}

std::string filling(std::uint64_t bytes, Prng& prng) {
  std::string text(static_cast<std::size_t>(bytes), 'x');
  for (std::size_t i = 0; i < text.size(); i += 64) text[i] = static_cast<char>('a' + prng.between(0, 25));
  return "\"" + text + "\"";
}

// Text that a page may say and that nobody downstream may take for anything but text. As JSON text, so that
// what JSON can carry beyond UTF-8 (lone surrogates) is there too.
const std::vector<std::string>& hostile_texts() {
  static const std::vector<std::string> kTexts = {
      R"j("</script><img src=x onerror=alert(1)>")j",
      R"j("]]><!--\"><svg onload=alert(1)>&amp;&lt;&#x27;")j",
      R"j("\u001b[31mred\u001b[0m \u001b]0;title\u0007 \u009b2J")j",
      R"j("before\u0000after")j",
      R"j("line\u2028and paragraph\u2029separators")j",
      R"j("\r\n\r\nHTTP/1.1 200 OK\r\n")j",
      R"j("{\"ready\":true}\n{\"acked\":999999}")j",
      R"j("| a | b |\n|---|---|\n`code` [link](javascript:alert(1))")j",
      "\"Grüße, 世界, \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80, مرحبا, \xE2\x80\xAEtxet\"",
      R"j("\ufeffbom \ufffd replacement \uffff last")j",
      R"j("\u00e9 and e\u0301, \u0130\u0131")j",
      "\"" + std::string(3000, '%') + "s%n%x\"",
      R"j("a pair \ud83d\ude00 of surrogates")j",
      R"j("")j",
  };
  return kTexts;
}

// Alone they are no text at all; a writer may store, replace or reject, but it goes on.
const std::string kLoneSurrogate = R"("lone \ud800 surrogate")";

class Script {
 public:
  Script(const Workload& workload, const std::string& run, std::uint64_t seed)
      : workload_(workload), run_(run), prng_(Prng::forked(seed, "script")) {}

  std::vector<Step> take() { return std::move(steps_); }
  std::string session(int index) const { return run_ + "-" + std::to_string(index); }

  void start(int index) { push(Step::Kind::start, session_ = session(index)); }
  void stop() { push(Step::Kind::stop, session_); }
  // Of a session by its number, whichever started last.
  void stop_without_waiting(int index) {
    push(Step::Kind::stop, session(index));
    steps_.back().waits = false;
  }
  void publish_in(int index, std::uint64_t count) {
    const std::string newest = std::exchange(session_, session(index));
    publish_small(count);
    session_ = newest;
  }
  void flush() { push(Step::Kind::flush, session_); }
  void storage(bool on) {
    push(Step::Kind::storage, session_);
    steps_.back().on = on;
  }
  void await_ack() { push(Step::Kind::await_ack, session_); }
  void publish(EventShape shape) {
    push(Step::Kind::publish, session_);
    steps_.back().publisher = static_cast<int>(prng_.between(0, workload_.publishers.lo - 1));
    steps_.back().shape = std::move(shape);
    if (workload_.rate.lo > 0) now_us_ += kUsPerSecond / static_cast<std::int64_t>(workload_.rate.lo);
  }
  void publish_small(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i)
      publish(small_event(prng_, filling(prng_.between(0, 300), prng_)));
  }
  void wait(std::uint64_t us) { now_us_ += static_cast<std::int64_t>(us); }

  void recorded();
  void sizes();
  void text();
  void sessions();
  void trickle();
  void storage_off();
  void overlap();
  void restarts();
  void early();

  Prng& prng() { return prng_; }
  std::uint64_t events() const { return workload_.events.lo; }
  std::uint64_t silence() const { return workload_.silence.lo; }

 private:
  void push(Step::Kind kind, const std::string& session) {
    Step step;
    step.kind = kind;
    step.session = session;
    step.at_us = now_us_;
    steps_.push_back(std::move(step));
  }

  const Workload& workload_;
  const std::string& run_;
  Prng prng_;
  std::vector<Step> steps_;
  std::string session_;
  std::int64_t now_us_ = 0;
};

void Script::recorded() {
  const std::vector<RecordedEvent>& all = browser_recording();
  const std::size_t count = std::min<std::size_t>(events(), all.size());
  const std::size_t first = prng_.between(0, all.size() - count);
  const std::int64_t begin = now_us_;
  std::size_t bytes = 0;
  for (std::size_t i = first; i < first + count; ++i) {
    bytes += all[i].shape.bytes();
    if (bytes > kMaxWindowBytes) break;
    if (workload_.rate.lo > 0) now_us_ = begin + (all[i].t_us - all[first].t_us);
    push(Step::Kind::publish, session_);
    steps_.back().publisher = static_cast<int>(prng_.between(0, workload_.publishers.lo - 1));
    steps_.back().shape = all[i].shape;
  }
}

// One event of the run may be more than any record takes, data or not: it is skipped, and the next is not.
void Script::sizes() {
  const std::uint64_t over = prng_.chance(80) ? prng_.between(0, (events() - 1) / 2) : events();
  const std::vector<std::uint64_t> around = {0,
                                             1,
                                             1000,
                                             1024,
                                             4096,
                                             65'535,
                                             65'536,
                                             262'144,
                                             kEnvelopeLimit - kEnvelopeOverhead,
                                             kEnvelopeLimit,
                                             kRecordLimit - kEnvelopeOverhead,
                                             kRecordLimit,
                                             kRecordLimit + 200'000};
  for (std::uint64_t i = 0; i < events(); ++i) {
    if (i == over) {
      publish(shape_of_kept("console_log", "console", kRecordLimit + 1000));
      publish_small(1);
    }
    const std::uint64_t size = prng_.pick(around);
    publish(small_event(prng_, filling(size + prng_.between(0, size > 2000 ? 900 : 10), prng_)));
    if (prng_.chance(50)) publish_small(1);
  }
}

void Script::text() {
  const std::uint64_t lone = prng_.chance(30) ? prng_.between(0, events() - 1) : events();
  for (std::uint64_t i = 0; i < events(); ++i) {
    publish(small_event(prng_, i == lone ? kLoneSurrogate : prng_.pick(hostile_texts())));
  }
}

void Script::sessions() {
  const std::uint64_t each = std::max<std::uint64_t>(1, events() / 4);
  publish_small(each);
  for (const int next : {2, 3, 1}) {
    stop();
    start(next);
    publish_small(each);
  }
}

void Script::trickle() {
  for (std::uint64_t i = 0; i < events(); ++i) {
    publish_small(1);
    wait(silence() + prng_.between(0, silence()));
  }
}

// One run in three ends while storing is off: what is drained then has a cut-off too.
void Script::storage_off() {
  const std::uint64_t each = std::max<std::uint64_t>(1, events() / 5);
  const bool ends_off = prng_.chance(33);
  publish_small(prng_.chance(25) ? 0 : each);
  for (int round = 0; round < 2; ++round) {
    storage(false);
    publish_small(each);
    if (round == 1 && ends_off) return;
    storage(true);
    publish_small(each);
  }
}

// Publishers of the old session go on for a while beside those of the new one; then the old one ends, with
// nobody waiting for it, and begins again at once.
void Script::overlap() {
  const std::uint64_t each = std::max<std::uint64_t>(1, events() / 8);
  publish_small(each);
  start(2);
  for (int round = 0; round < 4; ++round) publish_in(prng_.chance(50) ? 1 : 2, each);
  publish_in(1, 1);
  stop_without_waiting(1);
  publish_in(2, each);
  if (prng_.chance(50)) return;
  start(1);
  publish_in(1, each);
}

// What is published right behind the start meets whatever the end still has to do.
void Script::restarts() {
  for (std::uint64_t left = events(); left > 1; left -= 2) {
    publish_small(1);
    stop_without_waiting(1);
    const std::uint64_t gap = prng_.between(0, kLatestRestartUs);
    wait(gap);
    start(1);
    steps_.back().waits = false;
    publish_small(1);
    wait(kRestartEveryUs - gap);
  }
}

// Publishers begin first, then their session does, and nobody waits for its answer. One of them is stopped by
// two.
void Script::early() {
  const std::uint64_t each = std::max<std::uint64_t>(1, events() / 4);
  for (const int next : {1, 2}) {
    publish_in(next, prng_.between(1, 3));
    start(next);
    steps_.back().waits = false;
    publish_small(each);
    if (next == 2) return;
    stop();
    push(Step::Kind::stop_again, session_);
  }
}

}  // namespace

std::vector<Step> make_steps(const Workload& workload, const std::string& run, std::uint64_t seed) {
  Script script(workload, run, seed);
  if (workload.kind != WorkloadKind::early) script.start(1);
  switch (workload.kind) {
    case WorkloadKind::recorded:
      script.recorded();
      break;
    case WorkloadKind::steady:
    case WorkloadKind::burst:
    case WorkloadKind::through_shutdown:
      script.publish_small(script.events());
      break;
    case WorkloadKind::trickle:
      script.trickle();
      break;
    case WorkloadKind::single:
      script.publish_small(1);
      script.wait(script.silence());
      break;
    case WorkloadKind::sizes:
      script.sizes();
      break;
    case WorkloadKind::text:
      script.text();
      break;
    case WorkloadKind::sessions:
      script.sessions();
      break;
    case WorkloadKind::behind_ack:
      for (std::uint64_t i = 0; i < script.events(); ++i) {
        script.publish_small(1);
        script.await_ack();
      }
      script.publish_small(1);
      break;
    case WorkloadKind::flush_twice:
      script.publish_small(script.events() / 2);
      script.flush();
      script.flush();
      script.publish_small(script.events() - script.events() / 2);
      script.flush();
      script.flush();
      break;
    case WorkloadKind::silence:
      script.publish_small((script.events() + 1) / 2);
      script.wait(script.silence());
      script.publish_small((script.events() + 1) / 2);
      break;
    case WorkloadKind::storage_off:
      script.storage_off();
      break;
    case WorkloadKind::overlap:
      script.overlap();
      break;
    case WorkloadKind::browser:
      break;
    case WorkloadKind::restarts:
      script.restarts();
      break;
    case WorkloadKind::early:
      script.early();
      break;
  }
  return script.take();
}

Step filler_step(const Workload& workload, const std::string& session, Prng& prng) {
  Step step;
  step.session = session;
  step.publisher = static_cast<int>(prng.between(0, workload.publishers.lo - 1));
  step.shape = small_event(prng, filling(prng.between(0, 200), prng));
  return step;
}

}  // namespace s2::scenarios
