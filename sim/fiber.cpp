// Fibers: see fiber.h.
#include "sim/fiber.h"

#include <cxxabi.h>
#include <link.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/sanitizers.h"

namespace s2::sim {
namespace {

constexpr std::size_t kSmallBlock = 512;  // bytes up to which a loop is faster than calls

// In a ThreadSanitizer build memcpy is intercepted and would report our copies of thread-locals as races.
inline void copy_bytes(char* to, const char* from, std::size_t bytes) {
#if defined(S2_SIM_TSAN)
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
  std::memcpy(to, from, bytes);
#endif
}

// What lives goes to `saved`, and `next` lives.
inline void exchange_blocks(char* saved, char* live, const char* next, std::size_t bytes) {
#if !defined(S2_SIM_TSAN)
  if (bytes <= kSmallBlock) {
    for (std::uint64_t old = 0, fresh = 0; bytes >= sizeof old; bytes -= sizeof old) {
      std::memcpy(&old, live, sizeof old);
      std::memcpy(&fresh, next, sizeof fresh);
      std::memcpy(saved, &old, sizeof old);
      std::memcpy(live, &fresh, sizeof fresh);
      saved += sizeof old, live += sizeof old, next += sizeof old;
    }
    for (; bytes != 0; --bytes) *saved++ = *live, *live++ = *next++;
    return;
  }
#endif
  copy_bytes(saved, live, bytes);
  copy_bytes(live, next, bytes);
}

int find_executable_tls(dl_phdr_info* info, std::size_t, void* found) {
  auto& block = *static_cast<TlsBlock*>(found);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_TLS) continue;
    block.at = static_cast<char*>(info->dlpi_tls_data);
    block.bytes = header.p_memsz;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as integers
    block.image = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
    block.image_bytes = header.p_filesz;
  }
  return 1;  // the executable comes first; nothing else is looked at
}

// ThreadSanitizer must forget who used a stack: it does when the memory is mapped anew.
#if defined(S2_SIM_TSAN)
constexpr std::size_t kKeptStacks = 0;
#else
constexpr std::size_t kKeptStacks = kPooledStacks;
#endif

}  // namespace

StackPool::~StackPool() {
  for (const Stack& stack : free_) munmap(stack.low - kGuardBytes, stack.bytes + kGuardBytes);
}

Stack StackPool::take() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    return stack;
  }
  void* memory = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    std::perror("sim: a stack for a simulated thread: mmap");
    std::abort();
  }
  return {static_cast<char*>(memory) + kGuardBytes, kStackBytes};
}

void StackPool::give(Stack stack) {
  sanitizers::forget_stack(stack.low, stack.bytes);
  if (free_.size() < kKeptStacks) {
    free_.push_back(stack);
  } else {
    munmap(stack.low - kGuardBytes, stack.bytes + kGuardBytes);
  }
}

TlsBlock TlsBlock::of_this_thread() {
  TlsBlock block;
  dl_iterate_phdr(find_executable_tls, &block);
  if (block.at == nullptr) block.bytes = 0;
  return block;
}

void TlsBlock::fill_fresh(char* copy) const {
  copy_bytes(copy, image, image_bytes);
  for (std::size_t i = image_bytes; i < bytes; ++i) copy[i] = 0;
}

Runtime Runtime::of_this_thread() {
  return {reinterpret_cast<void**>(abi::__cxa_get_globals()), &errno, TlsBlock::of_this_thread()};
}

void switch_context(const Runtime& runtime, Context& from, Context& to, bool last) {
  from.exceptions[0] = runtime.exceptions[0];
  from.exceptions[1] = runtime.exceptions[1];
  runtime.exceptions[0] = to.exceptions[0];
  runtime.exceptions[1] = to.exceptions[1];
  from.saved_errno = *runtime.errno_at;
  *runtime.errno_at = to.saved_errno;
  if (const std::size_t bytes = runtime.tls.bytes; bytes != 0) {
    exchange_blocks(from.tls.get(), runtime.tls.at, to.tls.get(), bytes);
  }
  sanitizers::leave(last ? nullptr : &from.asan_fake_stack, to.stack.low, to.stack.bytes, to.tsan,
                    from.outer || to.outer);
  const auto transfer = boost::context::detail::jump_fcontext(to.context, &from);
  entered(transfer, from);
}

void entered(boost::context::detail::transfer_t transfer, Context& self) {
  static_cast<Context*>(transfer.data)->context = transfer.fctx;
  sanitizers::arrive(self.asan_fake_stack);
}

void make_context(Context& context, void (*entry)(boost::context::detail::transfer_t)) {
  context.context = boost::context::detail::make_fcontext(context.stack.top(), context.stack.bytes, entry);
  context.exceptions[0] = context.exceptions[1] = nullptr;
  context.saved_errno = 0;
  context.asan_fake_stack = nullptr;
  context.tsan = sanitizers::new_fiber();
}

void end_context(Context& context) {
  sanitizers::end_fiber(context.tsan);
  context.tsan = nullptr;
}

}  // namespace s2::sim
