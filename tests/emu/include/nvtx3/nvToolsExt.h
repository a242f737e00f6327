/* Ranges in a profiler's timeline: nothing to do here, but a pop without a push is found. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

int nvtxRangePushA(const char *message); /* depth of the new range, from 0 */
int nvtxRangePop(void);                  /* depth of the range that ended; -2 and a message on stderr when there is none */
void nvtxMarkA(const char *message);

#ifdef __cplusplus
}
#endif
