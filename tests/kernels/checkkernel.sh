#!/usr/bin/env bash
# checkkernel finds each planted fault, says what it is and how to repeat it, and passes what is right.
set -euo pipefail
if [ -z "${XREID_PLANTED_CASES:-}" ]; then
  echo "only in a build with the emulator" && exit 77
fi
# The guard bands are what is tested here, not AddressSanitizer, which would stop at the first fault.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:allow_user_poisoning=0

output=$("$XREID_PLANTED_CASES" --backend emu --filter planted/f32/0) || { echo "$output" && exit 1; }
expect() { # CASE MESSAGE
  local status=0
  output=$("$XREID_PLANTED_CASES" --backend emu --filter "$1") || status=$?
  if [ $status != 1 ] || [[ $output != "FAILED $1 "*"$2"*"--backend emu --filter $1 --seed 1"* ]]; then
    printf '%s: exit %s, expected is "%s" in\n%s\n' "$1" $status "$2" "$output" && exit 1
  fi
}
for dtype in f32 bf16; do
  expect planted/$dtype/1 'y[3] is '
  expect planted/$dtype/2 'y[99] is '
  expect planted/$dtype/3 "y: written $([ $dtype = f32 ] && echo 4 || echo 2) bytes before it"
  expect planted/$dtype/4 'y: written 0 bytes past its end'
  expect planted/$dtype/5 'x: an input was written to'
  expect planted/$dtype/6 'y[0] is '
  expect planted/$dtype/7 'planted failure'
  expect planted/$dtype/8 'y[5] is '
  expect planted/$dtype/9 'n[0] is 8, the truth is 7'
done
expect exact/f32/10 'y[3] is '

status=0
"$XREID_PLANTED_CASES" --backend emu --filter nothing >/dev/null || status=$?
[ $status = 1 ] || { echo "a filter that matches nothing must fail" && exit 1; }
status=0
"$XREID_PLANTED_CASES" --backend cuda >/dev/null || status=$?
[ $status = 77 ] || { echo "a backend that is not built must be skipped, not $status" && exit 1; }
