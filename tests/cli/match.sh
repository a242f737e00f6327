#!/usr/bin/env bash
# imfi.mode cross_attn: training with the matching loss, and evaluation that orders the best images of every caption anew.
. "$(dirname "$0")/../support/synthetic.bash"
small+=(method=cmsn 'imfi.taps=[1]' imfi.mode=cross_attn loss.mlm.weight=1 loss.mlm.layers=1 text.mask_pad=true eval.batch=5)
"$XREID" train "$config" "${small[@]}" train.epochs=1 train.max_steps=6 --out run >train.txt 2>train.log || { cat train.log; fail "training"; }
grep -qE "step 6 .* match [0-9.]+ " train.log || { cat train.log; fail "the log has no matching loss"; }

evaluate() { "$XREID" eval run/config.yaml --weights run "imfi.rerank=$1" --json "$2" >/dev/null 2>eval.log || { cat eval.log; fail "eval with $1"; }; }
evaluate 0 none.json
[ ! -s eval.log ] || fail "without a new order there is nothing to say"
evaluate 1 one.json
grep -qF "the best 1 images of each caption are now ordered by the matching score" eval.log || fail "the new order is not announced"
cmp none.json one.json || fail "one image can have no other place than the first"

# among the best four the order changes; who is among them, and everybody behind, does not
evaluate 4 four.json
! cmp -s none.json four.json || fail "the matching score changed nothing"
curve() { grep -o '"cmc":\[[^]]*' "$1" | head -n 1 | sed 's/.*\[//' | cut -d, -f"$2"; }
[ "$(curve none.json 4-)" = "$(curve four.json 4-)" ] || fail "R-4 and above changed"
OMP_NUM_THREADS=1 evaluate 4 single.json
cmp four.json single.json || fail "another number of threads gave other figures"
evaluate 1000 all.json

refuses 1 "cross_attn fuses pairs" "$XREID" train "$config" "${small[@]}" loss.match.weight=0 --out x
refuses 1 "'imfi.rerank' takes 0 to" "$XREID" train "$config" "${small[@]}" imfi.rerank=-1 --out x
echo "match: passed"
