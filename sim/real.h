// The C library's functions that sim defines anew: found behind the executable, once each.
//
// Internal to sim. Safe before main and on any OS thread: no guard, no lock of ours.
#pragma once
#include <atomic>
#include <cstddef>

namespace s2::sim {

void* find_real(const char* name);  // aborts with a message when there is none

template <class Function>
class Real {
 public:
  explicit constexpr Real(const char* name) : name_(name) {}
  template <class... Arguments>
  auto operator()(Arguments... arguments) {
    void* function = function_.load(std::memory_order_relaxed);
    if (function == nullptr) [[unlikely]] {
      function = find_real(name_);
      function_.store(function, std::memory_order_relaxed);
    }
    return reinterpret_cast<Function>(function)(arguments...);
  }

 private:
  std::atomic<void*> function_{nullptr};
  const char* name_;
};

// S2_SIM_REAL(name) calls the C library's function of that name.
#define S2_SIM_REAL(name)                                                \
  ([]() -> auto& {                                                       \
    static constinit ::s2::sim::Real<decltype(&::name)> function(#name); \
    return function;                                                     \
  }())

// What pthread_key_create was given for the key, if anything.
using KeyDestructor = void (*)(void*);
KeyDestructor destructor_of_key(std::size_t key);

}  // namespace s2::sim
