#!/usr/bin/env bash
# Devices that cannot be used: one clear line and exit 1. The emulator (preset emu) plays the machines; other builds say what they lack.
# shellcheck disable=SC2030,SC2031  # each machine is played in a subshell of its own
# shellcheck source-path=SCRIPTDIR source=../support/synthetic.bash
. "$(dirname "$0")/../support/synthetic.bash"
# refused DEVICE WORDS: every command that computes says it, with the device that was asked for.
refused() {
  refuses 1 "--device $1: $2" "$XREID" train "$config" "${small[@]}" --device "$1" --out run
  refuses 1 "--device $1: $2" "$XREID" bench step "$config" "${small[@]}" --device "$1"
  refuses 1 "--device $1: $2" "$XREID" eval "$config" "${small[@]}" --weights run --device "$1"
  [ ! -e run ] || fail "a run was begun on $1"
}
lists() { grep -qE "^cuda +$1" <("$XREID" info) || fail "no '$1' in: $("$XREID" info)"; }

case $("$XREID" info) in
  *"not built in"*)
    refused cuda "this build has no CUDA backend; use cpu or auto"
    echo "devices: passed (a build without CUDA)" && exit 0
    ;;
  *"no NVIDIA driver"*)
    refused cuda "CUDA: there is no NVIDIA driver on this machine"
    echo "devices: passed (a machine without a driver)" && exit 0
    ;;
  *"emulated device"*) ;;
  *) echo "a machine with a device" && exit 77 ;;
esac

lists 'cuda:0 emulated device \(compute capability 9\.0, 8192 MiB\)$'
refused cuda:9 "CUDA: there is no device cuda:9: this machine has 1, counted from 0"
(
  export EMU_DEVICES=4
  lists 'cuda:3 emulated device'
  refused cuda:4 "CUDA: there is no device cuda:4: this machine has 4, counted from 0"
  "$XREID" bench step "$config" "${small[@]}" --device cuda:3 --repeats 1 >bench.json || fail "the fourth of four devices"
)
(
  export EMU_DEVICES=0
  refused cuda "CUDA: there is no device, or CUDA_VISIBLE_DEVICES hides it"
  lists 'CUDA: there is no device'
)
(
  export EMU_DRIVER=0
  refused cuda "CUDA: there is no NVIDIA driver on this machine"
  lists "runtime 13.0, no driver"
  # auto is the CPU then
  "$XREID" bench step "$config" "${small[@]}" --repeats 1 >bench.json || fail "auto without a driver"
)
EMU_DRIVER=12040 refused cuda "CUDA: the driver is for CUDA 12.4 and this build for 13.0: update the driver"
(
  export EMU_NO_CODE=1
  words="this build has no code for emulated device (compute capability 9.0, 8192 MiB): build with -D XREID_CUDA_ARCHITECTURES=90"
  refused cuda "CUDA: $words"
  lists "cuda:0 .* cannot be used: CUDA: this build has no code"
)

# ---- memory: what the plan needs, what is free, and the batch that fits does fit
peak=(train.peak_tflop_per_second=1 train.peak_gb_per_second=1) # to measure it needs more memory than there is
step() { "$XREID" bench step "$config" "${small[@]}" "${peak[@]}" eval.batch=1 --device cuda --repeats 1 "$@"; }
export EMU_MEMORY_MIB=10
refuses 1 "out of device memory: the activations need " step sampler.batch=128
grep -qE 'need [0-9.]+ MiB at a batch of 128, and [0-9.]+ of 10\.0 MiB are free: a batch of about [0-9]+ would fit' err.txt || fail "$(cat err.txt)"
fits=$(sed -nE 's/.*a batch of about ([0-9]+) would fit.*/\1/p' err.txt)
[ "$fits" -gt 8 ] || fail "only $fits fit"
step sampler.batch="$fits" >bench.json 2>err.txt || fail "a batch of $fits does not fit: $(cat err.txt)"
refuses 1 "out of device memory" step sampler.batch=$((fits + fits / 4))
refuses 1 "a smaller eval.batch needs less" step sampler.batch=8 eval.batch=1024
export EMU_MEMORY_MIB=1
refuses 1 "parameters with their gradients and moments, " step sampler.batch=8
grep -qE 'the device is out of memory: [0-9.]+ MiB asked for, [0-9.]+ of 1\.0 MiB are free' err.txt || fail "$(cat err.txt)"
echo "devices: passed"
