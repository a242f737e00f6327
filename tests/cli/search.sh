#!/usr/bin/env bash
# xreid embed into an index and xreid search: breaking off and going on, damage, other models, results against a full ranking, pictures and
# pages, input that cannot be used.
# shellcheck source-path=SCRIPTDIR source=../support/synthetic.bash
. "$(dirname "$0")/../support/synthetic.bash"
says() { grep -qF -- "$2" "$1" || { cat "$1"; fail "no '$2' in $1"; }; }
embed() { "$XREID" embed --weights run --images data/imgs "$@" >embed.txt 2>embed.log || { cat embed.log; fail "embed: $*"; }; }
search() { "$XREID" search --weights run "$@" >search.txt 2>search.log || { cat search.log; fail "search: $*"; }; }
paths() { sed -nE 's/^ *[0-9]+ +-?[0-9.]+  (.*)$/\1/p' "${1:-search.txt}"; }
"$XREID" train "$config" "${small[@]}" train.epochs=1 train.max_steps=3 --out run >train.txt 2>train.log || { cat train.log; fail "training"; }
count=$(find data/imgs -name '*.jpg' | wc -l)

# ---- an index: broken off (a shard cannot be written) and gone on with, it is the one that was written at once
embed --index whole --shard-size 16
[ "$(find whole -name 'shard-*.safetensors' | wc -l)" = $(((count + 15) / 16)) ] || fail "the number of shards"
mkdir -p broken/shard-000004.safetensors.partial
refuses 1 "shard-000004.safetensors.partial: cannot write" "$XREID" embed --weights run --images data/imgs --index broken --shard-size 16
rmdir broken/shard-000004.safetensors.partial
search --gallery broken --text "a man" --json partly.json
says search.log "broken holds 64 of $count pictures: it was broken off"
says partly.json '"pictures": 64'
embed --index broken
says embed.log "going on after 64 of $count pictures"
diff -r whole broken || fail "an index that was broken off is another one"
embed --index broken
[ ! -s embed.log ] || { cat embed.log; fail "a complete index has something to say"; }

# ---- search equals a full ranking of the same features
"$XREID" embed --weights run --images data/imgs --out features 2>/dev/null
printf '%s\n' '"a man in a red shirt"' '"a woman with a blue bag and a long green coat"' >sentences.jsonl
"$XREID" embed --weights run --texts sentences.jsonl --out features 2>/dev/null
search --gallery whole --text "a man in a red shirt" --text "a woman with a blue bag and a long green coat" --top 7 --json found.json
paths >found.txt
[ "$(wc -l <found.txt)" = 14 ] || fail "seven pictures for each of two sentences"
# ranked TOP FOLDER [OPTION...]: the best pictures for the sentences that were embedded into FOLDER
ranked() {
  local top=$1 from=$2 row
  shift 2
  # identities do not matter for the order: all are 0 (an npy of zeros is its header and zeros)
  zeros() { { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': ($1,), }"; head -c $((8 * $1)) /dev/zero; } >"$2"; }
  zeros 2 query_ids.npy
  zeros "$count" gallery_ids.npy
  "$XREID" rank --query "$from/text_features.npy" --gallery "$from/image_features.npy" --query-ids query_ids.npy --gallery-ids gallery_ids.npy \
    --topk "$top" --topk-out top.npy "$@" >/dev/null
  tail -c +129 top.npy | od -An -v -w8 -td8 | while read -r row; do sed -n "$((row + 1))p" "$from/images.txt"; done
}
ranked 7 features >ranked.txt
cmp ranked.txt found.txt || { diff ranked.txt found.txt; fail "search and rank differ"; }
"$XREID" search --query features/text_features.npy --gallery whole --top 7 2>/dev/null | sed -nE 's/^ *[0-9]+ +-?[0-9.]+  (.*)$/\1/p' | cmp - found.txt || fail "--query differs"
for threads in 1 3; do
  search --gallery whole --text "a man in a red shirt" --top 7 --threads $threads
  paths | cmp - <(head -n 7 found.txt) || fail "$threads threads differ"
done
search --gallery whole --text "a man" --top 1000
[ "$(paths | wc -l)" = "$count" ] || fail "more places than pictures"

# features made elsewhere: the same index, but for whose they are
"$XREID" embed --features features/image_features.npy --images data/imgs --index foreign --shard-size 16
"$XREID" search --query features/text_features.npy --gallery foreign --top 7 2>/dev/null | sed -nE 's/^ *[0-9]+ +-?[0-9.]+  (.*)$/\1/p' | cmp - found.txt || fail "foreign features differ"
for shard in whole/shard-*; do cmp "$shard" "foreign/${shard#whole/}" || fail "$shard differs"; done
refuses 1 'its method: "not known", here: "irra"' "$XREID" search --weights run --gallery foreign --text "a man"
"$XREID" embed --features features/image_features.npy --index nameless
"$XREID" search --query features/text_features.npy --gallery nameless --top 2 --sheet nameless.png --json nameless.json >nameless.txt 2>nameless.log
says nameless.txt "query 0"
grep -qE '^ +1 +-?[0-9.]+  row [0-9]+$' nameless.txt || { cat nameless.txt; fail "rows without a picture"; }

# ---- a folder, with and without keeping its index; bf16; a picture as the query finds itself first
search --gallery data/imgs --text "a man in a red shirt" --top 7
paths | cmp - <(head -n 7 found.txt) || fail "a folder differs from its index"
search --gallery data/imgs --text "a man in a red shirt" --top 7 --index kept
paths | cmp - <(head -n 7 found.txt) || fail "a folder that is kept differs"
search --gallery kept --text "a man in a red shirt" --top 7
paths | cmp - <(head -n 7 found.txt) || fail "what was kept differs"
embed --index narrow --storage bf16
[ "$(stat -c %s narrow/shard-000000.safetensors)" -lt "$(stat -c %s kept/shard-000000.safetensors)" ] || fail "bf16 is not smaller"
picture=$(sed -n 5p features/images.txt)
for gallery in whole narrow data/imgs; do
  search --gallery $gallery --image "$picture" --top 3
  [ "$(paths | head -n 1)" = "$picture" ] || { cat search.txt; fail "a picture does not find itself in $gallery"; }
done
ls -d "${TMPDIR:-/tmp}"/xreid-?????? >left.txt 2>/dev/null && { cat left.txt; fail "a folder of a search was left"; }

# a method with sets: they are in the index and in the scores
"$XREID" train "$config" "${small[@]}" method=esa esa.heads=2 esa.head_width=8 esa.set_size=3 train.epochs=1 train.max_steps=3 --out esa >train.txt 2>train.log || { cat train.log; fail "training esa"; }
"$XREID" embed --weights esa --images data/imgs --texts sentences.jsonl --out sets 2>/dev/null
"$XREID" embed --weights esa --images data/imgs --index esa.index --shard-size 32
grep -q '"set_size": 3' esa.index/index.json || fail "the sets are not in the index"
for weight in 0.5 0; do
  "$XREID" search --weights esa esa.score_weight=$weight --gallery esa.index --text "a man in a red shirt" --text "a woman with a blue bag and a long green coat" --top 7 2>/dev/null >search.txt
  ranked 7 sets --query-sets sets/text_sets.npy --gallery-sets sets/image_sets.npy --set-weight $weight >ranked.txt
  paths | cmp - ranked.txt || fail "search and rank with sets of weight $weight differ"
  paths >"weight$weight.txt"
done
! cmp -s weight0.5.txt weight0.txt || fail "sets change nothing"
"$XREID" search --weights esa --gallery data/imgs --image "$picture" --top 1 2>/dev/null >search.txt
[ "$(paths)" = "$picture" ] || fail "a picture does not find itself by sets"

# identities and cameras of a list
"$XREID" data list cuhk-pedes data --split test >list.jsonl
"$XREID" embed --weights run --images list.jsonl --index listed 2>/dev/null
search --gallery listed --text "a man" --top 1 --json listed.json
grep -qE '"id": [0-9]+' listed.json || { cat listed.json; fail "the identity is lost"; }

# ---- sheet, page, JSON
search --gallery whole --text "a <b> & \"c\"" --text "a man in a red shirt" --top 4 --sheet sheet.png --html page.html --json page.json
"$XREID" data image sheet.png --out sheet.npy || fail "the sheet is no picture"
[ "$(tail -c +129 sheet.npy | od -An -v -tu1 -w3 | sort -u | wc -l)" -gt 1000 ] || fail "the sheet is empty"
[ "$(grep -o 'src="data:image/jpeg;base64,' page.html | wc -l)" = 8 ] || fail "the page does not show eight pictures"
says page.html "a &lt;b&gt; &amp; &quot;c&quot;"
says page.html "$count pictures searched"
says page.html "$(basename "$(paths | head -n 1)")</div>"
says page.json '"text": "a <b> & \"c\""'
grep -q '"weights": "crc32 [0-9a-f]\{8\}"' page.json || fail "the model is not named"
if command -v python3 >/dev/null; then
  python3 - <<'PYTHON' || fail "page.html or page.json is not well-formed"
import json, xml.etree.ElementTree as tree
page = open("page.html").read().removeprefix("<!DOCTYPE html>")
tree.fromstring(page)
found = json.load(open("page.json"))
assert [len(q["results"]) for q in found["queries"]] == [4, 4]
for query in found["queries"]:
    assert all(a["score"] >= b["score"] for a, b in zip(query["results"], query["results"][1:]))
PYTHON
fi
"$XREID" search --weights run --gallery whole --image "$picture" --json - >json.txt 2>/dev/null
[ "$(head -c 1 json.txt)$(grep -c "rank  " json.txt)" = "{0" ] || fail "--json - prints more than JSON"
(cd / && "$XREID" search --weights "$scratch/run" --gallery "$scratch/whole" --image "$scratch/$picture" --sheet "$scratch/away.png" >/dev/null 2>"$scratch/away.log")
! grep -q "^warning" away.log || { cat away.log; fail "pictures are not found from another folder"; }

# ---- pictures that cannot be read: one warning each, a count, and the others are there
cp -r data/imgs some
bad=$(find some -name '*.jpg' | LC_ALL=C sort | sed -n '3p;20p')
for file in $bad; do printf 'no picture' >"$file"; done
search --gallery some --text "a man" --top 1000 --html some.html
[ "$(grep -c 'warning: left out: ' search.log)" = 2 ] || { cat search.log; fail "not one warning for each picture"; }
says search.log "2 of $count pictures could not be read and were left out"
[ "$(paths | wc -l)" = $((count - 2)) ] || fail "pictures are missing"
for file in $bad; do ! paths | grep -qxF "$file" || fail "$file was found"; done
says some.html "2 could not be read"
mkdir none && printf 'no picture' >none/a.jpg
refuses 1 "none of the 1 pictures can be read" "$XREID" search --weights run --gallery none --text "a man"
refuses 1 "none/a.jpg" "$XREID" search --weights run --gallery whole --image none/a.jpg

# ---- damage, other models, other lists
"$XREID" train "$config" "${small[@]}" train.epochs=1 train.max_steps=4 --out other >train.txt 2>train.log
refuses 1 "whole was made by another model: its weights: \"crc32 " "$XREID" search --weights other --gallery whole --text "a man"
refuses 1 "its pictures: \"48x16, bilinear\", here: \"32x16, bilinear\"" "$XREID" search --weights run image.height=32 --gallery whole --text "a man"
refuses 1 "whole was made by another model" "$XREID" embed --weights other --images data/imgs --index whole
"$XREID" convert run openai.safetensors 2>/dev/null
"$XREID" search --weights openai.safetensors --config run/config.yaml --gallery whole --text "a man in a red shirt" --top 7 2>/dev/null >converted.txt || fail "a conversion is another model"
paths converted.txt | cmp - <(head -n 7 found.txt) || fail "a conversion finds other pictures"
echo "$picture" >one.txt
refuses 1 "was begun with other pictures: $count then, 1 now" "$XREID" embed --weights run --images one.txt --index whole
refuses 1 "shards of 16, here they are of 8" "$XREID" embed --weights run --images data/imgs --index whole --shard-size 8
cp -r whole torn && truncate -s -3 torn/shard-000002.safetensors
refuses 1 "torn/shard-000002.safetensors is damaged: " "$XREID" search --weights run --gallery torn --text "a man"
embed --index torn
says embed.log "warning: torn/shard-000002.safetensors: "
says embed.log "this shard and those after it are embedded anew"
diff -r whole torn || fail "a torn index was not made anew"
printf 'x' | dd of=torn/shard-000001.safetensors bs=1 seek=900 conv=notrunc status=none
refuses 1 "torn/shard-000001.safetensors is damaged: its checksum is" "$XREID" search --weights run --gallery torn --text "a man"

# ---- what cannot be used
s=("$XREID" search --weights run)
refuses 2 "--gallery is missing" "${s[@]}" --text "a man"
refuses 2 "needs --text or --image" "${s[@]}" --gallery whole
refuses 2 "one of them, not several" "${s[@]}" --gallery whole --text "a man" --image "$picture"
refuses 2 "--weights is missing" "$XREID" search --gallery whole --text "a man"
refuses 2 "do not go with it" "${s[@]}" --gallery whole --query features/text_features.npy
refuses 2 "is no override" "${s[@]}" --gallery whole --text "a man" more
refuses 2 "--top takes 1 to" "${s[@]}" --gallery whole --text "a man" --top 0
refuses 1 "nowhere: there is no such folder, list or index" "${s[@]}" --gallery nowhere --text "a man"
mkdir empty
refuses 1 "empty: names no picture" "${s[@]}" --gallery empty --text "a man"
refuses 1 "there is no index; --query needs one" "$XREID" search --query features/text_features.npy --gallery data/imgs
refuses 1 "nothing.npy" "$XREID" search --query nothing.npy --gallery whole
refuses 1 "features are float32 or float16 [N, D]" "$XREID" search --query query_ids.npy --gallery whole
refuses 1 "nothing.jpg" "${s[@]}" --gallery whole --image nothing.jpg
refuses 1 "nothing.safetensors" "$XREID" search --weights nothing.safetensors --gallery whole --text "a man"
refuses 1 "data.vocabulary is not set" "${s[@]}" data.vocabulary= --gallery whole --text "a man"
refuses 1 "cannot write" "${s[@]}" --gallery whole --text "a man" --sheet nowhere/sheet.png
printf '{"version": 1}' >empty/index.json
refuses 1 "empty/index.json: is no \"xreid feature index\"" "${s[@]}" --gallery empty --text "a man"
e=("$XREID" embed --weights run)
refuses 2 "two places for features" "${e[@]}" --images data/imgs --index x --out x
refuses 2 "an index takes --images or --features, as they are" "${e[@]}" --images data/imgs --index x --normalize
refuses 2 "nothing to embed: an index takes" "${e[@]}" --index x
refuses 2 "--storage is f32 or bf16, not 'f16'" "${e[@]}" --images data/imgs --index x --storage f16
refuses 2 "are for an --index" "${e[@]}" --images data/imgs --out x --storage bf16
refuses 2 "--index is missing" "${e[@]}" --features features/image_features.npy --out x
refuses 1 "has $count rows, one.txt names 1 pictures" "$XREID" embed --features features/image_features.npy --images one.txt --index x
printf '{"id": 3}\n' >pathless.jsonl
refuses 1 'pathless.jsonl:1: the object has no "path"' "${e[@]}" --images pathless.jsonl --index x
echo "search: passed"
