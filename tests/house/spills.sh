#!/usr/bin/env bash
# The kernels listed in hot_kernels keep their values in registers: ptxas reports no spilled byte. Needs nvcc, no device.
set -euo pipefail
nvcc=$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
if [ ! -x "$nvcc" ]; then
  echo "no nvcc" && exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# spills FILE: a line for each kernel that spills; fails when FILE does not compile.
spills() {
  local name
  name=$work/$(basename "$1")
  if ! "$nvcc" -std=c++17 -arch=sm_90 -I "$XREID_SOURCE" -Xptxas -v -cubin -o "$name.cubin" "$1" >"$name.log" 2>&1; then
    cat "$name.log" && exit 1
  fi
  awk '/Compiling entry function/ { split($0, part, "\047"); kernel = part[2] }
    /bytes spill stores/ && !/ 0 bytes spill stores, 0 bytes spill loads/ { sub(/^ */, ""); print kernel ": " $0 }' "$name.log"
}

# The check finds what it should: 64 values that live at once do not fit in the 32 registers that 2,048 threads leave each.
cat >"$work/planted.cu" <<'CU'
__global__ void __launch_bounds__(1024, 2) planted(float *x) {
  float v[64];
  for (int i = 0; i < 64; i++) v[i] = x[i * 1024 + threadIdx.x];
  __syncthreads();
  for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = v[63 - i] * v[i];
}
CU
if [ -z "$(spills "$work/planted.cu")" ]; then
  echo "the planted spill was not found" && exit 1
fi

export -f spills
export nvcc work XREID_SOURCE
# shellcheck disable=SC2016  # the inner shell expands them
xargs -P "$(nproc)" -I{} bash -c 'report=$(spills "$XREID_SOURCE/{}") && [ -z "$report" ] || { printf "%s spills, or does not compile:\n%s\n" {} "$report"; exit 1; }' \
  <"$XREID_SOURCE/tests/house/hot_kernels"
