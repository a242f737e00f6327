/* Leaving one stack for another: the registers that a function must preserve go to the old stack, those of the new one come back. */
#pragma once

#include <cstddef>
#include <cstring>

extern "C" void emu_switch(void **save, void *load);

#if defined(__x86_64__)
asm(R"(
.text
.globl emu_switch
.type emu_switch, @function
emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
.size emu_switch, .-emu_switch
)");

/* A stack that starts in `entry` when it is switched to. */
static inline void *emu_new_stack(char *top, void (*entry)()) {
  void **sp = reinterpret_cast<void **>(reinterpret_cast<size_t>(top) & ~static_cast<size_t>(15));
  *--sp = nullptr; /* where entry would return to; it never does. Keeps the alignment that a call leaves */
  *--sp = reinterpret_cast<void *>(entry);
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  return sp;
}
#elif defined(__aarch64__)
asm(R"(
.text
.globl emu_switch
.type emu_switch, %function
emu_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size emu_switch, .-emu_switch
)");

static inline void *emu_new_stack(char *top, void (*entry)()) {
  void **sp = reinterpret_cast<void **>(reinterpret_cast<size_t>(top) & ~static_cast<size_t>(15)) - 20;
  std::memset(sp, 0, 160);
  sp[11] = reinterpret_cast<void *>(entry); /* x30 */
  return sp;
}
#else
#error "tests/emu/fiber_switch.h knows x86-64 and aarch64"
#endif
