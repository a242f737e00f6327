/* The emulator finds the faults it promises to find, and runs right kernels right. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/dtype.h"
#include "tests/emu/emu.h"
#include "tests/emu/planted.h"

enum { WORDS = 256 };

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* Runs a kernel under a seed on fresh memory; out[] is what it left. */
static cudaError_t run(planted *kernel, uint64_t seed, int out[WORDS]) {
  int *device = NULL;
  emu_set_seed(seed);
  emu_clear_failure();
  cr_assert_eq(cudaMalloc((void **)&device, WORDS * sizeof *device), cudaSuccess);
  const cudaError_t error = kernel(device);
  cr_assert_eq(cudaMemcpy(out, device, WORDS * sizeof *out, cudaMemcpyDeviceToHost), cudaSuccess);
  cr_assert_eq(cudaFree(device), cudaSuccess);
  return error;
}

/* The launch fails under every seed, and the report says `words`. */
static void expect_failure(planted *kernel, const char *words) {
  int out[WORDS];
  for (uint64_t seed = 0; seed <= 3; seed++) {
    const cudaError_t error = run(kernel, seed, out);
    cr_assert_eq(error, cudaErrorLaunchFailure, "seed %d: error %d", (int)seed, (int)error);
    cr_assert(strstr(emu_failure(), words), "the report lacks \"%s\":\n%s", words, emu_failure());
    cr_assert(strstr(emu_failure(), "warp  0") && strstr(emu_failure(), "block"), "no map:\n%s", emu_failure());
    cr_assert_eq(cudaGetLastError(), cudaErrorLaunchFailure);
  }
  /* what follows a failed launch is not disturbed by it */
  cr_assert_eq(run(plant_neighbours, 1, out), cudaSuccess);
  for (int i = 0; i < 64; i++) cr_assert_eq(out[i], i ^ 32);
}

/* Runs a kernel in a child process; what it printed on stderr, and whether it ended well. */
static bool survives(planted *kernel, char *printed, size_t size) {
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    int out[WORDS];
    dup2(ends[1], STDERR_FILENO);
    _exit(run(kernel, 0, out) == cudaSuccess ? 0 : 1);
  }
  close(ends[1]);
  size_t used = 0;
  char more[4096];
  for (ssize_t got; (got = read(ends[0], more, sizeof more)) > 0;)
    for (ssize_t i = 0; i < got; i++)
      if (used + 1 < size) printed[used++] = more[i];
  printed[used] = 0;
  close(ends[0]);
  int status = 0;
  cr_assert_eq(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void expect_death(planted *kernel, const char *words) {
  static char printed[1 << 16];
  cr_assert(!survives(kernel, printed, sizeof printed), "the fault was not found");
  cr_assert(strstr(printed, words), "the report lacks \"%s\":\n%s", words, printed);
  cr_assert(strstr(printed, "planted.cu"), "the report does not name the source:\n%s", printed);
}

Test(emu, barrier_orders_shared_memory) {
  for (uint64_t seed = 0; seed <= 20; seed++) {
    int out[WORDS];
    cr_assert_eq(run(plant_neighbours, seed, out), cudaSuccess);
    for (int i = 0; i < 64; i++) cr_assert_eq(out[i], i ^ 32, "seed %d", (int)seed);
  }
}

Test(emu, missing_barrier_gives_wrong_results) {
  for (uint64_t seed = 0; seed <= 3; seed++) {
    int out[WORDS], wrong = 0;
    cr_assert_eq(run(plant_missing_barrier, seed, out), cudaSuccess);
    for (int i = 0; i < 64; i++) wrong += out[i] != (i ^ 32);
    cr_assert_gt(wrong, 0, "seed %d hides it", (int)seed);
  }
}

Test(emu, divergent_barriers) {
  expect_failure(plant_two_barriers, "different barriers");
  expect_failure(plant_barrier_after_return, "returned");
  expect_failure(plant_barrier_and_exchange, "deadlock");
}

Test(emu, report_names_the_lines_where_threads_wait) {
  int out[WORDS];
  cr_assert_eq(run(plant_two_barriers, 0, out), cudaErrorLaunchFailure);
  int lines[3] = {0}, count = 0; /* of warp 0, then both of warp 1 */
  for (const char *place = emu_failure(); count < 3 && (place = strstr(place, "planted.cu:")); count++)
    lines[count] = atoi(place += strlen("planted.cu:"));
  cr_assert(count == 3 && lines[0] == lines[1] && lines[2] == lines[1] + 2, "%s", emu_failure());
}

Test(emu, bad_masks) {
  expect_failure(plant_mask_without_caller, "leaves out the lane that calls it");
  expect_failure(plant_mask_of_absent, "deadlock");
  expect_failure(plant_source_outside_mask, "reads lane 20");
  expect_failure(plant_two_exchanges, "another warp exchange");
  int out[WORDS];
  cr_assert_eq(run(plant_masks_that_differ, 0, out), cudaErrorLaunchFailure);
}

Test(emu, trap) { expect_failure(plant_trap, "__trap"); }

Test(emu, exchanges_give_what_cuda_says) {
  for (uint64_t seed = 0; seed <= 5; seed++) {
    int out[WORDS];
    cr_assert_eq(run(plant_exchanges, seed, out), cudaSuccess);
    for (int i = 0; i < 32; i++) cr_assert_eq(out[i], 0, "lane %d: %d wrong", i, out[i]);
    cr_assert_eq(run(plant_votes, seed, out), cudaSuccess);
    for (int i = 0; i < 256; i++) cr_assert_eq(out[i], 0, "thread %d: %d wrong", i, out[i]);
  }
}

Test(emu, global_memory_out_of_bounds) {
  if (sanitized) expect_death(plant_past_global, "heap-buffer-overflow");
}

Test(emu, static_shared_memory_out_of_bounds) {
  if (sanitized) expect_death(plant_past_static_shared, "index 32 out of bounds");
}

Test(emu, dynamic_shared_memory_out_of_bounds) {
  if (sanitized) {
    expect_death(plant_past_dynamic_shared, "use-after-poison");
    expect_death(plant_read_past_dynamic, "use-after-poison");
  } else {
    expect_failure(plant_past_dynamic_shared, "past the 128 bytes of dynamic shared memory");
  }
}

Test(emu, shared_memory_starts_as_nan_in_every_block) {
  planted *const kernels[] = {plant_unset_static, plant_unset_dynamic};
  for (int k = 0; k < 2; k++)
    for (uint64_t seed = 0; seed <= 2; seed++) {
      int out[WORDS];
      cr_assert_eq(run(kernels[k], seed, out), cudaSuccess);
      for (int block = 0; block < 4; block++) cr_assert_eq(out[block], -1, "kernel %d, block %d: %x", k, block, (unsigned)out[block]);
    }
}

Test(emu, seeds_show_what_depends_on_the_order) {
  int out[WORDS], first = 0, others = 0;
  for (uint64_t seed = 0; seed <= 3; seed++) {
    cr_assert_eq(run(plant_last_writer, seed, out), cudaSuccess);
    if (seed == 0) first = out[0];
    others += out[0] != first;
    const int once = out[0];
    cr_assert_eq(run(plant_last_writer, seed, out), cudaSuccess);
    cr_assert_eq(out[0], once, "seed %d gives one order, then another", (int)seed);
  }
  cr_assert_eq(first, 255);
  cr_assert_gt(others, 0);
}

Test(emu, async_copies_land_when_waited_for) {
  for (uint64_t seed = 0; seed <= 2; seed++) {
    int out[WORDS];
    cr_assert_eq(run(plant_async_copy, seed, out), cudaSuccess);
    for (int i = 0; i < 64; i++) cr_assert_eq(out[i], 3 * i);
    cr_assert_eq(run(plant_async_without_wait, seed, out), cudaSuccess);
    for (int i = 0; i < 64; i++) cr_assert_eq(out[i], -1);
    cr_assert_eq(run(plant_async_wait_for_older, seed, out), cudaSuccess);
    for (int i = 0; i < 64; i++) cr_assert_eq(out[i], -1);
  }
}

Test(emu, stack_overflow) {
  static char printed[1 << 16];
  cr_assert(!survives(plant_stack_overflow, printed, sizeof printed));
}

Test(emu, atomics) {
  for (uint64_t seed = 0; seed <= 2; seed++) {
    int *device = NULL, out[8];
    emu_set_seed(seed);
    cr_assert_eq(cudaMalloc((void **)&device, 256), cudaSuccess);
    cr_assert_eq(cudaMemset(device, 0, 256), cudaSuccess);
    cr_assert_eq(plant_atomics(device), cudaSuccess);
    cr_assert_eq(cudaMemcpy(out, device, sizeof out, cudaMemcpyDeviceToHost), cudaSuccess);
    cr_assert_eq(cudaFree(device), cudaSuccess);
    const int n = 40 * 96;
    float half;
    memcpy(&half, &out[1], sizeof half);
    cr_assert_eq(out[0], n);
    cr_assert_eq(half, 0.5f * (float)n);
    cr_assert_eq(out[2], n - 1);
    cr_assert_eq(out[3], 1 - n);
    cr_assert_eq(out[4], -1);
    cr_assert_eq(out[5], 2 * n);
    cr_assert_eq(out[6], n % 10);
    /* 480 ones: bf16 counts to 256 exactly and stays there; 60 times -2 */
    cr_assert_eq(xr_bf16_to_f32((xr_bf16)(out[7] & 0xffff)), 256);
    cr_assert_eq(xr_bf16_to_f32((xr_bf16)((unsigned)out[7] >> 16)), -120);
  }
}

Test(emu, launches_that_a_device_refuses) {
  int out[WORDS];
  cr_assert_eq(run(plant_no_blocks, 0, out), cudaErrorInvalidConfiguration);
  cr_assert_eq(run(plant_too_many_threads, 0, out), cudaErrorInvalidConfiguration);
  cr_assert_eq(run(plant_shared_without_asking, 0, out), cudaErrorInvalidValue);
}

Test(emu, copies_are_checked) {
  int *device = NULL, host[8] = {0};
  cr_assert_eq(cudaMalloc((void **)&device, sizeof host), cudaSuccess);
  cr_assert_eq(cudaMemcpy(device, host, sizeof host, cudaMemcpyHostToDevice), cudaSuccess);
  cr_assert_eq(cudaMemcpy(device, host, sizeof host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  cr_assert_eq(cudaMemcpy(host, host, sizeof host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  cr_assert_eq(cudaMemcpy(device + 1, host, sizeof host, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  cr_assert_eq(cudaMemset(host, 0, sizeof host), cudaErrorInvalidValue);
  cr_assert_eq(cudaFree(device), cudaSuccess);
  cr_assert_eq(cudaFree(device), cudaErrorInvalidValue);
  size_t before, after, total;
  cr_assert_eq(cudaMemGetInfo(&before, &total), cudaSuccess);
  cr_assert_eq(cudaMalloc((void **)&device, 1000), cudaSuccess);
  cr_assert_eq(cudaMemGetInfo(&after, &total), cudaSuccess);
  cr_assert_eq(before - after, 1000);
  cr_assert_eq(cudaFree(device), cudaSuccess);
  cr_assert_eq(cudaMalloc((void **)&device, total + 1), cudaErrorMemoryAllocation);
}

Test(emu, conversions_round_to_nearest_even) {
  for (uint32_t high = 0; high < 0x10000; high++) {
    const uint16_t bits = (uint16_t)high;
    static const uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    cr_assert(isnan(plant_from_bf16(bits)) ? isnan(xr_bf16_to_f32(bits)) : plant_from_bf16(bits) == xr_bf16_to_f32(bits));
    for (int i = 0; i < 6; i++) {
      const uint32_t word = high << 16 | low[i];
      float f;
      memcpy(&f, &word, sizeof f);
      const uint16_t expected = isnan(f) ? 0x7fff : xr_f32_to_bf16(f);
      cr_assert_eq(plant_to_bf16(f), expected, "%a", (double)f);
    }
    const float value = plant_from_half(bits);
    _Float16 exact;
    memcpy(&exact, &bits, sizeof bits);
    cr_assert(isnan(value) ? exact != exact : value == (float)exact, "half %x is %a", bits, (double)value);
    if (!isnan(value)) cr_assert_eq(plant_to_half(value), bits);
  }
  for (float f = 0x1p-26f; f < 70000; f *= 1.0007f) {
    const _Float16 expected = (_Float16)f;
    uint16_t bits;
    memcpy(&bits, &expected, sizeof bits);
    cr_assert_eq(plant_to_half(f), bits, "%a", (double)f);
    cr_assert_eq(plant_to_half(-f), bits | 0x8000);
  }
}
