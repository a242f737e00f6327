#!/usr/bin/env bash
# A run that is killed and resumed ends with the same bytes as one that was not; so does one with another number of threads.
. "$(dirname "$0")/../support/synthetic.bash"

# 60 steps, stopped or killed halfway; fewer where an emulated device does them
steps=60
if "$XREID" info >info.txt && grep -q emulated info.txt && [ "${XREID_DEVICE:-}" != cpu ]; then steps=12; fi
half=$((steps / 2))
last=checkpoints/step-$(printf %08d $steps).safetensors

train() {
  local out=$1
  shift
  "$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=$steps "$@" --out "$out" >"$out.txt" 2>"$out.log"
}

train straight
[ -f straight/$last ] || fail "no checkpoint after $steps steps"

# the last weights of a run that stopped halfway by itself, and of one that was killed
train twice train.max_steps=$half
train twice --resume
cmp straight/$last twice/$last || fail "stopping changed the result"

"$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=$steps --out killed >killed.txt 2>killed.log &
pid=$!
for _ in $(seq 600); do
  if ls killed/checkpoints/step-*.safetensors >/dev/null 2>&1; then break; fi
  sleep 0.02
done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
train killed --resume
cmp straight/$last killed/$last || fail "kill -9 and --resume changed the result"
logged=$(grep -c '"kind": *"step"' killed/metrics.jsonl)
[ "$logged" = "$(grep -c '"kind": *"step"' straight/metrics.jsonl)" ] || fail "metrics.jsonl repeats or lacks steps: $logged"

train one --threads 1
train two --threads 2
train three --threads 3
cmp one/$last two/$last || fail "1 and 2 threads differ"
cmp one/$last three/$last || fail "1 and 3 threads differ"

# another seed is another result
train other --seed 2
! cmp -s straight/$last other/$last || fail "the seed changes nothing"

# recompute changes no bit of the weights, poison neither
train again model.recompute=blocks --poison
"$XREID" eval "$config" "${small[@]}" --weights straight --json a.json >/dev/null
"$XREID" eval "$config" "${small[@]}" --weights again --json b.json >/dev/null
cmp a.json b.json || fail "recompute or poison changed the result"

# SIGTERM: a checkpoint, a message, exit 0
"$XREID" train "$config" "${small[@]}" train.epochs=500 --out stopped >stopped.txt 2>stopped.log &
pid=$!
for _ in $(seq 600); do
  if grep -q 'step 3 ' stopped.log; then break; fi
  sleep 0.02
done
kill -TERM "$pid"
wait "$pid" || fail "SIGTERM: exit code $?"
grep -q 'the checkpoint is written' stopped.log || fail "SIGTERM: no message"
ls stopped/checkpoints/step-*.safetensors >/dev/null || fail "SIGTERM: no checkpoint"
echo "resume: passed"
