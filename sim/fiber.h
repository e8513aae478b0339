// Fibers: stacks from a pool, the raw context switch, and what the C++ runtime keeps per thread.
//
// Internal to sim. Everything here belongs to the OS thread that simulates; nothing is shared between OS
// threads.
#pragma once
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace s2::sim {

inline constexpr std::size_t kStackBytes = 512 * 1024;   // virtual; pages are committed when they are touched
inline constexpr std::size_t kGuardBytes = 1024 * 1024;  // below it: a larger frame than that is not noticed
inline constexpr std::size_t kPooledStacks = 128;        // kept by one OS thread between executions

struct Stack {
  char* low = nullptr;  // above the guard page
  std::size_t bytes = 0;
  char* top() const { return low + bytes; }
};

class StackPool {
 public:
  StackPool() = default;
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  ~StackPool();
  Stack take();
  void give(Stack stack);

 private:
  std::vector<Stack> free_;
};

// The executable's block of thread-locals of the calling OS thread.
struct TlsBlock {
  char* at = nullptr;
  std::size_t bytes = 0;        // 0: the executable has none
  const char* image = nullptr;  // initial values, then zeros
  std::size_t image_bytes = 0;
  static TlsBlock of_this_thread();
  void fill_fresh(char* copy) const;
};

// What is saved when a context is left and restored when it is entered again.
struct Context {
  boost::context::detail::fcontext_t context = nullptr;
  void* exceptions[2] = {nullptr,
                         nullptr};  // __cxa_eh_globals: what is being caught, and how many are in flight
  int saved_errno = 0;
  bool outer = false;           // the OS thread's own, which runs before and after all others
  std::unique_ptr<char[]> tls;  // as large as the executable's block; kept for the next user of the lane
  Stack stack;                  // of the OS thread itself for the main context
  void* tsan = nullptr;
  void* asan_fake_stack = nullptr;
};

// The registers of the OS thread's runtime that a switch swaps; found once an OS thread.
struct Runtime {
  void** exceptions = nullptr;
  int* errno_at = nullptr;
  TlsBlock tls;
  static Runtime of_this_thread();
};

// Leaves `from` and goes on in `to`. With `last`, `from` is never entered again.
void switch_context(const Runtime& runtime, Context& from, Context& to, bool last);
// The first thing that a new context does, with what it was entered with.
void entered(boost::context::detail::transfer_t transfer, Context& self);
void make_context(Context& context, void (*entry)(boost::context::detail::transfer_t));
void end_context(Context& context);  // after its last switch: forgets what sanitizers know of it

}  // namespace s2::sim
