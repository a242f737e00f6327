#!/usr/bin/env bash
# xreid embed and convert on a checkpoint, starting a training from weights, and input that cannot be used.
. "$(dirname "$0")/../support/synthetic.bash"
train() { "$XREID" train "$config" "${small[@]}" train.epochs=1 "$@" >train.txt 2>train.log || { cat train.log; fail "training: $*"; }; }
embed() { "$XREID" embed --weights run "$@" >embed.txt 2>embed.log || { cat embed.log; fail "embed: $*"; }; }
says() { grep -qF -- "$2" "$1" || { cat "$1"; fail "no '$2' in $1"; }; }
size() { stat -c %s "$1"; }

train train.max_steps=3 --out run

# pictures: a folder and a list of the same files give the same rows, in the order of images.txt
embed --images data/imgs --out folder
find data/imgs -type f | LC_ALL=C sort >list.txt
cmp list.txt folder/images.txt || fail "the order of a folder's pictures"
embed --images list.txt --out listed
cmp folder/image_features.npy listed/image_features.npy || fail "folder and list differ"
[ "$(size folder/image_features.npy)" = $((128 + $(wc -l <list.txt) * 16 * 4)) ] || fail "the size of image_features.npy"
[ ! -e folder/text_features.npy ] || fail "text features nobody asked for"
head -n 1 list.txt >first.txt
embed --images first.txt --out one
cmp <(tail -c +129 one/image_features.npy) <(tail -c +129 folder/image_features.npy | head -c 64) || fail "a row depends on the others"

# captions: strings or objects; empty ones and long ones are legal, and what does not fit is cut
printf '%s\n' '"a man in a red shirt"' '{"caption": "a man in a red shirt", "id": 3}' '' '""' >captions.jsonl
embed --texts captions.jsonl --token-features --out texts
row() { tail -c +$((129 + $2 * 64)) "$1/text_features.npy" | head -c 64; }
cmp <(row texts 0) <(row texts 1) || fail "a string and an object differ"
! cmp -s <(row texts 0) <(row texts 2) || fail "an empty caption is like a full one"
[ "$(size texts/text_features.npy)" = $((128 + 3 * 64)) ] || fail "the size of text_features.npy"
[ "$(size texts/text_tokens.npy)" = $((128 + 3 * 48 * 64)) ] || fail "the size of text_tokens.npy"
for words in 60 10000; do
  printf '"%s"\n' "$(yes "shirt" | head -n $words | tr '\n' ' ')" >long.jsonl
  embed --texts long.jsonl --out "long$words"
done
cmp long60/text_features.npy long10000/text_features.npy || fail "10,000 words are not cut like 60"

# a checkpoint under another naming is the same model
"$XREID" convert run openai.safetensors 2>convert.log
"$XREID" convert run huggingface.safetensors --to huggingface 2>>convert.log
"$XREID" convert huggingface.safetensors back.safetensors 2>>convert.log
cmp openai.safetensors back.safetensors || fail "there and back changed bytes"
for name in openai huggingface; do head -c 8000 $name.safetensors | grep -aq '"logit_scale"' || fail "$name: no logit_scale"; done
says convert.log "tensors of heads have no name there and are left out"
embed --weights huggingface.safetensors --images list.txt --out again
cmp folder/image_features.npy again/image_features.npy || fail "the conversion changed features"
"$XREID" eval "$config" "${small[@]}" --weights run --json a.json >/dev/null 2>eval.log
! grep -q . eval.log || { cat eval.log; fail "eval of an own checkpoint has something to say"; }
"$XREID" eval "$config" "${small[@]}" --weights openai.safetensors --json b.json >/dev/null
cmp a.json b.json || fail "the conversion changed the evaluation"

# training starts from weights: with a learning rate of 0 it ends with them
train train.max_steps=1 optimizer.lr=0 model.weights=openai.safetensors --out same
says train.log "not there, so they start fresh (2): classifier."
"$XREID" eval "$config" "${small[@]}" --weights same/checkpoints/step-00000001.safetensors --json c.json >/dev/null
cmp a.json c.json || fail "the weights did not arrive"
train train.max_steps=1 model.weights=openai.safetensors image.height=64 text.context=20 --out other
says train.log "visual.positional_embedding: resized from 6 x 2 to 8 x 2 patches (bilinear)"
says train.log "positional_embedding: the first 20 of 48 rows"

# a method with modules of its own starts from the towers and encodes with all of it
train train.max_steps=1 method=cmsn imfi.taps=[1] model.weights=openai.safetensors --out cmsn
says train.log "so they start fresh ("
says train.log "imfi.query"
"$XREID" embed --weights cmsn --images first.txt --texts captions.jsonl --token-features --out cmsn_features
[ "$(size cmsn_features/image_tokens.npy)" = $((128 + 13 * 64)) ] || fail "the size of cmsn's image_tokens.npy"
refuses 1 "imfi.query is missing" "$XREID" embed --weights openai.safetensors --config cmsn/config.yaml --images first.txt --out x

# what cannot be used
refuses 2 "--weights is missing" "$XREID" embed --images data/imgs --out x
refuses 2 "--out is missing" "$XREID" embed --weights run --images data/imgs
refuses 2 "nothing to embed" "$XREID" embed --weights run --out x
refuses 2 "take one" "$XREID" embed --weights run --images a --pixels b --out x
refuses 2 "take one" "$XREID" embed --weights run --texts a --tokens b --out x
refuses 2 "is no override" "$XREID" embed --weights run --images a --out x something
refuses 1 "nothing.safetensors" "$XREID" embed --weights nothing.safetensors --images list.txt --out x
refuses 1 "no safetensors file" "$XREID" embed --weights list.txt --images list.txt --out x
refuses 1 "missing.npy" "$XREID" embed --weights run --pixels missing.npy --out x
refuses 1 "no npy file" "$XREID" embed --weights run --pixels list.txt --out x
refuses 1 "names no picture" "$XREID" embed --weights run --images run/checkpoints --out x
printf 'data/imgs/none.jpg\n' >none.txt
refuses 1 "none.jpg" "$XREID" embed --weights run --images none.txt --out x
printf '"a man"\n"a woman\n' >broken.jsonl
refuses 1 "broken.jsonl:2" "$XREID" embed --weights run --texts broken.jsonl --out x
printf '[1, 2]\n' >array.jsonl
refuses 1 "array.jsonl:1: a line holds a JSON string" "$XREID" embed --weights run --texts array.jsonl --out x
: >empty.jsonl
refuses 1 "holds no caption" "$XREID" embed --weights run --texts empty.jsonl --out x
"$XREID" data image "$(cat first.txt)" --resize 48x16 --out one.npy
refuses 1 "this array is u8 with 3 dimensions" "$XREID" embed --weights run --pixels one.npy --out x
refuses 1 "this array is f32 with 2 dimensions" "$XREID" embed --weights run --tokens folder/image_features.npy --out x
refuses 1 "data.vocabulary is not set" "$XREID" embed --weights run data.vocabulary= --texts captions.jsonl --out x
refuses 1 "token ids, the vocabulary" "$XREID" embed --weights run --vocab "$XREID_SOURCE/tests/golden/small_merges.txt" --texts captions.jsonl --out x
refuses 1 "visual.proj is [32, 16] instead of [32, 8]" "$XREID" train "$config" "${small[@]}" model.embed=8 model.weights=openai.safetensors --out x
refuses 1 "set model.activation=quick_gelu" "$XREID" train "$config" "${small[@]}" model.activation=gelu model.weights=openai.safetensors --out x2
refuses 1 "nothing.safetensors" "$XREID" train "$config" "${small[@]}" model.weights=nothing.safetensors --out x3
refuses 1 "No such file" "$XREID" convert nothing.safetensors x
refuses 1 "no safetensors file" "$XREID" convert list.txt x
refuses 1 "states the activation" "$XREID" convert run x --activation gelu
for begun in x x2 x3; do [ ! -e $begun ] || fail "$begun was begun, though it could not work"; done
echo "embed: passed"
