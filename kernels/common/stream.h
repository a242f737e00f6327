/* A stream of the device as C sees it: cudaStream_t without CUDA's headers. NULL is the default stream, or the CPU. */
#pragma once

typedef struct CUstream_st *xr_stream;
