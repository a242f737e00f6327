/* Barriers, warp shuffles, votes and reductions. */
#pragma once

#include <type_traits>

#include "emu_fibers.h"

inline void __syncthreads(EMU_SITE) { emu::barrier(0, where); }
inline int __syncthreads_count(int predicate, EMU_SITE) { return emu::barrier(predicate, where).count; }
inline int __syncthreads_and(int predicate, EMU_SITE) { return emu::barrier(predicate, where).all; }
inline int __syncthreads_or(int predicate, EMU_SITE) { return emu::barrier(predicate, where).any; }
inline void __syncwarp(unsigned mask = ~0u, EMU_SITE) {
  emu::meet(mask, where, nullptr, [](void *const *, unsigned) {});
}

namespace emu {
template <class T> struct shuffled {
  T value;
  int source;
};

template <class T> T shuffle(unsigned mask, T value, int source, site where) {
  static_assert(std::is_trivially_copyable<T>::value && sizeof(T) <= 8, "CUDA shuffles 4 and 8 byte values");
  if ((mask >> lane() & 1) && !(mask >> source & 1))
    fail("%s:%d: a shuffle reads lane %d, which its mask %08x leaves out", where.file, where.line, source, mask);
  struct offer {
    T value;
    int source;
    T result;
  } mine = {value, source, value};
  meet(mask, where, &mine, [](void *const *offers, unsigned who) {
    for (int l = 0; l < lanes; l++)
      if (who >> l & 1)
        static_cast<offer *>(offers[l])->result = static_cast<offer *>(offers[static_cast<offer *>(offers[l])->source])->value;
  });
  return mine.result;
}

/* result of every lane = fold of the values of all lanes in the mask, from the lowest lane up */
template <class T, class Fold> T reduce(unsigned mask, T value, site where, Fold) {
  struct offer {
    T value, result;
  } mine = {value, value};
  meet(mask, where, &mine, [](void *const *offers, unsigned who) {
    T total{};
    bool first = true;
    for (int l = 0; l < lanes; l++)
      if (who >> l & 1) {
        const T v = static_cast<offer *>(offers[l])->value;
        total = first ? v : Fold()(total, v);
        first = false;
      }
    for (int l = 0; l < lanes; l++)
      if (who >> l & 1) static_cast<offer *>(offers[l])->result = total;
  });
  return mine.result;
}

struct ballot_or {
  unsigned operator()(unsigned a, unsigned b) const { return a | b; }
};
} // namespace emu

template <class T> T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMU_SITE) {
  const int l = emu::lane();
  return emu::shuffle(mask, value, (l & ~(width - 1)) | (source & (width - 1)), where);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMU_SITE) {
  const int l = emu::lane(), source = l ^ bits;
  return emu::shuffle(mask, value, (source & ~(width - 1)) > (l & ~(width - 1)) ? l : source, where);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMU_SITE) {
  const int l = emu::lane(), source = l + static_cast<int>(delta);
  return emu::shuffle(mask, value, source / width != l / width ? l : source, where);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMU_SITE) {
  const int l = emu::lane(), source = l - static_cast<int>(delta);
  return emu::shuffle(mask, value, source < (l & ~(width - 1)) ? l : source, where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMU_SITE) {
  return emu::reduce(mask, predicate ? 1u << emu::lane() : 0u, where, emu::ballot_or());
}
inline int __any_sync(unsigned mask, int predicate, EMU_SITE) {
  return emu::reduce(mask, predicate ? 1u : 0u, where, emu::ballot_or()) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMU_SITE) {
  return emu::reduce(mask, predicate ? 0u : 1u, where, emu::ballot_or()) == 0;
}
unsigned __activemask() = delete; /* which lanes run together is no property of the program: pass masks */

#define EMU_REDUCE(name, types, expression)                                         \
  namespace emu {                                                                   \
  struct name##_fold {                                                              \
    template <class T> T operator()(T a, T b) const { return expression; }          \
  };                                                                                \
  }                                                                                 \
  inline unsigned __reduce_##name##_sync(unsigned mask, unsigned value, EMU_SITE) { \
    return emu::reduce(mask, value, where, emu::name##_fold());                     \
  }                                                                                 \
  types
#define EMU_SIGNED(name) \
  inline int __reduce_##name##_sync(unsigned mask, int value, EMU_SITE) { return emu::reduce(mask, value, where, emu::name##_fold()); }
EMU_REDUCE(min, EMU_SIGNED(min), a < b ? a : b)
EMU_REDUCE(max, EMU_SIGNED(max), a > b ? a : b)
EMU_REDUCE(or, , a | b)
EMU_REDUCE(and, , a &b)
EMU_REDUCE(xor, , a ^ b)
#undef EMU_REDUCE
#undef EMU_SIGNED
namespace emu {
struct add_fold {
  unsigned operator()(unsigned a, unsigned b) const { return a + b; }
};
} // namespace emu
inline unsigned __reduce_add_sync(unsigned mask, unsigned value, EMU_SITE) { return emu::reduce(mask, value, where, emu::add_fold()); }
inline int __reduce_add_sync(unsigned mask, int value, EMU_SITE) {
  return static_cast<int>(emu::reduce(mask, static_cast<unsigned>(value), where, emu::add_fold()));
}

template <class T> unsigned __match_any_sync(unsigned mask, T value, EMU_SITE) {
  struct offer {
    T value;
    unsigned result;
  } mine = {value, 0};
  emu::meet(mask, where, &mine, [](void *const *offers, unsigned who) {
    for (int l = 0; l < emu::lanes; l++)
      for (int o = 0; o < emu::lanes; o++)
        if ((who >> l & 1) && (who >> o & 1) && static_cast<offer *>(offers[l])->value == static_cast<offer *>(offers[o])->value)
          static_cast<offer *>(offers[l])->result |= 1u << o;
  });
  return mine.result;
}
