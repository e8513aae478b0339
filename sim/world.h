// One deterministic world: runs a function with real std::thread, std::mutex, std::condition_variable, clocks
// and sleeps in it, one thread at a time, in an order that a Chooser decides, in virtual time.
//
// How: a program that links the target `sim` defines pthread_*, sem_*, clock_gettime, nanosleep and their kin
// itself. While run() is under way on an OS thread they act on fibers of that OS thread; on every other OS
// thread, and outside run(), they pass through to the C library. So the object files under test are the
// production ones. Several OS threads may each be in a run() of their own at the same time; a run() inside a
// run() is refused.
//
// Simulated
//   threads       pthread_* and C11's <threads.h>, names, joins that are tried or timed, signal masks; CPUs
//                 and priorities are kept and mean nothing.
//   time          steady, system and CPU clocks (clock, times, getrusage) are one virtual clock. A read moves
//                 it by WorldOptions::clock_step and is a point; it jumps to the earliest timer when that is
//                 chosen. The epoch is fixed.
//   randomness    getrandom, getentropy, arc4random and std::random_device are draws of the chooser.
//   thread_local  those of the executable (and of static libraries in it) are each fiber's own, constructors
//                 and destructors included. Those of shared libraries are one for all fibers, except errno,
//                 the exception state, and what lives in pthread keys (OpenSSL's does).
//   once, statics outlive an execution, because the process does: the first execution may differ from later
//                 ones: a once flag that is done is no point. Explorers run one execution for warmth first.
//   atomics       have no call that could be defined here: give those that matter a point (see atomic_point
//                 below). std::atomic::wait/notify, latch, barrier and semaphore work: they end in the futex
//                 call.
//   objects       a mutex or condition variable that other OS threads use at the same time is an error.
//   files         are real: opened, read and written. Descriptors 1 and 2 may be written, whatever they are.
// Named: the execution ends as escaped, with the call
//   poll, select, epoll, eventfd, timerfd, signalfd; sockets and look-ups of names; read and write of a pipe,
//   a socket, a terminal or any other descriptor that is no file, blocking or not; /dev/urandom and
//   /dev/random; opening a fifo; processes (fork, posix_spawn, system, popen, wait) and signals or timers of
//   the process (kill, raise, alarm, setitimer, timer_create); POSIX and System V queues, aio; barriers and
//   spin locks of pthread, pthread_cancel; syscall(), and a system call by its instruction (Linux 5.11 and
//   later, x86-64, no sanitizer).
// Not seen, except where two executions of one order differ
//   rdtsc and RDRAND by instruction; vfork and exec; threads that a library makes without pthread_create;
//   what the C library reads for itself (std::cin, fgets, a FILE of another kind); locks of files; what
//   files, the environment, process ids, addresses and the number of CPUs say.
//
// Stacks: 512 KiB for each thread, the body's included, whatever its attributes ask for. One that is full
// ends the process by SIGSEGV, behind the line "sim: stack overflow of thread X (limit 512 KiB)"; where a
// sanitizer or the program handles SIGSEGV, it has the word. A frame of more than 1.5 MiB may miss the guard.
#pragma once
#include <pthread.h>
#include <semaphore.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/chooser.h"

namespace s2::sim {

enum class Ending {
  finished,       // the body returned and every thread has ended
  deadlock,       // nobody can go on, and no timer is pending
  idle,           // all sleep although a watched queue holds work
  leaked_thread,  // the body returned, and a thread lives for ever or was never joined
  escaped,        // a call left the world, or could not be simulated; `why` names it
  limit,          // more points, threads or virtual time than allowed
  failed,         // fail() was called
  uncaught,       // an exception left a thread, or std::terminate was called
  abandoned       // the chooser wanted no more of it
};
const char* name_of(Ending ending);
// Whether the program under test did something wrong (limit counts: it did not end).
inline bool is_failure(Ending ending) {
  return ending != Ending::finished && ending != Ending::abandoned;
}

// What the hook sees at a point: `thread` has arrived at it, and nobody has been chosen yet.
struct Point {
  Standing standing;
  std::uint64_t number = 0;  // of the execution, from 1
  std::chrono::nanoseconds now{};
};

inline constexpr std::size_t kTraceFrames = 12;
struct TraceStep {
  std::uint32_t thread = 0;
  Kind kind = Kind::start;
  std::uint32_t object = 0;
  std::uint32_t ordinal = 0;
  bool preempted = false;  // another thread was chosen here although this one could go on
  std::chrono::nanoseconds now{};
  std::array<const void*, kTraceFrames> frames{};  // return addresses, innermost first; for a symbolizer
};

// What the program says of itself while a trace is kept: it came before the step of that index.
struct TraceNote {
  std::size_t step = 0;
  std::uint32_t thread = 0;
  std::chrono::nanoseconds now{};
  std::string text;
};

struct WorldOptions {
  Chooser& chooser;
  std::uint64_t max_points = 1'000'000;
  std::chrono::nanoseconds max_virtual_time = std::chrono::hours(24 * 365);
  std::size_t max_threads = kMaxLanes;      // alive at the same time
  std::chrono::nanoseconds clock_step{50};  // what a read of a clock costs
  std::chrono::nanoseconds idle_after =
      std::chrono::hours(1);                        // timers farther than this do not excuse an idle consumer
  unsigned spurious_wakeups = 0;                    // how many the chooser may have offered in one execution
  std::function<void(const Point&)> on_point = {};  // at every point; must not block, may call fail()
  // Once, where the execution fails, on the stack of the thread that it fails in; must not block.
  std::function<void()> on_failure = {};
  bool keep_trace = false;
};

struct Execution {
  Ending ending = Ending::finished;
  std::string why;
  std::uint64_t trace_hash =
      0;  // the same for the same order, whatever the compiler, its options and addresses
  std::uint64_t points = 0;
  std::uint64_t choices = 0;
  std::uint64_t switches = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t threads = 0;
  std::size_t not_unwound =
      0;  // threads that a failed execution could not unwind: what they owned has leaked
  std::chrono::nanoseconds virtual_time{};
  std::vector<TraceStep> trace;           // with keep_trace
  std::vector<TraceNote> notes;           // likewise
  std::vector<std::string> thread_names;  // with keep_trace, by thread
  std::vector<std::string> object_names;  // with keep_trace, by object; "" where none was given
};

// Runs `body` as thread 0 of a new world. Throws std::logic_error inside a world.
//
// An execution that does not finish is unwound: children before parents, each thread that still lives gets an
// exception (Unwind) from the next wait, sleep or point of its own, so that destructors run; a join returns,
// because its thread has ended; locks go on excluding. So some of the program's code may still run after a
// failure: what it reports by fail() is ignored, and inside() is false in it. A thread that cannot be unwound
// (it waits in a destructor or another noexcept function, for a lock whose holder was given up, or its
// std::thread objects are still joinable) is given up: its stack is used again, what it owned is leaked, and
// Execution::not_unwound counts it.
Execution run(const WorldOptions& options, const std::function<void()>& body);

// -- For code inside a world. Outside, each does what its comment says, so that code need not ask first. --

bool inside();  // on a fiber of a world
// Points that the worlds of this OS thread have passed, ever: stands still where a thread goes on without
// one. Safe in a signal's handler.
std::uint64_t pulse();
std::chrono::nanoseconds now();  // virtual time since the start, no point; outside 0
// How much of now() passed by timers that fired although some thread could go on: what a program may blame
// for being late. No point; outside 0.
std::chrono::nanoseconds hurried();
std::uint64_t choose(std::uint64_t below);       // a value the chooser draws; outside 0
[[gnu::cold]] void fail(std::string_view what);  // ends the execution as failed; does not return inside
// Whether a trace is kept, and a note in it: not a point, and not in the hash. Outside false, and nothing.
bool tracing();
void note(std::string text);
// The current thread touches what no lock guards, as an observer may whose calls are no points. Not a point,
// and not in the hash; for searches that leave out equivalent orders. They keep the order of calls with the
// same part, from 1 to kUnguardedParts; calls with other parts, and all with part 0, commute: in either order
// what is known in the end is the same, and what is judged at the first of them is judged again at the
// second.
inline constexpr std::uint32_t kUnguardedParts = 15;
void touches_unguarded(std::uint32_t part);
// A point of the caller's own; the name must live as long as the process. Outside nothing.
void point(Kind kind, const char* name);
// The current one; default: parent's name, ".", the how-manieth child. Of several with one name the later
// ones get a number behind it. pthread_setname_np does the same.
void name_thread(std::string_view name);
// Names an object, and counts it as used. Use the native_handle() of the std:: types.
void name_object(pthread_mutex_t* object, std::string_view name);
void name_object(pthread_cond_t* object, std::string_view name);
void name_object(pthread_rwlock_t* object, std::string_view name);
void name_object(sem_t* object, std::string_view name);
// Names by Standing, for hooks and choosers (on the simulating thread, during run()).
std::string thread_name(std::uint32_t thread);
std::string object_name(std::uint32_t object);

// After `delay` a new thread runs `fn` (detached, named "timer"). Those still pending when the body returns
// are dropped.
using TimerId = std::uint64_t;
TimerId after(std::chrono::nanoseconds delay, std::function<void()> fn);
bool cancel(TimerId timer);  // false: has fired, or never was

// The idle oracle: while nobody can run, `has_work` must not hold, unless a timer of the consumer is pending
// that is nearer than idle_after. `consumer` is a thread's name; "" means any thread. `has_work` must not
// block. The watch ends with unwatch(), or with the execution.
using WatchId = std::uint64_t;
WatchId watch(std::string_view name, std::function<bool()> has_work, std::string_view consumer = "");
void unwatch(WatchId watch);

// Sends a signal to the process under test: its delivery becomes a choice at every point from now on, until
// some thread that does not block it has run the handler that sigaction() installed (ignored ones vanish).
void send_signal(int signal);

// What unwinds the threads of an execution that has ended. Code that catches everything and goes on meets it
// again at its next point.
struct Unwind;

}  // namespace s2::sim

// The point for an atomic that matters, callable from code that must not know the world: declare it weak
// there,
//   extern "C" [[gnu::weak]] void s2_sim_atomic_point(const char* name);
// and call it when it is not null.
extern "C" void s2_sim_atomic_point(const char* name);
