#!/usr/bin/env bash
# "% of peak": the plan's shortest step at a given or measured speed, by the steps' own time.
. "$(dirname "$0")/../support/synthetic.bash"
train() {
  local out=$1
  shift
  "$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=6 "$@" --device cpu --out "$out" >"$out.txt" 2>"$out.log" || { cat "$out.log"; fail "training"; }
}

# shares RUN FLOOR: share_of_peak x batch / images_per_second is the floor in every step's line
shares() {
  awk -v floor="$2" '
    function value(key) {
      match($0, "\"" key "\": *[-0-9.e+]*")
      return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0
    }
    /"kind": *"step"/ {
      lines++
      got = value("share_of_peak") * 8 / value("images_per_second")
      if (!(got > 0.999 * floor && got < 1.001 * floor)) { print got " s instead of " floor " in " $0; wrong = 1 }
    }
    END { exit wrong || lines < 6 }' "$1/metrics.jsonl" || fail "$1: the share of peak"
}

# given: what the plan says for the same device
given=(train.peak_tflop_per_second=1 train.peak_gb_per_second=2)
train given "${given[@]}"
"$XREID" plan given/config.yaml --tflops 1 --bandwidth 2 --json plan.json >/dev/null
floor=$(sed -n 's/.*"floor_seconds": \([-0-9.e+]*\).*/\1/p' plan.json)
shares given "$floor"
grep -q '% of peak' given.log || fail "nothing in the log"
! grep -q '"peak"' given/environment.json || fail "measured what was given"

# measured: remembered in environment.json, and what is remembered counts
train measured
[ "$(grep -c '"peak": {' measured/environment.json)" = 1 ] || { cat measured/environment.json; fail "nothing remembered"; }
for key in bytes_per_second flop_per_second; do
  grep -qE "\"$key\": [1-9][0-9]{6}" measured/environment.json || { cat measured/environment.json; fail "no $key"; }
done
"$XREID" plan given/config.yaml --tflops 100000 --bandwidth 20000 --json plan.json >/dev/null # no step is faster than that
fastest=$(sed -n 's/.*"floor_seconds": \([-0-9.e+]*\).*/\1/p' plan.json)
remember() { sed -i "s/\"bytes_per_second\": [^,]*/\"bytes_per_second\": $2/; s/\"flop_per_second\": [^,]*/\"flop_per_second\": $3/" "$1/environment.json"; }
remember measured 20000000000000 1e17
"$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=12 --device cpu --out measured --resume >/dev/null 2>resumed.log || { cat resumed.log; fail "resuming"; }
grep -q '"bytes_per_second": 20000000000000' measured/environment.json || { cat measured/environment.json; fail "resuming measured again"; }
sed -i -n '/"step": *\([789]\|1[0-2]\),/p' measured/metrics.jsonl
shares measured "$fastest"

# another number of threads is another speed; a build without OpenMP has one thread only, as has a machine with one core
threads=$(sed -n 's/.*"threads": *\([0-9]*\).*/\1/p' measured/environment.json | head -n 1)
if [ "$threads" != 1 ]; then
  "$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=13 --device cpu --out measured --resume --threads 1 >/dev/null 2>resumed.log ||
    { cat resumed.log; fail "resuming"; }
  ! grep -q '"bytes_per_second": 20000000000000' measured/environment.json || fail "the speed of other threads was taken"
fi

# a peak that steps exceed was measured too low: it is raised to what they prove, once it is far off with a message
train slow
remember slow 1000000 1e6
"$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=12 --device cpu --out slow --resume >/dev/null 2>slow.log || { cat slow.log; fail "resuming"; }
grep -qE 'Steps are [0-9.e+]+ times as fast as the measured peak allows: 100 % of peak are now' slow.log || { cat slow.log; fail "nobody says that the peak was raised"; }
grep -q '"raised_by_a_step": true' slow/environment.json || { cat slow/environment.json; fail "the raised peak is not remembered"; }
! grep -q '"bytes_per_second": 1000000[,.]' slow/environment.json || { cat slow/environment.json; fail "the peak is as it was"; }
[ "$(grep -oE '[0-9]+ % of peak  ' slow.log | sort -n | tail -n 1)" = "100 % of peak  " ] || { cat slow.log; fail "the fastest step is at 100 %"; }

# one that was given stays, whatever steps prove
train low train.peak_tflop_per_second=1e-6 train.peak_gb_per_second=1e-3
! grep -q 'as fast as the measured peak' low.log || fail "a given peak was raised"
grep -qE '[0-9]{3,} % of peak  ' low.log || { cat low.log; fail "no share above 100 %"; }

# lines that span the end of an epoch: their steps' time counts whole, the evaluation's and the checkpoint's not at all
train spanning "${given[@]}" train.epochs=4 train.max_steps=0 train.log_every=16 eval.every=1
awk '
  function value(key) {
    match($0, "\"" key "\": *[-0-9.e+]*")
    return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0
  }
  /"kind": *"step"/ {
    step = value("step")
    each = 8 / value("images_per_second")
    if (value("epoch") == epoch) { if (!least || each < least) least = each }
    else { spans++; if (!shortest || each < shortest) shortest = each }
    epoch = value("epoch")
  }
  END { print spans " lines span epochs; seconds of a step there " shortest ", elsewhere " least; exit spans < 3 || shortest < least / 3 }
' spanning/metrics.jsonl || fail "the rate where an epoch ends"

# a device without room for the measurement: training goes on and says so
if [[ $("$XREID" info) == *"emulated device"* ]]; then
  EMU_MEMORY_MIB=40 "$XREID" train "$config" "${small[@]}" train.epochs=1 train.max_steps=2 --device cuda --out cramped >/dev/null 2>cramped.log ||
    { cat cramped.log; fail "training in 40 MiB"; }
  grep -q 'the share of peak is not known: .*out of memory' cramped.log || { cat cramped.log; fail "no warning"; }
  grep -q '"share_of_peak": *null' cramped/metrics.jsonl || fail "a share of an unknown peak"
fi
echo "peak: passed"
