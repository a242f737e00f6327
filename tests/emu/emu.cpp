/* The scheduler: blocks on OpenMP threads, the threads of a block as fibers on one of them. */
#include "tests/emu/emu.h"

#include <cuda_runtime.h>
#include <link.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include "tests/emu/fiber_switch.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SWITCH_START(...) __sanitizer_start_switch_fiber(__VA_ARGS__)
#define SWITCH_FINISH(...) __sanitizer_finish_switch_fiber(__VA_ARGS__)
#define POISON(...) __asan_poison_memory_region(__VA_ARGS__)
#define UNPOISON(...) __asan_unpoison_memory_region(__VA_ARGS__)
static const size_t stack_bytes = 256 * 1024;
#else
#define SWITCH_START(...) ((void)0)
#define SWITCH_FINISH(...) ((void)0)
#define POISON(...) ((void)0)
#define UNPOISON(...) ((void)0)
static const size_t stack_bytes = 64 * 1024;
#endif

__thread uint3 threadIdx, blockIdx;
__thread dim3 blockDim, gridDim;

/* Dynamic shared memory, and a strip behind it that must stay as it was. */
static const size_t strip_bytes = 256;
alignas(128) thread_local float4 smem[(emu::max_shared + strip_bytes) / sizeof(float4)];

/* Static shared memory: what shared.ld gathers. The anchor keeps it a section with contents when there is none. */
extern "C" char emu_shared_begin[], emu_shared_end[];
__thread uint64_t emu_anchor __attribute__((section(".tdata.emu_anchor"))) = 1;

namespace emu {
static const uint64_t canary = 0x5AFE57AC5AFE57ACu;
static const unsigned char strip_byte = 0xE7;

struct warp {
  unsigned arrived = 0;
  void *offer[lanes];
};

struct block { /* one for each OS thread, used for every block that it runs */
  int threads = 0, live = 0, at_barrier = 0, total = 0;
  votes result{};
  fiber fibers[max_threads];
  warp warps[max_threads / lanes];
  int order[max_threads];
  fiber *self = nullptr;
  const std::function<void()> *thread = nullptr;
  bool failed = false;
  void *scheduler_sp = nullptr;
  const void *scheduler_stack = nullptr; /* for AddressSanitizer */
  size_t scheduler_bytes = 0;
  void *scheduler_fake = nullptr;
  uint64_t barriers = 0, exchanges = 0;
  char *stacks;

  block() {
    void *memory = mmap(nullptr, max_threads * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("emu: no memory for stacks");
      std::exit(1);
    }
    stacks = static_cast<char *>(memory);
    UNPOISON(stacks, max_threads * stack_bytes); /* another thread's stack may have been here */
  }
  ~block() {
    UNPOISON(stacks, max_threads * stack_bytes);
    munmap(stacks, max_threads * stack_bytes);
  }
  char *stack_of(const fiber &f) const { return stacks + static_cast<size_t>(f.linear) * stack_bytes; }
};

static __thread block *current;
static std::mutex report_lock;
static std::string report;
static std::atomic<uint64_t> seed_now{[] {
  const char *text = std::getenv("EMU_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 0;
}()};
static std::atomic<uint64_t> launches, blocks_run, barriers_run, exchanges_run;

fiber &self() { return *current->self; }

/* ---- leaving and entering fibers */

static void leave(fiber &f) {
  [[maybe_unused]] void *fake = nullptr;
  SWITCH_START(&fake, current->scheduler_stack, current->scheduler_bytes);
  emu_switch(&f.sp, current->scheduler_sp);
  SWITCH_FINISH(fake, &current->scheduler_stack, &current->scheduler_bytes);
}

static void fiber_main() {
  SWITCH_FINISH(nullptr, &current->scheduler_stack, &current->scheduler_bytes);
  for (;;) {
    fiber &f = self();
    (*current->thread)();
    f.state = state::returned;
    current->live--;
    leave(f);
  }
}

static void resume(block &b, fiber &f) {
  b.self = &f;
  threadIdx = f.index;
  SWITCH_START(&b.scheduler_fake, b.stack_of(f), stack_bytes);
  emu_switch(&b.scheduler_sp, f.sp);
  SWITCH_FINISH(b.scheduler_fake, nullptr, nullptr);
}

/* ---- failures */

static std::string text(const char *format, va_list arguments) {
  char line[1024];
  std::vsnprintf(line, sizeof line, format, arguments);
  return line;
}

__attribute__((format(printf, 1, 2))) static std::string text(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::string line = text(format, arguments);
  va_end(arguments);
  return line;
}

/* One letter a thread, one line a warp, and where those that wait do so. */
static std::string map_of(const block &b) {
  std::string map;
  for (int first = 0; first < b.threads; first += lanes) {
    map += text("  warp %2d  ", first / lanes);
    for (int i = first; i < std::min(first + lanes, b.threads); i++) map += "RBW."[static_cast<int>(b.fibers[i].state)];
    site seen[lanes];
    int sites = 0;
    for (int i = first; i < std::min(first + lanes, b.threads); i++) {
      const fiber &f = b.fibers[i];
      if (f.state != state::at_barrier && f.state != state::at_warp) continue;
      bool known = false;
      for (int s = 0; s < sites; s++) known |= seen[s].line == f.where.line && !std::strcmp(seen[s].file, f.where.file);
      if (known) continue;
      seen[sites++] = f.where;
      const char *slash = std::strrchr(f.where.file, '/');
      map += text("  %s:%d", slash ? slash + 1 : f.where.file, f.where.line);
    }
    map += '\n';
  }
  return map + "  R can run, B waits at a barrier, W waits in a warp exchange, . has returned\n";
}

static void record(block &b, const fiber *f, const std::string &what) {
  std::string message = "emu: " + what + text(" (block %u,%u,%u", blockIdx.x, blockIdx.y, blockIdx.z);
  if (f) message += text(", thread %u,%u,%u", f->index.x, f->index.y, f->index.z);
  message += ")\n" + map_of(b);
  b.failed = true;
  std::lock_guard<std::mutex> hold(report_lock);
  std::fputs(message.c_str(), stderr);
  report = message;
}

void fail(const char *format, ...) {
  { /* the fiber is never resumed: what it owns must be gone before */
    va_list arguments;
    va_start(arguments, format);
    const std::string what = text(format, arguments);
    va_end(arguments);
    record(*current, current->self, what);
  }
  leave(*current->self);
  std::abort();
}

/* ---- barriers and exchanges */

static bool same(const site &a, const site &b) { return a.line == b.line && (a.file == b.file || !std::strcmp(a.file, b.file)); }

votes barrier(int predicate, site where) {
  block &b = *current;
  fiber &f = *b.self;
  f.where = where;
  f.state = state::at_barrier;
  b.at_barrier++;
  b.total += predicate != 0;
  b.barriers++;
  leave(f);
  return b.result;
}

void meet(unsigned mask, site where, void *offer, resolver resolve) {
  block &b = *current;
  fiber &f = *b.self;
  const int l = f.linear % lanes, first = f.linear - l;
  warp &w = b.warps[f.linear / lanes];
  if (b.threads - first < lanes) mask &= (1u << (b.threads - first)) - 1; /* lanes that the block does not have */
  if (!(mask >> l & 1)) fail("%s:%d: the mask %08x of a warp exchange leaves out the lane that calls it", where.file, where.line, mask);
  f.mask = mask;
  f.where = where;
  w.offer[l] = offer;
  w.arrived |= 1u << l;
  b.exchanges++;
  if ((w.arrived & mask) != mask) {
    f.state = state::at_warp;
    leave(f);
    return;
  }
  for (int i = 0; i < lanes; i++) {
    if (!(mask >> i & 1)) continue;
    fiber &other = b.fibers[first + i];
    if (other.mask != mask)
      fail("%s:%d: lanes that wait for each other name different masks, %08x and %08x", where.file, where.line, mask, other.mask);
    if (!same(other.where, where))
      fail("%s:%d: another lane is at another warp exchange, %s:%d", where.file, where.line, other.where.file, other.where.line);
    other.state = state::ready;
  }
  w.arrived &= ~mask;
  resolve(w.offer, mask);
}

/* Everybody who lives waits: at one barrier, or for ever. */
static void release(block &b) {
  if (b.at_barrier != b.live || b.live == 0) {
    record(b, nullptr, "deadlock: a barrier or warp exchange that not every thread it waits for reaches");
    return;
  }
  if (b.live != b.threads) {
    record(b, nullptr, "deadlock: threads wait at a barrier that others have returned without");
    return;
  }
  for (int i = 1; i < b.threads; i++)
    if (!same(b.fibers[i].where, b.fibers[0].where)) {
      record(b, &b.fibers[i], "threads of one block wait at different barriers");
      return;
    }
  for (int i = 0; i < b.threads; i++) b.fibers[i].state = state::ready;
  b.result = {b.total, b.total == b.threads, b.total != 0};
  b.at_barrier = b.total = 0;
}

/* ---- cp.async */

void copy_async(void *to, const void *from, int bytes, int source_bytes) {
  if (reinterpret_cast<uintptr_t>(to) % static_cast<unsigned>(bytes) ||
      (source_bytes && reinterpret_cast<uintptr_t>(from) % static_cast<unsigned>(bytes)))
    fail("cp.async of %d bytes between addresses that are not multiples of it", bytes);
  late_copy c = {to, {}, bytes};
  std::memcpy(c.data, from, static_cast<size_t>(source_bytes)); /* the rest stays zero */
  std::memset(to, 0xFF, static_cast<size_t>(bytes));
  self().open.push_back(c);
}

void copy_commit() {
  fiber &f = self();
  f.groups.push_back(std::move(f.open));
  f.open.clear();
}

void copy_wait(int groups_left) {
  fiber &f = self();
  while (static_cast<int>(f.groups.size()) > groups_left) {
    for (const late_copy &c : f.groups.front()) std::memcpy(c.to, c.data, static_cast<size_t>(c.bytes));
    f.groups.erase(f.groups.begin());
  }
}

/* ---- blocks */

static uint32_t below(uint64_t &state, int n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>((state >> 33) % static_cast<uint64_t>(n));
}

static void shuffle_range(int *items, int n, uint64_t &state) {
  for (int i = n - 1; i > 0; i--) std::swap(items[i], items[below(state, i + 1)]);
}

/* Runs one warp until it can go no further, then the next, each in an order of the seed. */
static void run_threads(block &b, uint64_t seed) {
  const int warps = (b.threads + lanes - 1) / lanes;
  int warp_order[max_threads / lanes];
  for (int w = 0; w < warps; w++) warp_order[w] = w;
  while (b.live && !b.failed) {
    if (seed) {
      shuffle_range(warp_order, warps, seed);
      for (int w = 0; w < warps; w++) shuffle_range(b.order + w * lanes, std::min(lanes, b.threads - w * lanes), seed);
    }
    bool ran = false;
    for (int w = 0; w < warps && !b.failed; w++) {
      const int first = warp_order[w] * lanes, end = std::min(first + lanes, b.threads);
      for (bool again = true; again && !b.failed;) {
        again = false;
        for (int k = first; k < end && !b.failed; k++) {
          fiber &f = b.fibers[b.order[k]];
          if (f.state != state::ready) continue;
          again = ran = true;
          resume(b, f);
        }
      }
    }
    if (b.live && !ran) release(b);
    if (b.live && ran && !b.failed && b.at_barrier == b.live) release(b);
  }
}

static void start_fibers(block &b) {
  for (int i = 0; i < b.threads; i++) {
    fiber &f = b.fibers[i];
    const unsigned u = static_cast<unsigned>(i);
    f.linear = i;
    f.index = {u % blockDim.x, u / blockDim.x % blockDim.y, u / (blockDim.x * blockDim.y)};
    f.state = state::ready;
    f.groups.clear();
    f.open.clear();
    b.order[i] = i;
    if (!f.sp) { /* tops are staggered: at equal distances they would share one set of the cache */
      std::memcpy(b.stack_of(f), &canary, sizeof canary);
      f.sp = emu_new_stack(b.stack_of(f) + stack_bytes - i % 61 * 320, fiber_main);
    }
  }
  for (int w = 0; w <= (b.threads - 1) / lanes; w++) b.warps[w].arrived = 0;
  b.live = b.threads;
  b.at_barrier = b.total = 0;
  b.failed = false;
}

static void check_after(block &b, size_t shared_bytes) {
  const unsigned char *strip = reinterpret_cast<const unsigned char *>(smem) + shared_bytes;
  UNPOISON(smem, sizeof smem);
  for (size_t i = 0; i < strip_bytes && !b.failed; i++)
    if (strip[i] != strip_byte) record(b, nullptr, text("write past the %zu bytes of dynamic shared memory", shared_bytes));
  for (int i = 0; i < b.threads && !b.failed; i++)
    if (std::memcmp(b.stack_of(b.fibers[i]), &canary, sizeof canary)) record(b, &b.fibers[i], "stack overflow: large local arrays");
}

/* The fibers of a failed block are in the middle of the kernel: their stacks start anew. */
static void abandon(block &b) {
  for (fiber &f : b.fibers) f.sp = nullptr;
  UNPOISON(b.stacks, max_threads * stack_bytes);
}

static char *static_shared() {
  static thread_local char *place = nullptr;
  if (!place)
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *out) {
          for (int i = 0; i < info->dlpi_phnum; i++)
            if (info->dlpi_phdr[i].p_type == PT_TLS)
              *static_cast<char **>(out) = static_cast<char *>(info->dlpi_tls_data) +
                                           (emu_shared_begin - reinterpret_cast<char *>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
          return 1; /* the first is the program */
        },
        &place);
  return place;
}

static void run_block(block &b, size_t shared_bytes, uint64_t seed) {
  unsigned char *dynamic = reinterpret_cast<unsigned char *>(smem);
  UNPOISON(smem, sizeof smem);
  std::memset(dynamic, 0xFF, shared_bytes);
  std::memset(dynamic + shared_bytes, strip_byte, strip_bytes);
  POISON(dynamic + shared_bytes, sizeof smem - shared_bytes);
  const ptrdiff_t fixed_bytes = emu_shared_end - emu_shared_begin;
  std::memset(static_shared(), 0xFF, static_cast<size_t>(fixed_bytes));
  start_fibers(b);
  run_threads(b, seed);
  check_after(b, shared_bytes);
  if (b.failed) abandon(b);
}

static uint64_t mixed(uint64_t x) {
  x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
  return x ^ x >> 29;
}

cudaError_t run_grid(dim3 grid, dim3 threads, size_t shared_bytes, const std::function<void()> &thread) {
  const uint64_t seed = seed_now;
  const int64_t total = static_cast<int64_t>(grid.x) * grid.y * grid.z;
  std::atomic<bool> failed{false};
  launches++;
#pragma omp parallel if (total > 1)
  {
    static thread_local std::unique_ptr<block> own;
    if (!own) own.reset(new block);
    block &b = *own;
    current = &b;
    blockDim = threads;
    gridDim = grid;
    b.threads = static_cast<int>(threads.x * threads.y * threads.z);
    b.thread = &thread;
#pragma omp for schedule(dynamic, 1)
    for (int64_t n = 0; n < total; n++) {
      if (failed) continue;
      const int64_t i = seed ? (seed % 2 ? total - 1 - n : (n + static_cast<int64_t>(seed % 1000)) % total) : n;
      blockIdx = {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                  static_cast<unsigned>(i / (static_cast<int64_t>(grid.x) * grid.y))};
      run_block(b, shared_bytes, seed ? mixed(seed + static_cast<uint64_t>(i) * 0x2545F4914F6CDD1Du) | 1 : 0);
      blocks_run++;
      if (b.failed) failed = true;
    }
    barriers_run += b.barriers;
    exchanges_run += b.exchanges;
    b.barriers = b.exchanges = 0;
  }
  return failed ? cudaErrorLaunchFailure : cudaSuccess;
}
} // namespace emu

void emu_set_seed(uint64_t seed) { emu::seed_now = seed; }
uint64_t emu_seed(void) { return emu::seed_now; }

const char *emu_failure(void) {
  static thread_local std::string copy;
  std::lock_guard<std::mutex> hold(emu::report_lock);
  copy = emu::report;
  return copy.c_str();
}

void emu_clear_failure(void) {
  std::lock_guard<std::mutex> hold(emu::report_lock);
  emu::report.clear();
}

emu_counts emu_take_counts(void) {
  return {emu::launches.exchange(0), emu::blocks_run.exchange(0), emu::barriers_run.exchange(0), emu::exchanges_run.exchange(0)};
}
