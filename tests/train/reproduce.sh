#!/usr/bin/env bash
# Several seeds and variants in one table: its numbers are those of the runs, finished runs are not repeated, a stopped or failed one is told.
. "$(dirname "$0")/../support/synthetic.bash"

cat >ablation.yaml <<YAML
base: $config
name: tiny
paper:
  figures: {R1: 73.38, R5: 89.93, R10: not published, mAP: 66.13, mINP: not published}
  note: A note on the figures.
  peers: [{name: A | peer, R1: 68.19, R5: 86.47, R10: 91.47, mAP: 61.12, mINP: 44.86}]
ablation:
  - {name: all, set: []}
  - {name: + no MLM | no ID, set: ['loss.mlm.weight=0', 'loss.id.weight=0']}
YAML
reproduce() { "$XREID" reproduce ablation.yaml "${small[@]}" train.epochs=2 eval.every=1 train.max_steps=6 --threads 1 "$@"; }
has() { grep -qF -- "$2" "$1" || { cat "$1"; fail "$1 has no '$2'"; }; }
metric() { jq -s "$2" "$1/metrics.jsonl"; }
check() { jq -e "$2" "$1" >jq.txt || { cat "$1"; fail "$1: not true: $2"; }; }

# one variant, two seeds
reproduce --seeds 2 --out plain --json plain.json --markdown plain.md >plain.txt 2>plain.log || { cat plain.log; fail "reproduce"; }
[ -f plain/tiny/seed-1/report.html ] && [ -f plain/tiny/seed-2/report.html ] || fail "not the folders that are promised"
cmp plain.md plain/results.md && cmp plain.json plain/results.json || fail "the files differ from those in the folder"
has plain.txt "| **tiny**, best on val | 2 |"
has plain.txt "| **tiny**, last epoch | 2 |"
has plain.txt "| paper |  | 73.38 | 89.93 | not published | 66.13 | not published |"
has plain.txt "| A \\| peer |  | 68.19 | 86.47 | 91.47 | 61.12 | 44.86 |"
has plain.txt "A note on the figures."
has plain.txt "seeds 1 to 2; precision bf16"
has plain.txt "Equal scores: lower-index"
check plain.json '.protocol.queries > 0 and .protocol.gallery > 0 and .protocol.selected_on == "val" and .protocol.seconds > 0'
check plain.json '.paper == {R1: .7338, R5: .8993, R10: null, mAP: .6613, mINP: null} and .peers[0].mINP == .4486'

# the figures are those of each run's metrics.jsonl, mean and deviation are theirs
for seed in 1 2; do
  run=plain/tiny/seed-$seed
  for of in best last; do
    kind=$([ $of = best ] && echo result || echo evaluation)
    [ "$(jq -c ".variants[0].runs[$((seed - 1))].$of" plain.json)" = \
      "$(metric $run "map(select(.kind == \"$kind\" and .split == \"test\")) | last | {R1, R5, R10, mAP, mINP}" | jq -c .)" ] ||
      fail "seed $seed: $of differs from $run/metrics.jsonl"
  done
  "$XREID" eval $run/config.yaml --weights $run --json eval.json >/dev/null
  check plain.json ".variants[0].runs[$((seed - 1))].best | .R1 == $(jq .cmc[0] eval.json) and .mAP == $(jq .mAP eval.json)"
done
check plain.json '.variants[0] | ([.runs[].best.mAP] | add / 2) as $m | (.best.mean.mAP - $m | fabs) < 1e-15 and
  ((.runs[0].best.mAP - .runs[1].best.mAP | fabs) / (2 | sqrt) - .best.deviation.mAP | fabs) < 1e-15'
has plain.txt "$(jq -r '.variants[0].best | [.mean.mAP, .deviation.mAP] | map(. * 1e4 | round / 100) | map(tostring)[0]' plain.json)"

# the same again trains nothing; one seed more trains one run; another configuration is refused
before=$(stat -c %y plain/tiny/seed-*/metrics.jsonl)
reproduce --seeds 2 --out plain >again.txt 2>again.log || { cat again.log; fail "the second call"; }
cmp plain.txt again.txt || fail "the second call prints another table"
[ "$before" = "$(stat -c %y plain/tiny/seed-*/metrics.jsonl)" ] || fail "the second call ran again"
refuses 1 "another configuration" "$XREID" reproduce ablation.yaml "${small[@]}" train.epochs=2 eval.every=1 train.max_steps=5 --out plain
refuses 1 "plain/tiny/seed-1" "$XREID" reproduce ablation.yaml "${small[@]}" train.epochs=2 eval.every=1 optimizer.lr=1 --out plain
refuses 1 "lists no ablation" "$XREID" reproduce "$config" "${small[@]}" --ablation --out none
refuses 1 "no MLM" reproduce --ablation --out none 'ablation=[{name: no MLM, set: [loss.mlm.wait=0]}]'
refuses 1 "would share the folder" reproduce --ablation --out none 'ablation=[{name: A B, set: []}, {name: a-b, set: []}]'
[ ! -e none ] || fail "something was begun"

# SIGTERM leaves a checkpoint, the same command goes on to the same figures
"$XREID" reproduce ablation.yaml "${small[@]}" train.epochs=2 eval.every=1 train.max_steps=6 --threads 1 --seeds 2 --out stopped \
  >stopped.txt 2>stopped.log &
pid=$!
for _ in $(seq 600); do
  if grep -q 'step 2 ' stopped.log; then break; fi
  sleep 0.02
done
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM: exit code $?"
has stopped.log "The same command goes on"
[ ! -s stopped.txt ] || fail "a table was printed although not all runs are finished"
reproduce --seeds 2 --out stopped --json - >stopped.json 2>stopped.log || { cat stopped.log; fail "going on"; }
[ "$(jq -c '.variants[].runs[] | [.best, .last]' stopped.json)" = "$(jq -c '.variants[].runs[] | [.best, .last]' plain.json)" ] ||
  fail "going on gave other figures"

# an ablation whose third row cannot run: the others are there, the message is in the table, exit code 1
lines='ablation=[{name: all, set: []}, {name: + no MLM | no ID, set: [loss.mlm.weight=0, loss.id.weight=0]}, {name: lost, set: [data.root=nowhere]}]'
got=0
reproduce --ablation --seeds 2 --out ablation "$lines" >ablation.txt 2>ablation.log || got=$?
[ $got = 1 ] || { cat ablation.log; fail "exit code $got, expected 1"; }
has ablation.log "2 of 6 runs failed"
[ -f ablation/no-mlm-no-id/seed-2/report.html ] || fail "the variant's folder is not there"
has ablation.txt "| **lost**, best on val | 0 of 2; seed 1 failed: nowhere"
has ablation.txt "| **+ no MLM \\| no ID**, best on val | 2 |"
[ "$(grep -c 'best on val | 2 |' ablation.txt)" = 2 ] || fail "not two rows that ran"
check ablation/ablation.json '.variants[1] as $b | .variants[0] as $a | $b.best.difference.mAP == $b.best.mean.mAP - $a.best.mean.mAP'
check ablation/ablation.json '.variants[2].runs[0].state == "failed" and (.variants[2].runs[0].message | test("nowhere"))'
check ablation/ablation.json '.variants[2].best.mean.R1 == null and .variants[1].set == ["loss.mlm.weight=0", "loss.id.weight=0"]'
difference=$(jq -r '.variants[1].best.difference.R1 * 100' ablation/ablation.json)
has ablation.txt "($(printf %+.2f "$difference"))"

# splits of fewer than ten pictures have no R-10
! grep -- '-100' ./*.txt ./*.log || fail "an unknown figure was printed as a number"
echo "reproduce: passed"
