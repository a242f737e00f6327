/* OpenMP threads, and what stands for them in a build without OpenMP.
 *
 * Workspace that is private to a thread has xr_thread_slots() slots, a number that omp_set_num_threads() does not change: a workspace
 * sized once stays large enough. Parallel regions that use slots run on xr_threads(units) threads. Nothing may depend on which slot
 * served which unit of work. */
#pragma once

#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>

static inline int xr_thread_slots(void) {
  int processors = omp_get_num_procs();
  return processors < 8 ? 8 : processors; /* at least 8: tests ask for more threads than there are processors */
}

static inline int xr_thread_index(void) { return omp_get_thread_num(); }

/* Threads for a region of `units` pieces of work: as many as are asked for, not more than there are slots or pieces. */
static inline int xr_threads(int64_t units) {
  int threads = omp_get_max_threads(), slots = xr_thread_slots();
  if (threads > slots) threads = slots;
  return units < threads ? (units < 1 ? 1 : (int)units) : threads;
}

/* A library called between these two does not start threads of its own. */
static inline int xr_threads_hold(void) {
  int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  return threads;
}

static inline void xr_threads_release(int held) { omp_set_num_threads(held); }

/* How many threads the caller's parallel regions use from now on. */
static inline void xr_threads_set(int threads) { omp_set_num_threads(threads); }
#else
static inline int xr_thread_slots(void) { return 1; }
static inline int xr_thread_index(void) { return 0; }
static inline int xr_threads(int64_t units) {
  (void)units;
  return 1;
}
static inline int xr_threads_hold(void) { return 1; }
static inline void xr_threads_release(int held) { (void)held; }
static inline void xr_threads_set(int threads) { (void)threads; }
#endif
