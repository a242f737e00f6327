#!/usr/bin/env bash
# tools/profile: the commands it gives the profilers, the table it makes of ncu's CSV, and what it says when there is no profiler.
set -euo pipefail
plan=$(mktemp -d)
trap 'rm -rf "$plan"' EXIT
profile=$XREID_SOURCE/tools/profile

wrong() {
  printf '%s\n' "$*"
  exit 1
}

# says CODE WORDS ARGUMENT...
says() {
  local code=0 expected=$1 words=$2
  shift 2
  bash "$profile" "$@" >"$plan/said" 2>&1 || code=$?
  [ $code = "$expected" ] || wrong "exit $code, not $expected: profile $*: $(cat "$plan/said")"
  grep -qF -- "$words" "$plan/said" || wrong "no '$words': profile $*: $(cat "$plan/said")"
}

says 2 "what to profile is missing" ncu
says 2 "there is no option '--fast'" ncu layernorm --fast
says 2 "there is no 'perf'" perf layernorm --xreid "$XREID"
says 1 "--xreid FILE" ncu layernorm --xreid "$plan/none"
if ! command -v ncu nsys /usr/local/cuda/bin/{ncu,nsys} /opt/nvidia/nsight-*/*/{,bin/}{ncu,nsys} >/dev/null; then
  says 1 "ncu is not on this machine; it comes with the CUDA toolkit" ncu layernorm --xreid "$XREID" --out "$plan/out"
  says 1 "nsys is not on this machine; it comes with the CUDA toolkit" nsys config.yaml --xreid "$XREID" --out "$plan/out"
fi

# Profilers that write down how they were called; where there is an emulated device, they run the command, too.
mkdir "$plan/bin"
cat >"$plan/bin/ncu" <<'SH'
#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"$CALLED"
if [ "$1" = --import ]; then
  printf '%s\n' '==PROF== a line that is no table' '"ID","Kernel Name","gpu__time_duration.sum","launch__registers_per_thread","dram__throughput.avg.pct_of_peak_sustained_elapsed","sm__throughput.avg.pct_of_peak_sustained_elapsed","sm__warps_active.avg.pct_of_peak_sustained_active"' \
    '"","","ns","register/thread","%","%","%"' '"0","void forward<float, 4>(args, int)","1,234,500","40","91.25","12.5","75.04"'
  exit
fi
[[ $("$XREID" info) == *"emulated device"* ]] || exit 0
while [ "$1" != "$XREID" ]; do shift; done
"$@"
SH
cp "$plan/bin/ncu" "$plan/bin/nsys"
sed -i 's/= --import/= stats/' "$plan/bin/nsys"
chmod +x "$plan"/bin/*
export PATH="$plan/bin:$PATH" CALLED=$plan/called

says 0 "ncu-ui $plan/out/operations.ncu-rep" ncu layernorm sdm --xreid "$XREID" --out "$plan/out" --batch 1
grep -qE "^ncu .*--nvtx-include op/ .* $XREID bench layernorm sdm --device cuda --precision bf16 --batch 1 --repeats 1 --no-graph$" "$CALLED" || wrong "$(cat "$CALLED")"
grep -qE '^kernel +us +memory % +compute % +warps % +registers$' "$plan/said" || wrong "the table's head: $(cat "$plan/said")"
grep -qE '^void forward<float, 4>\(args, int\) +1234\.5 +91\.2 +12\.5 +75\.0 +40\.0$' "$plan/said" || wrong "the table: $(cat "$plan/said")"

small=(model.preset=tiny sampler.batch=4 eval.batch=4 text.layers=1 vision.layers=1 image.height=48 image.width=16 text.context=16)
says 0 "nsys-ui $plan/out/step.nsys-rep" nsys "$XREID_SOURCE/configs/quickstart.yaml" "${small[@]}" --out "$plan/out" --xreid "$XREID"
grep -qE "^nsys profile .*--trace=cuda,nvtx .* $XREID bench step .*quickstart.yaml model.preset=tiny .* --device cuda --repeats 3 --no-graph --json" "$CALLED" || wrong "$(cat "$CALLED")"
says 0 "nsys-ui" nsys "$XREID_SOURCE/configs/quickstart.yaml" "${small[@]}" --graph --out "$plan/out" --xreid "$XREID"
[ "$(grep -c -- --no-graph "$CALLED")" = 2 ] || wrong "--graph: $(cat "$CALLED")"
