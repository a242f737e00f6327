#!/usr/bin/env bash
# tools/gpu-check from an installed tree: every section at a small size, what it says where something is wrong, and its exit codes.
set -euo pipefail
build=$(dirname "$XREID")
plan=$(mktemp -d)
trap 'rm -rf "$plan"' EXIT

wrong() {
  printf '%s\n' "$*"
  exit 1
}

# ---- the tree runs elsewhere, with the libraries that it brought
cmake --install "$build" --prefix "$plan/first" >"$plan/install.log" 2>&1 || wrong "cmake --install: $(tail -n 5 "$plan/install.log")"
mv "$plan/first" "$plan/tree"
tree=$plan/tree
"$tree/bin/xreid" info >/dev/null || wrong "the installed program does not start"
outside=$(ldd "$tree/bin/xreid" | awk '$3 ~ /^\// {print $3}' | grep -vE "^$tree/|/lib(c|m|dl|rt|resolv|pthread|gcc_s|stdc\+\+|cuda|cublas|cublasLt|cudnn[a-z_]*|nccl)\.so[.0-9]*$" || true)
[ -z "$outside" ] || wrong "libraries of this machine are used: $outside"
[ -n "$(ls "$tree/lib"*/xreid/libjansson.so.* 2>/dev/null)" ] || wrong "no libraries are in the tree"

# ---- other programs on the path: a PyTorch that is fast to start, a sanitizer that finds what it is told to find
mkdir "$plan/bin" "$plan/peers"
: >"$plan/peers/bench_train.py"
cat >"$plan/bin/python" <<'SH'
#!/usr/bin/env bash
[ "$1" != -c ] || { [ -n "${PACKAGES:-}" ] && echo "$PACKAGES/torch" && exit; }
[[ "$*" == *"bench_train.py --model irra --preset tiny --batch 4 --mlm off --device cpu --precision bf16 --compile "* ]] || exit 3
[[ "$*" != *"--compile default"* ]] || { echo "no compiler" >&2 && exit 1; }
echo '{"bench": "train", "ms": 12.5, "ms_min": 12.25, "parameters": 1801835}'
SH
cat >"$plan/bin/compute-sanitizer" <<'SH'
#!/usr/bin/env bash
[ "$1 $3 $4" = "--tool --error-exitcode 1" ] || exit 9
"${@:5}"
[ "$2" != racecheck ] || { echo "========= Error: Race reported between Write access and Read access" && exit 1; }
echo "========= ERROR SUMMARY: 0 errors"
SH
chmod +x "$plan"/bin/*

# check CODE WORDS OPTION...: gpu-check's exit code, and words in what it says; its results are in $plan/out.
check() {
  local code=0 expected=$1 words=$2
  shift 2
  rm -rf "$plan/out"
  PATH="$plan/bin:$PATH" "$tree/bin/gpu-check" --out "$plan/out" --python "$plan/bin/python" "$@" >"$plan/stdout" 2>"$plan/stderr" || code=$?
  [ $code = "$expected" ] || wrong "exit $code, not $expected: gpu-check $*: $(cat "$plan/stdout" "$plan/stderr" "$plan/out/log.txt")"
  grep -qF -- "$words" "$plan/stderr" "$plan/stdout" || wrong "no '$words': gpu-check $*: $(cat "$plan/stdout" "$plan/stderr")"
}
row() { # PATTERN
  grep -qE -- "$1" "$plan/out/gpu-check.md" || wrong "no row '$1': $(cat "$plan/out/gpu-check.md" "$plan/out/log.txt")"
}

check 2 "there is no option '--fast'" --fast
check 2 "--minutes takes a whole number" --minutes soon
check 2 "there is no device 'tpu'" --device tpu
check 2 "there is no $plan/none/bench_train.py" --peers "$plan/none"
check 2 "is no installed tree" --tree "$plan"

# ---- without a device: one line
device=cpu
export EMU_DEVICES=0
if [[ $("$XREID" info) != *"cuda:0 "* ]]; then
  check 1 "--device cuda: " --device cuda
  [ "$(wc -l <"$plan/stderr")" = 1 ] || wrong "not one line: $(cat "$plan/stderr")"
fi
unset EMU_DEVICES
[[ $("$XREID" info) != *"emulated device"* ]] || device=cuda

# ---- libraries that the machine has in its own places: the toolkit's folder, PyTorch's packages, nowhere
cat >"$plan/bin/ldd" <<'SH'
#!/usr/bin/env bash
[[ $LD_LIBRARY_PATH == *nvidia* ]] || echo "  libneeded.so.1 => not found"
SH
chmod +x "$plan/bin/ldd"
mkdir -p "$plan/nvidia/lib64" "$plan/packages/torch" "$plan/packages/nvidia/cu13/lib"
check 1 "bin/xreid lacks libneeded.so.1: add the folder to LD_LIBRARY_PATH" --device cpu
: >"$plan/nvidia/lib64/libneeded.so.1"
CUDA_HOME=$plan/nvidia check 0 "| bench, operations | passed |" --device cpu --only bench
: >"$plan/packages/nvidia/cu13/lib/libneeded.so.1"
PACKAGES=$plan/packages check 0 "| bench, operations | passed |" --device cpu --only bench
rm "$plan/bin/ldd"

# ---- everything
code=0
[ $device = cpu ] || code=1 # the planted race
check $code "| section | result | figure | s |" --device $device --peers "$plan/peers"
row '^\| kernels, .* \| passed \| .* cases, 0 failed \|'
row '^\| nodes, .* \| passed \| no node differs more'
row '^\| replay, .* \| passed \| 20 steps: the same losses and gradient norms, bit for bit \|'
row '^\| step, IRRA bf16 batch 4 \| passed \| [0-9.]+ ms \(least [0-9.]+\), [0-9]+ pairs/s, [0-9.]+ TFLOP/s(, [0-9]+ MiB of the device in use)? \|'
row '^\| peer, PyTorch eager batch 4 \| passed \| 12\.50 ms \(least 12\.25\): [0-9.]+ times our time \|'
row '^\| compiled, PyTorch batch 4 \| no figure \| no compiler \|'
row '^\| quickstart, training \| passed \| R-1 [0-9.]+ %, by the true attributes [0-9.]+ % \|'
row '^\| bench, operations \| passed \| [1-9][0-9]* measurements'
if [ $device = cuda ]; then
  row '^\| memcheck, .* \| passed \| no report in .* cases, 0 failed \|'
  row '^\| racecheck, .* \| FAILED \| =+ Error: Race reported'
  row '^\| memory, .* \| passed \| a batch of 1000 is refused, the one of [1-9][0-9]+ that it says would fit does \|'
else
  row '^\| memcheck, .* \| skipped \| needs a device \|'
fi
[ "$(grep -c '"section": ' "$plan/out/gpu-check.json")" = 13 ] || wrong "not 13 sections: $(cat "$plan/out/gpu-check.json")"
grep -qE '"section": "step, IRRA bf16 batch 4", "result": "passed", .*"ms": [0-9.]+' "$plan/out/gpu-check.json" || wrong "no time in the JSON"
if command -v python3 >/dev/null; then python3 -m json.tool "$plan/out/gpu-check.json" >/dev/null || wrong "no JSON"; fi

# ---- what goes wrong is found, and stops nothing else: kernels that fail, a replay that differs, a command that hangs
mv "$tree/bin/xreid" "$tree/bin/xreid.true"
mv "$tree/bin/checkkernel" "$tree/bin/checkkernel.true"
cat >"$tree/bin/xreid" <<'SH'
#!/usr/bin/env bash
"$0.true" "$@" || exit $?
[[ "$*" != *--no-graph* ]] || sed -i 's/"loss":3/"loss":4/' "${@: -2:1}/metrics.jsonl"
SH
printf '#!/bin/sh\necho "FAILED scale/f32/7 | wrong"\necho "cuda, seed 1: 9 cases, 1 failed"\nexit 1\n' >"$tree/bin/checkkernel"
# shellcheck disable=SC2016  # the written script expands it
printf '#!/bin/bash\n[[ "$*" != *check-nodes* ]] || exit 124\nexec "${@:4}"\n' >"$plan/bin/timeout"
chmod +x "$tree/bin/xreid" "$tree/bin/checkkernel" "$plan/bin/timeout"
check 1 "3 sections failed" --device $device --only kernels,data,nodes,replay,peer
row '^\| kernels, .* \| FAILED \| .*1 failed; FAILED scale/f32/7 / wrong \|'
row '^\| nodes, .* \| timed out \| cut off after'
row '^\| replay, .* \| FAILED \| step, loss, norm: 1 3[0-9. ]+ replayed, 1 4[0-9. ]+ node by node \|'
row '^\| peer, .* \| skipped \| no --peers \|'
if grep -q quickstart "$plan/out/gpu-check.md"; then wrong "--only runs other sections"; fi
