#!/usr/bin/env bash
# xreid bench on the CPU and, where this build has one, on a CUDA device or the emulator: every operation in both passes, figures that
# agree with one another.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*"
  exit 1
}

# refuses CODE 'words of the message' arguments ...
refuses() {
  local code=$1 words=$2 got=0
  shift 2
  "$XREID" bench "$@" >out.txt 2>err.txt || got=$?
  [ "$got" = "$code" ] || { cat err.txt; fail "bench $*: exit $got, expected $code"; }
  grep -qF -- "$words" err.txt || { cat err.txt; fail "bench $*: '$words' is not in the message"; }
}

# number KEY: the first value of that key in an object read from stdin
number() { sed -n "s/^ *\"$1\": \([^,]*\),\{0,1\}$/\1/p" | head -n 1; }

operations="linear_image_qkv linear_image_fc linear_text_qkv linear_text_fc linear_classifier linear_mlm attention_image attention_text
  multiscale_image multiscale_text slots_image slots_text layernorm add_layernorm quick_gelu l2_normalize token_embedding take_rows
  class_token augment patchify cross_entropy cross_entropy_mlm sdm set_similarity set_similarity_all mmd gradient_norm adam score_tile
  set_score rank_count topk"
forward_only=" augment patchify score_tile set_score rank_count topk "
updates=" gradient_norm adam "

# check_all FILE PRODUCTS: every row of the JSON, one object a line; PRODUCTS is the ceiling of its precision
check_all() {
  local file=$1 products=$2 op passes
  tr -d '\n' <"$file" | sed 's/  */ /g; s/{ "op"/\n{ "op"/g' | grep '^{ "op"' >rows.txt
  for op in $operations; do
    passes=$(sed -n "s/^{ \"op\": \"$op\", \"pass\": \"\([a-z]*\)\".*/\1/p" rows.txt | tr '\n' ' ')
    if [[ $updates == *" $op "* ]]; then
      [ "$passes" = "step " ] || fail "$file: $op has the passes '$passes'"
    elif [[ $forward_only == *" $op "* ]]; then
      [ "$passes" = "forward " ] || fail "$file: $op has the passes '$passes'"
    else
      [ "$passes" = "forward backward " ] || fail "$file: $op has the passes '$passes'"
    fi
  done
  local copies speed
  copies=$(number bytes_per_second <"$file")
  speed=$(number "$products" <"$file")
  awk -v copies="$copies" -v products="$speed" '
    function value(key,   at) {
      at = match($0, "\"" key "\": [^,}]*")
      if (!at) { print FILENAME ": no " key " in " $0; wrong = 1; return 0 }
      return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4) + 0
    }
    function near(what, a, b) {
      if (a < b * 0.999 || a > b * 1.001) { print what ": " a " is not " b " in " $0; wrong = 1 }
    }
    copies <= 0 || products <= 0 { print "no ceilings"; exit 1 }
    {
      ms = value("ms"); bytes = value("bytes"); flop = value("flop"); floor = bytes / copies
      if (flop / products > floor) floor = flop / products
      if (!(ms > 0) || value("ms_min") > ms || value("ms_max") < ms || !(bytes > 0)) { print "impossible times in " $0; wrong = 1 }
      if ($0 ~ /"op": "(linear|attention|multiscale|score_tile)/ && !(flop > 0)) { print "no operations in " $0; wrong = 1 }
      near("gb_per_second", value("gb_per_second"), bytes / ms * 1e-6)
      near("tflop_per_second", value("tflop_per_second"), flop / ms * 1e-9)
      near("share_of_ceiling", value("share_of_ceiling"), floor / ms * 1e3)
      if (value("sets") < 1) { print "no buffers in " $0; wrong = 1 }
    }
    END { exit wrong }' rows.txt || fail "$file"
}

refuses 2 "there is no operation 'nothing'" nothing
refuses 2 "there is no precision 'f64'" --precision f64
refuses 2 "--precision tf32 is for CUDA" sdm --precision tf32 --device cpu

"$XREID" bench --small --device cpu --json cpu.json >table.txt || fail "bench --small --device cpu: exit $?"
check_all cpu.json f32
[ "$(number backend <cpu.json)" = '"cpu"' ] || fail "another backend: $(number backend <cpu.json)"
[ "$(grep -cE ' (forward|backward|step) ' table.txt)" = "$(wc -l <rows.txt)" ] || { cat table.txt; fail "the table lacks lines"; }
grep -q 'they exceed the cache of' table.txt || fail "nothing about the cache"
"$XREID" bench --small --device cpu --precision bf16 --json bf16.json >/dev/null
check_all bf16.json bf16
grep -q '"exceeds_cache": false' cpu.json || fail "tiny buffers cannot exceed the cache"

# larger than the cache: as many sets as that takes; JSON alone on stdout
"$XREID" bench quick_gelu --device cpu --batch 2 --repeats 3 --json - >one.json 2>/dev/null
awk -v cache="$(number cache_bytes <one.json)" -v sets="$(number sets <one.json)" -v bytes="$(number set_bytes <one.json)" \
  'BEGIN { exit !((sets - 1) * bytes >= cache && (sets == 2 || (sets - 2) * bytes < cache)) }' || fail "$(cat one.json)"
grep -q '"exceeds_cache": true' one.json || fail "$(cat one.json)"
[ "$(head -c 1 one.json)" = "{" ] || fail "not JSON alone"
grep -qF '[386, 3072]' one.json || fail "batch 2 has other shapes: $(cat one.json)"

# whole steps: the share of peak is the floor by the time
small=(image.height=48 image.width=16 vision.layers=1 text.layers=1 vision.width=32 text.width=32 vision.heads=2 text.heads=2 model.embed=16
       sampler.batch=4 model.classes=7 text.vocabulary_size=600)
step() { "$XREID" bench step "$XREID_SOURCE/configs/quickstart.yaml" "${small[@]}" --repeats 3 "$@"; }
step --device cpu >step.json || fail "bench step: exit $?"
awk -v share="$(number share_of_peak <step.json)" -v floor="$(number floor_ms <step.json)" -v ms="$(number ms <step.json)" \
  'BEGIN { exit !(share > 0 && floor > 0 && share > 0.999 * floor / ms && share < 1.001 * floor / ms) }' || fail "$(cat step.json)"

if grep -q '^cuda *cuda:0 .*MiB)$' <("$XREID" info); then
  export OMP_WAIT_POLICY=passive
  for precision in f32 bf16; do
    "$XREID" bench --small --device cuda --precision $precision --repeats 1 --json $precision.json >/dev/null || fail "bench on CUDA, $precision"
    check_all $precision.json $precision
    [ "$(number backend <$precision.json)" = '"cuda"' ] || fail "another backend: $(number backend <$precision.json)"
  done
  "$XREID" bench linear_text_fc --small --device cuda --precision tf32 --json tf32.json >table.txt || fail "bench on CUDA, tf32"
  grep -q ' tf32 [0-9.]* TFLOP/s' table.txt || fail "no ceiling of tf32"
  [ "$(number precision <tf32.json)" = '"tf32"' ] || fail "another precision"
  "$XREID" bench sdm linear_text_fc --small --device cuda --no-graph >/dev/null || fail "bench on CUDA without graphs"
  step --device cuda model.precision=f32 >exact.json || fail "bench step on CUDA"
  step --device cuda model.precision=f32 model.tf32=true >fast.json || fail "bench step on CUDA with tf32"
  awk -v exact="$(number loss_first <exact.json)" -v fast="$(number loss_first <fast.json)" \
    'BEGIN { d = fast / exact - 1; exit !(d != 0 && d * d < 1e-4) }' || fail "tf32: losses $(number loss_first <exact.json), $(number loss_first <fast.json)"
else
  refuses 1 "cuda" sdm --small --device cuda
fi
echo "bench: passed"
