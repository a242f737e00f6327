/* Threads as fibers: what device functions and the scheduler (tests/emu/emu.cpp) share. */
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

#include "emu_types.h"

namespace emu {
constexpr int lanes = 32, max_threads = 1024;
constexpr size_t max_shared = 227 * 1024, shared_without_asking = 48 * 1024;

/* A line of the source, taken by default arguments, so that code which the compiler copies stays one place. */
struct site {
  const char *file;
  int line;
};
#define EMU_SITE emu::site where = {__builtin_FILE(), __builtin_LINE()}

struct late_copy { /* one cp.async on its way */
  void *to;
  unsigned char data[16];
  int bytes;
};

enum class state : unsigned char { ready, at_barrier, at_warp, returned };

struct fiber {
  void *sp = nullptr; /* where it goes on; nullptr: not started */
  uint3 index{};
  int linear = 0;
  emu::state state = state::ready;
  unsigned mask = 0; /* of the exchange it waits in */
  site where{};
  void *offer = nullptr;                      /* what it brings to the exchange */
  std::vector<std::vector<late_copy>> groups; /* committed cp.async groups, oldest first */
  std::vector<late_copy> open;                /* copies not yet in a group */
};

typedef void (*resolver)(void *const *offers, unsigned mask);

/* Every lane of `mask` arrives, `resolve` runs once on their offers, all go on. */
void meet(unsigned mask, site where, void *offer, resolver resolve);

struct votes {
  int count, all, any;
};
/* Every thread of the block arrives; what they voted. */
votes barrier(int predicate, site where);

/* Reports and ends the launch; the fiber never continues. */
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

fiber &self();
inline int lane() { return self().linear % lanes; }

/* cp.async: the bytes are read now, the place they go to is NaN until its group was waited for. */
void copy_async(void *to, const void *from, int bytes, int source_bytes);
void copy_commit();
void copy_wait(int groups_left);

/* Enqueues work on a stream: runs it, or records it when the stream is being captured. */
cudaError_t submit(cudaStream_t stream, std::function<cudaError_t()> work);
cudaError_t check_launch(const void *kernel, dim3 grid, dim3 block, size_t shared_bytes);
cudaError_t run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()> &thread);
} // namespace emu
