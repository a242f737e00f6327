#!/usr/bin/env bash
# Several seeds and variants in one table: its numbers are those of the runs, finished runs are not repeated, a stopped or failed one is told.
. "$(dirname "$0")/../support/synthetic.bash"

cat >tiny.yaml <<YAML
base: $config
name: tiny
paper:
  figures: {R1: 73.38, R5: 89.93, R10: not published, mAP: 66.13, mINP: not published}
  note: A note on the figures.
  peers: [{name: A | peer, R1: 68.19, R5: 86.47, R10: 91.47, mAP: 61.12, mINP: 44.86}]
YAML
short=(tiny.yaml "${small[@]}" sampler.batch=84 train.epochs=3 eval.every=1 # three steps an epoch
       train.peak_tflop_per_second=1 train.peak_gb_per_second=10)
reproduce() { "$XREID" reproduce "${short[@]}" --threads 1 --seeds 2 "$@"; }
has() { grep -qF -- "$2" "$1" || { cat "$1"; fail "$1 has no '$2'"; }; }
# figures FILE KIND SPLIT: of the last such line of a metrics.jsonl, as JSON members
figures() { sed -n "s/.*\"kind\":\"$2\".*\"split\":\"$3\",\(\"R1\":.*\"mINP\":[^,}]*\).*/\1/p" "$1" | tail -n 1; }
# member FIGURES NAME: one number of them
member() { sed "s/.*\"$2\":\([^,}]*\).*/\1/" <<<"$1"; }
packed() { tr -d ' \n' <"$1" >packed.txt; } # JSON without its layout
# near A B: equal but for the last digits
near() { awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(d < 1e-14 && d > -1e-14) }' || fail "$1 is not $2"; }

# one variant, two seeds
reproduce --out plain --json plain.json --markdown plain.md >plain.txt 2>plain.log || { cat plain.log; fail "reproduce"; }
cmp plain.md plain/results.md && cmp plain.json plain/results.json || fail "the files differ from those in the folder"
cmp plain.md plain.txt || fail "another table is printed than written"
has plain.txt "| paper |  | 73.38 | 89.93 | not published | 66.13 | not published |"
has plain.txt "| A \\| peer |  | 68.19 | 86.47 | 91.47 | 61.12 | 44.86 |"
has plain.txt "A note on the figures."
has plain.txt "seeds 1 to 2; precision bf16"
has plain.txt ": 26 captions x 13 images"
has plain.txt "Equal scores: lower-index"
grep -qE '^- Device: (CPU|cuda:0), .*; CPU threads: 1\. Wall time' plain.txt || fail "the device is not named"
packed plain.json
has packed.txt '"queries":26,"gallery":13,'

# the figures are those of each run's metrics.jsonl and of xreid eval, and the table's are their mean and deviation
for seed in 1 2; do
  run=plain/tiny/seed-$seed
  [ -f $run/report.html ] || fail "no report in $run"
  best[seed]=$(figures $run/metrics.jsonl result test)
  last=$(figures $run/metrics.jsonl evaluation test)
  has packed.txt "\"best\":{${best[seed]}},\"last\":{$last}"
  "$XREID" eval $run/config.yaml --weights $run --threads 1 --json eval.json >/dev/null
  for name in mAP mINP; do has eval.json "\"$name\":$(member "${best[seed]}" $name)"; done
  row=$(awk -v r1="$(member "$last" R1)" -v map="$(member "$last" mAP)" 'BEGIN { printf "%.2f .* %.2f", 100 * r1, 100 * map }')
  grep -q "^| tiny, last epoch | $seed | $row |" plain.txt || fail "no row '$row' of seed $seed"
done
spread=$(sed 's/.*"variants":\[{[^{]*"best":{"count":2,"mean":{\([^}]*\)},"deviation":{\([^}]*\)}.*/\1 \2/' packed.txt)
read -r mean deviation <<<"$spread"
for name in R1 mAP; do
  a=$(member "${best[1]}" $name) b=$(member "${best[2]}" $name)
  near "$(member "$mean" $name)" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.17g", (a + b) / 2 }')"
  near "$(member "$deviation" $name)" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.17g", sqrt((a - b) ^ 2 / 2) }')"
done
cell=$(awk -v m="$(member "$mean" mAP)" -v d="$(member "$deviation" mAP)" 'BEGIN { printf "%.2f ± %.2f", 100 * m, 100 * d }')
grep -q "^| \*\*tiny\*\*, best on val | 2 | .* | $cell | " plain.txt || { cat plain.txt; fail "no row with $cell"; }

# the same again trains nothing; another configuration is refused before anything runs
before=$(stat -c %y plain/tiny/seed-*/*)
reproduce --out plain >again.txt 2>again.log || { cat again.log; fail "the second call"; }
cmp plain.txt again.txt || fail "the second call prints another table"
[ "$before" = "$(stat -c %y plain/tiny/seed-*/*)" ] || fail "the second call ran again"
refuses 1 "another configuration" reproduce --out plain train.max_steps=5
refuses 1 "plain/tiny/seed-1" reproduce --out plain optimizer.lr=1
refuses 1 "lists no ablation" reproduce --ablation --out none
refuses 1 "no MLM" reproduce --ablation --out none 'ablation=[{name: no MLM, set: [loss.mlm.wait=0]}]'
refuses 1 "would share the folder" reproduce --ablation --out none 'ablation=[{name: A B, set: []}, {name: a-b, set: []}]'
[ ! -e none ] || fail "something was begun"

# SIGTERM leaves a checkpoint and no table; the same command goes on to the same figures
"$XREID" reproduce "${short[@]}" --threads 1 --seeds 2 --out stopped >stopped.txt 2>stopped.log &
pid=$!
for _ in $(seq 1000); do
  if grep -q 'step 2 ' stopped.log; then break; fi
  sleep 0.02
done
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM: exit code $?"
has stopped.log "of 2 runs are finished. The same command goes on"
[ ! -s stopped.txt ] || fail "a table was printed although not all runs are finished"
reproduce --out stopped --json - >stopped.json 2>stopped.log || { cat stopped.log; fail "going on"; }
has stopped.log "Going on from stopped/tiny/seed-1"
packed stopped.json
for seed in 1 2; do has packed.txt "\"best\":{${best[seed]}}"; done

# an ablation with a row that cannot run: the others are there, the message is in the table, exit code 1
rows='ablation=[{name: all, set: []}, {name: + no | ID, set: [loss.id.weight=0]}, {name: lost, set: [data.root=nowhere]}]'
got=0
reproduce --ablation --out ablation eval.max_rank=5 "$rows" >ablation.txt 2>ablation.log || got=$?
[ $got = 1 ] || { cat ablation.log; fail "exit code $got, expected 1"; }
has ablation.log "2 of 6 runs failed"
[ -f ablation/no-id/seed-2/report.html ] || fail "the variant's folder is not there"
grep -q '^| \*\*lost\*\*, best on val | 0 of 2; seed 1 failed: nowhere.*; seed 2 likewise | – | – |' ablation.txt ||
  { cat ablation.txt; fail "no row that says why 'lost' failed"; }
has ablation.txt "| **all**, best on val | 2 |"
has ablation.txt '  - + no | ID: `loss.id.weight=0`'
packed ablation/ablation.json
has packed.txt '"name":"+no|ID","set":["loss.id.weight=0"]'
has packed.txt '"state":"failed","folder":"ablation/lost/seed-1","message":"nowhere'
difference=$(sed 's/.*"name":"+no|ID".*"best":{"count":2,[^}]*},[^}]*},"difference":{\([^}]*\)}.*"name":"lost".*/\1/' packed.txt)
cell=$(awk -v d="$(member "$difference" mAP)" 'BEGIN { printf "(%+.2f)", 100 * d }')
grep -q "^| \*\*+ no \\\\| ID\*\*, best on val | 2 | .*$cell" ablation.txt || { cat ablation.txt; fail "no difference $cell"; }

# a CMC of five ranks has no R-10
has ablation.log "R-10 -  mAP"
has packed.txt '"R10":null'
has ablation/all/seed-1/metrics.jsonl '"R10":null'
echo "reproduce: passed"
