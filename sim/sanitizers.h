// What AddressSanitizer and ThreadSanitizer must be told about fibers and simulated locks; nothing in other
// builds.
//
// Internal to sim. ThreadSanitizer is told of switches without synchronisation between the fibers, so that
// races between threads that only the scheduler's order hides are found; what does synchronise them is
// announced by the simulated operations with acquire() and release().
#pragma once
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define S2_SIM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || defined(S2_SIM_FORCE_TSAN)
#define S2_SIM_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define S2_SIM_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define S2_SIM_TSAN 1
#endif
#endif

#if defined(S2_SIM_ASAN)
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack_save, const void** bottom_old, std::size_t* size_old);
void __asan_unpoison_memory_region(void const volatile* addr, std::size_t size);
}
#endif
#if defined(S2_SIM_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* addr);
void __tsan_release(void* addr);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void AnnotateBenignRaceSized(const char* file, int line, const volatile void* mem, long size,
                             const char* desc);
}
#endif

namespace s2::sim::sanitizers {

#if defined(S2_SIM_ASAN)
inline void forget_stack(void* low, std::size_t bytes) {
  __asan_unpoison_memory_region(low, bytes);
}
#else
inline void forget_stack(void*, std::size_t) {}
#endif

// Around a switch. `save` null: the context that is left will never run again. `ordered`: what was done
// before the switch happens before what follows it, as between run() and the body.
inline void leave([[maybe_unused]] void** save, [[maybe_unused]] const void* low,
                  [[maybe_unused]] std::size_t bytes, [[maybe_unused]] void* tsan,
                  [[maybe_unused]] bool ordered) {
#if defined(S2_SIM_ASAN)
  __sanitizer_start_switch_fiber(save, low, bytes);
#endif
#if defined(S2_SIM_TSAN)
  __tsan_switch_to_fiber(tsan, ordered ? 0 : 1);  // 1: no synchronisation
#endif
}
inline void arrive([[maybe_unused]] void* saved) {
#if defined(S2_SIM_ASAN)
  __sanitizer_finish_switch_fiber(saved, nullptr, nullptr);
#endif
}
// Learns the bounds of the OS thread's own stack, when the first fiber is entered from it.
inline void arrive_first([[maybe_unused]] const void** low, [[maybe_unused]] std::size_t* bytes) {
#if defined(S2_SIM_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, low, bytes);
#endif
}

inline void* current_fiber() {
#if defined(S2_SIM_TSAN)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}
inline void* new_fiber() {
#if defined(S2_SIM_TSAN)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}
inline void end_fiber([[maybe_unused]] void* tsan) {
#if defined(S2_SIM_TSAN)
  if (tsan != nullptr) __tsan_destroy_fiber(tsan);
#endif
}

// The order that an operation gives: what came before release(object) happens before what follows
// acquire(object).
inline void acquire([[maybe_unused]] void* object) {
#if defined(S2_SIM_TSAN)
  __tsan_acquire(object);
#endif
}
inline void release([[maybe_unused]] void* object) {
#if defined(S2_SIM_TSAN)
  __tsan_release(object);
#endif
}
// Thread-locals of all fibers share addresses: not a race.
inline void benign([[maybe_unused]] const volatile void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(S2_SIM_TSAN)
  AnnotateBenignRaceSized("sim", 0, at, static_cast<long>(bytes), "thread-locals of fibers");
#endif
}
// While one lives on a fiber, what runs there is the simulator's (or a chooser's or hook's), not the
// program's.
class Ignore {
 public:
#if defined(S2_SIM_TSAN)
  Ignore() {
    AnnotateIgnoreReadsBegin("sim", 0);
    AnnotateIgnoreWritesBegin("sim", 0);
  }
  ~Ignore() {
    AnnotateIgnoreWritesEnd("sim", 0);
    AnnotateIgnoreReadsEnd("sim", 0);
  }
#else
  Ignore() {}
  ~Ignore() {}
#endif
  Ignore(const Ignore&) = delete;
  Ignore& operator=(const Ignore&) = delete;
};

}  // namespace s2::sim::sanitizers
