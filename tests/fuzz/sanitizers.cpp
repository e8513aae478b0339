// What the tests say to sanitizers.
//
// A failed execution gives threads up that stand in a destructor, with what they own (see sim/world.h): these
// tests make such executions on purpose, so that the leak checker of an AddressSanitizer build has nothing to
// say here. What is given back is tested by counting, and with a small quarantine, by the memory in use.
#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:quarantine_size_mb=4";
}
#endif

// What the harness notes of the writer's threads is written by all of them, one at a time because the world
// lets one go at a time: a race by the letter, which is none of the writer's.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:s2::fuzz::WriterLedger\n";
}
#endif
