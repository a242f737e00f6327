#!/usr/bin/env bash
# A run that is killed and resumed ends with the same bytes as one that was not; so does one with another number of threads.
. "$(dirname "$0")/../support/synthetic.bash"

train() {
  local out=$1
  shift
  "$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=30 "$@" --out "$out" >"$out.txt" 2>"$out.log"
}

train straight
[ -f straight/checkpoints/step-00000030.safetensors ] || fail "no checkpoint after 30 steps"

# the weights after step 30 of a run that stopped at step 14 by itself, and of one that was killed
train twice train.max_steps=14
train twice --resume
cmp straight/checkpoints/step-00000030.safetensors twice/checkpoints/step-00000030.safetensors || fail "stopping changed the result"

"$XREID" train "$config" "${small[@]}" train.epochs=3 train.max_steps=30 --out killed >killed.txt 2>killed.log &
pid=$!
for _ in $(seq 600); do
  if ls killed/checkpoints/step-*.safetensors >/dev/null 2>&1; then break; fi
  sleep 0.02
done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
train killed --resume
cmp straight/checkpoints/step-00000030.safetensors killed/checkpoints/step-00000030.safetensors || fail "kill -9 and --resume changed the result"
steps=$(grep -c '"kind": *"step"' killed/metrics.jsonl)
[ "$steps" = "$(grep -c '"kind": *"step"' straight/metrics.jsonl)" ] || fail "metrics.jsonl repeats or lacks steps: $steps"

train one --threads 1
train two --threads 2
train three --threads 3
cmp one/checkpoints/step-00000030.safetensors two/checkpoints/step-00000030.safetensors || fail "1 and 2 threads differ"
cmp one/checkpoints/step-00000030.safetensors three/checkpoints/step-00000030.safetensors || fail "1 and 3 threads differ"

# another seed is another result
train other --seed 2
! cmp -s straight/checkpoints/step-00000030.safetensors other/checkpoints/step-00000030.safetensors || fail "the seed changes nothing"

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
