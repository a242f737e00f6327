/* Atomic read-modify-write operations and memory fences. */
#pragma once

#include <time.h>

#include "emu_fibers.h"

namespace emu {
/* Blocks that wait for this change go on now, before this one does what it should have done already: a barrier that is missing in front of
 * an atomic counter shows. */
inline void linger() {
  const timespec a_while = {0, 20000};
  nanosleep(&a_while, nullptr);
}
template <class T, class Change> T modify(T *place, Change change) {
  T old, next;
  __atomic_load(place, &old, __ATOMIC_RELAXED);
  do next = change(old);
  while (!__atomic_compare_exchange(place, &old, &next, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  if (sizeof(T) == sizeof(int)) linger();
  return old;
}
template <class T> struct plain { /* keeps the value argument out of type deduction, so that atomicAdd(float *, int) converts */
  typedef T type;
};
} // namespace emu

template <class T> T atomicAdd(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return static_cast<T>(old + v); });
}
template <class T> T atomicSub(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return static_cast<T>(old - v); });
}
template <class T> T atomicMax(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return old > v ? old : v; });
}
template <class T> T atomicMin(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return old < v ? old : v; });
}
template <class T> T atomicExch(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T) { return v; });
}
template <class T> T atomicAnd(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return static_cast<T>(old & v); });
}
template <class T> T atomicOr(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return static_cast<T>(old | v); });
}
template <class T> T atomicXor(T *place, typename emu::plain<T>::type v) {
  return emu::modify(place, [v](T old) { return static_cast<T>(old ^ v); });
}
template <class T> T atomicCAS(T *place, typename emu::plain<T>::type expected, typename emu::plain<T>::type v) {
  __atomic_compare_exchange(place, &expected, &v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
/* 0, 1, .. limit, 0, .. */
inline unsigned atomicInc(unsigned *place, unsigned limit) {
  return emu::modify(place, [limit](unsigned old) { return old >= limit ? 0u : old + 1; });
}

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
