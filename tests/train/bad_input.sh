#!/usr/bin/env bash
# Input that cannot be used: one clear line, exit 1 (2 for usage), nothing half-written.
. "$(dirname "$0")/../support/synthetic.bash"
train() { "$XREID" train "$config" "${small[@]}" "$@"; }
no_run() { [ ! -e "$1/checkpoints" ] || fail "$1 was begun"; }

refuses 2 "a configuration is missing" "$XREID" train
refuses 2 "unknown option" "$XREID" train "$config" --wrong
refuses 2 "is no override" "$XREID" train "$config" something
refuses 2 "there is no device 'tpu'" "$XREID" train "$config" --device tpu
refuses 1 "nowhere.yaml" "$XREID" train nowhere.yaml --out r
refuses 1 "did you mean 'train.epochs'" train train.epoch=3 --out r
refuses 1 "train.epochs" train train.epochs=many --out r
no_run r

# the data set
refuses 1 "data/nothing" train data.root=data/nothing --out r
refuses 1 "vocabulary" train data.vocabulary=nothing.txt --out r
refuses 1 "4" train sampler.kind=identity sampler.batch=10 sampler.instances=4 --out r
cp -r data broken
rm -r broken/imgs
refuses 1 "imgs" train data.root=broken --out r
cp -r data/imgs broken/imgs
head -c 300 data/reid_raw.json >broken/reid_raw.json
refuses 1 "line" train data.root=broken --out r
printf '[{"id": 1, "file_path": "a.jpg", "captions": ["one"]}]' >broken/reid_raw.json
refuses 1 "caption_all.json" train data.root=broken --out r
no_run r

# a picture without a byte stops the run with its name; a cut JPEG is used with grey rows and a warning
cp data/reid_raw.json broken/
pictures=(broken/imgs/*/*.jpg)
picture=${pictures[0]}
cp "$picture" whole.jpg
: >"$picture"
refuses 1 "$(basename "$picture")" train data.root=broken train.max_steps=200 train.epochs=1 --out empty
head -c $(($(stat -c %s whole.jpg) * 3 / 4)) whole.jpg >"$picture"
train data.root=broken train.epochs=1 --out cut >cut.txt 2>cut.log || { cat cut.log; fail "a cut JPEG stopped the run"; }
grep -q "$(basename "$picture")" cut.log || fail "no warning about the cut JPEG"

# checkpoints
train train.epochs=1 train.max_steps=4 --out run >run.txt 2>run.log || { cat run.log; fail "training"; }
refuses 1 "holds a run already" train train.epochs=1 --out run
refuses 1 "another configuration" train train.epochs=1 optimizer.lr=1 --out run --resume
checkpoint=$(ls run/checkpoints/step-*.safetensors)
cp "$checkpoint" whole.safetensors
truncate -s -1 "$checkpoint"
refuses 1 "$(basename "$checkpoint")" train train.epochs=1 --out run --resume
refuses 1 "$(basename "$checkpoint")" "$XREID" eval "$config" "${small[@]}" --weights "$checkpoint"
cp whole.safetensors "$checkpoint"
refuses 1 "visual.proj is [32, 16] instead of [32, 8]" "$XREID" eval "$config" "${small[@]}" model.embed=8 --weights "$checkpoint"
refuses 2 "--weights is missing" "$XREID" eval "$config" "${small[@]}"
refuses 1 "nothing.safetensors" "$XREID" eval "$config" "${small[@]}" --weights nothing.safetensors

# a full disk: the old checkpoint stays, no partial file does. A file-size limit stands in for the disk.
before=$(sha256sum <"$checkpoint")
(
  trap '' XFSZ
  ulimit -f 20
  refuses 1 "cannot write" train train.epochs=2 --out run --resume
)
[ "$before" = "$(sha256sum <"$checkpoint")" ] || fail "the old checkpoint was touched"
[ -z "$(find run -name '*.partial')" ] || fail "a partial file is left"
echo "bad_input: passed"
