#!/usr/bin/env bash
# Training with masked words: the loss falls and stays finite, in every mode, and a resumed run draws the same words again.
. "$(dirname "$0")/../support/synthetic.bash"

masked=(loss.mlm.weight=1 loss.mlm.layers=1 model.embed=64 optimizer.lr=1e-3)

train() {
  local out=$1
  shift
  "$XREID" train "$config" "${small[@]}" "${masked[@]}" train.epochs=6 train.max_steps=40 "$@" --out "$out" >"$out.txt" 2>"$out.log" ||
    fail "train $*: $(tail -n 3 "$out.log")"
}

# mean_of RUN LOSS FIRST LAST: the mean of a logged loss over steps FIRST .. LAST; fails when one is no number
mean_of() {
  sed -n 's/.*"kind": *"step".*"step": *\([0-9]*\),.*"'"$2"'": *\([-0-9.e+]*\)[,}].*/\1 \2/p' "$1/metrics.jsonl" |
    awk -v first="$3" -v last="$4" '$1 >= first && $1 <= last { sum += $2; n++ } END { if (n != last - first + 1) exit 1; print sum / n }'
}

for mode in off shared independent; do
  train "$mode" text.mask_aug="$mode"
  for loss in mlm loss; do
    before=$(mean_of "$mode" $loss 1 5) && after=$(mean_of "$mode" $loss 36 40) || fail "$mode: $loss was not logged as a number"
    awk -v a="$after" -v b="$before" 'BEGIN { exit !(a < 0.95 * b) }' || fail "$mode: $loss went from $before to $after"
    echo "$mode: $loss fell from $before to $after"
  done
  grep -q 'left out' "$mode.log" && fail "$mode: steps were left out"
done
cmp -s off/checkpoints/step-00000040.safetensors shared/checkpoints/step-00000040.safetensors && fail "text.mask_aug changes nothing"

# stopped and resumed in the middle of an epoch
train twice text.mask_aug=independent train.max_steps=17
train twice text.mask_aug=independent --resume
cmp independent/checkpoints/step-00000040.safetensors twice/checkpoints/step-00000040.safetensors || fail "resuming changed the result"

# the weights serve retrieval without the masked-language module
"$XREID" eval "$config" "${small[@]}" "${masked[@]}" --weights shared >eval.txt 2>eval.log || fail "eval: $(tail -n 3 eval.log)"

# node by node in bf16 and in f32
"$XREID" train "$config" "${small[@]}" "${masked[@]}" text.mask_aug=independent text.mask_pad=true model.precision=bf16 --check-nodes --device cpu \
  >nodes.txt 2>nodes.log || fail "--check-nodes: $(tail -n 3 nodes.log)"
echo "masked words: passed"
