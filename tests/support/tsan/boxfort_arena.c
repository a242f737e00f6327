/* ThreadSanitizer leaves a program few address ranges of its own. Criterion's process runner (BoxFort) asks rand_r for the place of
 * the memory it shares with its children, anywhere from 0x200000000000 in steps of 16 MiB, and more often than not picks one that it
 * cannot have. Answering from inside the range around 0x550000000000, which belongs to the program, makes it work every time. */
#include <stdlib.h>

int rand_r(unsigned *seed) {
  *seed = *seed * 1103515245u + 12345u;
  return (int)(0x350000u + ((*seed >> 8) & 0xffffu));
}
