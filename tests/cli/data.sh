#!/usr/bin/env bash
# xreid data check and list, and xreid synth --layout, as a user runs them: on drawn sets, and on small sets with a fault each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*"
  exit 1
}

# expect CODE 'what stdout or stderr must contain' ARGUMENTS...
expect() {
  local code=0
  "$XREID" "${@:3}" >out.txt 2>err.txt || code=$?
  [ "$code" = "$1" ] || { cat out.txt err.txt; fail "xreid ${*:3}: exit code $code instead of $1"; }
  grep -qF -- "$2" out.txt err.txt || { cat out.txt err.txt; fail "xreid ${*:3}: no '$2'"; }
}

# has FILE TEXT...: the JSON, without white space, contains each text
has() {
  local file=$1 text
  shift
  tr -d ' \n' <"$file" >flat.txt
  for text; do grep -qF -- "$text" flat.txt || { cat "$file"; fail "$file: no $text"; }; done
}

# ---- drawn sets: complete, in every layout, with the same persons
for layout in cuhk-pedes icfg-pedes rstpreid; do
  expect 0 "identities (train, val, test)" synth "$layout" --layout "$layout" --ids 20 --seed 3
  expect 0 "nothing is missing" data check "$layout" "$layout" --json "$layout.json"
  has "$layout.json" '"ok":true' "\"dataset\":\"$layout\""
done
has cuhk-pedes.json '"train":{"identities":17,' '"official":{"identities":11003,"images":34054,"captions":68126}' '"val":{"identities":1,'
has icfg-pedes.json '"train":{"identities":18,' '"test":{"identities":2,' '"official":{"identities":3102,"images":34674,"captions":34674}'
! grep -q '"val"' icfg-pedes.json || fail "icfg-pedes has a val split"
has rstpreid.json '"train":{"identities":17,' '"official":{"identities":3701,"images":18505,"captions":37010}'
[ "$(ls rstpreid/imgs | wc -l)" = "$(find cuhk-pedes/imgs -name '*.jpg' | wc -l)" ] || fail "the layouts hold different numbers of pictures"
expect 2 "there is no layout 'market'" synth x --layout market

# ---- the official order
pedes=cuhk-pedes
"$XREID" data list cuhk-pedes $pedes --split train >train.txt
[ "$(head -1 train.txt | cut -d, -f2-6)" = '"id":1,"label":0,"image_id":0,"camera":null,"modality":"visible"' ] || fail "first: $(head -1 train.txt)"
head -2 train.txt | tail -1 | grep -q '"image_id":0,' || fail "an image's captions follow each other"
grep -o '"image_id":[0-9]*' train.txt | cut -d: -f2 | sort -nc || fail "image_id grows"
grep -o '"caption":"[^"]*"' train.txt | cut -d'"' -f4 >ours.txt
sed 's/{"split":/\n&/g' $pedes/reid_raw.json | grep '^{"split":"train"' | sed 's/"\],"file_path.*//; s/.*"captions":\["//; s/","/\n/' >theirs.txt
cmp ours.txt theirs.txt || fail "the order of the captions is not the file's"
"$XREID" data list cuhk-pedes $pedes --split query >query.txt
"$XREID" data list cuhk-pedes $pedes --split test >test.txt
"$XREID" data list cuhk-pedes $pedes --split gallery >gallery.txt
[ "$(wc -l <query.txt)" = $((2 * $(wc -l <gallery.txt))) ] || fail "two captions an image"
head -1 query.txt | grep -q '"label":null,"image_id":0,"camera":null,"modality":"text","caption":"' || fail "query: $(head -1 query.txt)"
head -1 gallery.txt | grep -q '"modality":"visible","caption":null}$' || fail "gallery: $(head -1 gallery.txt)"
sed 's/"modality":"text"/"modality":"visible"/' query.txt | cmp - test.txt || fail "query and test list different captions"
"$XREID" data list rstpreid rstpreid --split val >val.txt
head -1 val.txt | grep -qE '"id":17,"label":null,"image_id":0,"camera":[1-6],' || fail "cameras of rstpreid"

# a val split from training persons: place 9 of 18, and labels without a gap
expect 1 "data.val_holdout" data list icfg-pedes icfg-pedes --split val
"$XREID" data list icfg-pedes icfg-pedes --split val --val-holdout 0.05 2>/dev/null | grep -o '"id":[0-9]*' | sort -u >held.txt
[ "$(cat held.txt)" = '"id":9' ] || fail "held out: $(cat held.txt)"
"$XREID" data list icfg-pedes icfg-pedes --split train --val-holdout 0.05 2>/dev/null >train.txt
! grep -q '"id":9,' train.txt || fail "a held-out person is in train"
grep -q '"id":10,"label":9,' train.txt || fail "labels have a gap"

# ---- faults
cp -r rstpreid broken
rm broken/synth.json broken/imgs/0003_*.jpg
missing=$(grep -o '"img_path":"0003_' broken/data_captions.json | wc -l)
expect 1 "of which $missing are missing: imgs/0003_" data check rstpreid broken --json broken.json
has broken.json '"ok":false' "\"kind\":\"missing-images\",\"count\":$missing" '"severity":"warning","kind":"counts"'
expect 1 "$missing are missing" data list rstpreid broken --split train
expect 0 '"val":' data check rstpreid rstpreid --json -
rm -r broken/imgs
expect 1 "whole folders are missing: imgs/" data check rstpreid broken
head -c 500 rstpreid/data_captions.json >broken/data_captions.json
expect 1 "download it again" data check rstpreid broken --json -
has out.txt '"annotations":null,"ok":false,"splits":{}' '"kind":"unreadable"'
rm broken/data_captions.json
expect 1 "looked for data_captions.json" data check rstpreid broken
expect 1 "there is no such folder" data check rstpreid nowhere
expect 1 "looked for ICFG-PEDES.json, ICFG_PEDES.json" data check icfg-pedes cuhk-pedes

# a gap in the ids, an empty caption, one of 10,000 words; training cuts that one and takes the empty one
mkdir -p odd/imgs
cp "$(find cuhk-pedes/imgs -name '*.jpg' | head -1)" odd/imgs/a.jpg
words=$(printf 'word %.0s' $(seq 10000))
record() { printf '{"id":%d,"file_path":"a.jpg","split":"%s","captions":["%s"]}' "$@"; }
echo "[$(record 1 train "$words"), $(record 2 train ""), $(record 3 train red), $(record 5 val red), $(record 6 test blue)]" >odd/reid_raw.json
expect 0 "1 captions are empty, the first in record 1" data check cuhk-pedes odd
grep -q "1 captions have more than 75 words and are cut to the context; the longest has 10000: odd/imgs/a.jpg" out.txt || fail "long captions"
echo "[$(record 1 train red), $(record 3 train red), $(record 6 test blue)]" >gap.json
mkdir gap && mv gap.json gap/reid_raw.json && cp -r odd/imgs gap/
expect 1 "id 2 is missing" data check cuhk-pedes gap
expect 1 "id 2 is missing" data list cuhk-pedes gap --split train
"$XREID" train "$XREID_SOURCE/configs/quickstart.yaml" data.root=odd data.vocabulary=cuhk-pedes/vocab.txt image.height=48 image.width=16 \
  vision.layers=1 text.layers=1 sampler.batch=2 eval.untrained=false train.epochs=1 --out run >train.txt 2>train.log || { cat train.log; fail "odd captions stop training"; }

# a configuration that names no data: its classes are those that the release leaves after holding out
"$XREID" plan "$XREID_SOURCE/configs/irra_icfg-pedes.yaml" data.root=none --nodes >plan.txt
grep -q 2947 plan.txt || fail "classes of ICFG-PEDES"

# ---- wrong usage
expect 2 "there is no data set 'cuhk': cuhk-pedes, icfg-pedes, rstpreid" data check cuhk odd
expect 2 "there is no data set 'cuhk': cuhk-pedes, icfg-pedes, rstpreid" data list cuhk odd --split test
expect 2 "takes DATASET and ROOT" data check cuhk-pedes
expect 2 "--split is missing" data list cuhk-pedes odd
expect 2 "not 'training'" data list cuhk-pedes odd --split training
expect 2 "takes 0 to 0.5, not '5%'" data list cuhk-pedes odd --split train --val-holdout 5%
expect 2 "takes 0 to 0.5, not '0.9'" data check icfg-pedes icfg-pedes --val-holdout 0.9
expect 0 "--split" data list --help
expect 0 "xreid data check rstpreid" data check --help
echo "data: passed"
