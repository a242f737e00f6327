#!/usr/bin/env bash
# Training with embedding sets (ESA): the terms fall, a resumed run is the same, retrieval mixes both scores, and the sets can be had.
. "$(dirname "$0")/../support/synthetic.bash"
config=$XREID_SOURCE/configs/quickstart_esa.yaml
sets=(esa.heads=2 esa.head_width=8 esa.set_size=3 optimizer.lr=1e-3)

train() {
  local out=$1
  shift
  "$XREID" train "$config" "${small[@]}" "${sets[@]}" train.epochs=6 train.max_steps=40 eval.every=2 "$@" --out "$out" >"$out.txt" 2>"$out.log" ||
    fail "train $*: $(tail -n 3 "$out.log")"
}

# mean_of RUN NUMBER FIRST LAST: the mean of a logged number over steps FIRST .. LAST; fails when one is none
mean_of() {
  sed -n 's/.*"kind": *"step".*"step": *\([0-9]*\),.*"'"$2"'": *\([-0-9.e+]*\)[,}].*/\1 \2/p' "$1/metrics.jsonl" |
    awk -v first="$3" -v last="$4" '$1 >= first && $1 <= last { sum += $2; n++ } END { if (n != last - first + 1) exit 1; print sum / n }'
}

train run
for number in loss asm mmd uniformity set_cosine; do
  after=$(mean_of run $number 31 40) || fail "$number was not logged as a number"
  echo "$number at the end: $after"
done
before=$(mean_of run loss 1 10) && after=$(mean_of run loss 31 40)
awk -v a="$after" -v b="$before" 'BEGIN { exit !(a < 0.98 * b) }' || fail "the loss went from $before to $after"
awk -v c="$(mean_of run set_cosine 31 40)" 'BEGIN { exit !(c < 0.98) }' || fail "the sets have collapsed"
grep -q 'left out\|collapsed' run.log && fail "$(grep 'left out\|collapsed' run.log)"

train twice train.max_steps=17
train twice --resume
cmp run/checkpoints/step-00000040.safetensors twice/checkpoints/step-00000040.safetensors || fail "resuming changed the result"

# retrieval: the weight of the sets' similarity is the evaluation's to choose
for weight in 0 0.5 1; do
  "$XREID" eval "$config" "${small[@]}" "${sets[@]}" esa.score_weight=$weight --weights run --json "$weight.json" >eval.txt 2>eval.log ||
    fail "eval: $(tail -n 3 eval.log)"
done
cmp -s 0.json 1.json && fail "sets and global features rank alike"
cmp -s 0.json 0.5.json && cmp -s 1.json 0.5.json && fail "the weight of the score changes nothing"
refuses 1 "nothing trains the sets" "$XREID" eval "$config" "${small[@]}" loss.asm.weight=0 --weights run

# the sets of pictures and captions: 3 vectors of 16
printf '%s\n' '"a man in a red shirt"' '""' >captions.jsonl
find data/imgs -type f | LC_ALL=C sort | head -n 5 >list.txt
"$XREID" embed --weights run --images list.txt --texts captions.jsonl --out features >embed.txt 2>embed.log || fail "embed: $(tail -n 3 embed.log)"
[ "$(stat -c %s features/image_sets.npy)" = $((128 + 5 * 3 * 16 * 4)) ] || fail "the size of image_sets.npy"
[ "$(stat -c %s features/text_sets.npy)" = $((128 + 2 * 3 * 16 * 4)) ] || fail "the size of text_sets.npy"

# the global features alone are a method without sets
train plain esa.score_weight=0 loss.asm.weight=0 loss.mmd.weight=0 loss.uniformity.weight=0
"$XREID" embed --weights plain --images list.txt --out plain_features >embed.txt 2>embed.log || fail "embed: $(tail -n 3 embed.log)"
[ ! -e plain_features/image_sets.npy ] || fail "sets that nobody trained"

# node by node in bf16 and in f32
for kind in slot topk pie; do
  "$XREID" train "$config" "${small[@]}" "${sets[@]}" esa.kind=$kind --check-nodes --device cpu >nodes.txt 2>nodes.log ||
    fail "--check-nodes: $(tail -n 3 nodes.log)"
done
echo "embedding sets: passed"
