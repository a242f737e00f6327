# xreid rank on the worked examples and on files it must refuse; tests/oracle/rank.py writes the files.
set -u
files=$XREID_SOURCE/tests/golden/rank
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
  echo "FAILED: $1"
  failed=1
}

# f NAME: the path of a golden file
f() { echo "$files/$1.npy"; }

# expect_json WHAT EXPECTED ARGUMENTS...
expect_json() {
  local what=$1 expected=$2 got
  shift 2
  got=$("$XREID" rank "$@" --json - 2>"$work/err") || fail "$what: exit $?: $(cat "$work/err")"
  [ "$got" = "$expected" ] || fail "$what: got $got, expected $expected"
}

# expect_refusal EXIT WORDS ARGUMENTS...: nothing on stdout, the words in a message of one line (wrong usage: two)
expect_refusal() {
  local code=$1 words=$2 got
  shift 2
  "$XREID" rank "$@" >"$work/out" 2>"$work/err"
  got=$?
  [ $got = "$code" ] || fail "rank $*: exit $got, expected $code"
  grep -qF -- "$words" "$work/err" || fail "rank $*: '$words' is not in: $(cat "$work/err")"
  [ "$(wc -l <"$work/err")" = "$code" ] || fail "rank $*: more than one message: $(cat "$work/err")"
  [ ! -s "$work/out" ] || fail "rank $*: wrote to stdout"
}

w1=(--query-ids "$(f w1_query_ids)" --gallery-ids "$(f w1_gallery_ids)")
w2=(--scores "$(f w2_scores)" --query-ids "$(f w2_query_ids)" --gallery-ids "$(f w2_gallery_ids)")
market=(--distances "$(f market_distances)" --query-ids "$(f market_query_ids)" --gallery-ids "$(f market_gallery_ids)")
cameras=(--query-cameras "$(f market_query_cameras)" --gallery-cameras "$(f market_gallery_cameras)")

json1='{"queries":2,"gallery":5,"valid":2,"unmatched":0,"cmc":[0.5,0.5,0.5,1.0,1.0],"mAP":0.47500000000000003,"mINP":0.42499999999999999,"ties_at_positives":0}'
expect_json "W1" "$json1" --scores "$(f w1_scores)" "${w1[@]}"
expect_json "W1 from distances" "$json1" --distances "$(f w1_distances)" "${w1[@]}"
expect_json "W1 from features" "$json1" --query "$(f features_query)" --gallery "$(f features_gallery)" --metric dot "${w1[@]}"
expect_json "W1, one thread" "$json1" --scores "$(f w1_scores)" "${w1[@]}" --threads 1
expect_json "W1, three ranks" "${json1/,1.0,1.0/}" --scores "$(f w1_scores)" "${w1[@]}" --max-rank 3

expect_json "W2" '{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[0.5,1.0,1.0,1.0],"mAP":0.66666666666666663,"mINP":0.58333333333333326,"ties_at_positives":3}' "${w2[@]}"
expect_json "W2 best" '{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[1.0,1.0,1.0,1.0],"mAP":0.875,"mINP":0.75,"ties_at_positives":3}' "${w2[@]}" --ties best
expect_json "W2 worst" '{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[0.0,0.5,1.0,1.0],"mAP":0.49999999999999994,"mINP":0.58333333333333326,"ties_at_positives":3}' "${w2[@]}" --ties worst

w8=(--scores "$(f w8_scores)" --gallery-ids "$(f w8_gallery_ids)")
expect_json "W8" '{"queries":2,"gallery":1,"valid":2,"unmatched":0,"cmc":[1.0],"mAP":1.0,"mINP":1.0,"ties_at_positives":0}' "${w8[@]}" --query-ids "$(f w8_same_ids)"
expect_json "W8 unmatched" '{"queries":2,"gallery":1,"valid":1,"unmatched":1,"cmc":[0.5],"mAP":1.0,"mINP":1.0,"ties_at_positives":0}' "${w8[@]}" --query-ids "$(f w8_query_ids)"
expect_json "W8 unmatched, regdb" '{"queries":2,"gallery":1,"valid":1,"unmatched":1,"cmc":[1.0],"mAP":1.0,"mINP":1.0,"ties_at_positives":0}' "${w8[@]}" --query-ids "$(f w8_query_ids)" --protocol regdb

expect_json "market" '{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[0.0,0.5,0.5,1.0],"mAP":0.375,"mINP":0.375,"ties_at_positives":0}' "${market[@]}" "${cameras[@]}" --protocol market

# example NAME PROTOCOL EXPECTED ARGUMENTS...: distances with cameras; two times, with the least memory, too
example() {
  local name=$1 protocol=$2 expected=$3
  shift 3
  local arguments=(--distances "$(f "${name}_distances")" --protocol "$protocol")
  for what in query-ids query-cameras gallery-ids gallery-cameras; do arguments+=("--$what" "$(f "${name}_${what//-/_}")"); done
  expect_json "$name" "$expected" "${arguments[@]}" "$@"
  expect_json "$name, 1 MiB" "$expected" "${arguments[@]}" --memory 1 --threads 1 "$@"
}

example w3 regdb '{"queries":3,"gallery":4,"valid":2,"unmatched":1,"cmc":[0.5,0.5,1.0,1.0],"mAP":0.625,"mINP":0.58333333333333326,"ties_at_positives":0}'
example w4 sysu-mm01 '{"queries":2,"gallery":6,"valid":2,"unmatched":0,"cmc":[0.5,0.5,1.0],"id_cmc":[0.5,1.0,1.0],"mAP":0.51666666666666661,"mINP":0.3666666666666667,"ties_at_positives":0}' --max-rank 3
example w4 sysu-mm01 '{"queries":2,"gallery":6,"valid":2,"unmatched":0,"cmc":[0.5,0.5,1.0,1.0,1.0,1.0],"id_cmc":[0.5,1.0,1.0],"mAP":0.51666666666666661,"mINP":0.3666666666666667,"ties_at_positives":0}'
example w5 llcm '{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[0.0,0.0,1.0],"id_cmc":[0.0,0.5,1.0],"mAP":0.33333333333333331,"mINP":0.33333333333333331,"ties_at_positives":0}' --max-rank 3
example w6 sysu-mm01 '{"queries":1,"gallery":6,"valid":1,"unmatched":0,"cmc":[0.0,1.0,1.0,1.0,1.0,1.0],"id_cmc":[0.0,1.0,1.0],"mAP":0.41666666666666663,"mINP":0.33333333333333331,"ties_at_positives":0}'
example w7 sysu-mm01 '{"queries":3,"gallery":3,"valid":2,"unmatched":1,"cmc":[0.5,1.0,1.0],"id_cmc":[0.5,1.0,1.0],"mAP":0.75,"mINP":0.75,"ties_at_positives":0}'
example w12 market '{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[0.0,0.5,0.5,1.0],"mAP":0.375,"mINP":0.375,"ties_at_positives":0}'
expect_json "trapezoid W1" "${json1/0.47500000000000003/0.39027777777777778}" --scores "$(f w1_scores)" "${w1[@]}" --ap trapezoid

# Trials: q0's positives rank 1, 4 in the first, 1, 4, 5 in all, 1 in the last, q1's 3, 4 and 2. The mean, then each; a curve that ended
# stays where it was.
trials='{"queries":2,"gallery":4,"valid":2,"unmatched":0,"cmc":[0.5,0.66666666666666663,0.83333333333333337,1.0,1.0],"mAP":0.58888888888888891,"mINP":0.53055555555555556,"ties_at_positives":0,"trials":['
trials+='{"cmc":[0.5,0.5,1.0,1.0],"mAP":0.54166666666666663,"mINP":0.41666666666666663},{"cmc":[0.5,0.5,0.5,1.0,1.0],"mAP":0.47500000000000003,"mINP":0.42499999999999999},'
trials+='{"cmc":[0.5,1.0,1.0],"mAP":0.75,"mINP":0.75}]}'
expect_json "trials" "$trials" --scores "$(f w1_scores)" "${w1[@]}" --trials "$(f w1_trials)"
expect_refusal 2 "--topk and --trials do not go together" "${w2[@]}" --trials x --topk 1 --topk-out y
expect_refusal 1 "w1_trials.npy: is 3 x 5, a row of 4 for each trial" "${w2[@]}" --trials "$(f w1_trials)"
expect_refusal 1 "holds f32, bool or uint8 is expected" "${w2[@]}" --trials "$(f w2_scores)"

# Sets: alone, mixed with features, of every kind.
sets=(--query-sets "$(f sets_query)" --gallery-sets "$(f sets_gallery)")
features=(--query "$(f features_query)" --gallery "$(f features_gallery)")
cosine=$("$XREID" rank "${features[@]}" "${w1[@]}" --json -)
for kind in smooth_chamfer chamfer mil avg optimal aligned; do
  expect_json "sets, $kind" "$cosine" "${sets[@]}" "${w1[@]}" --set-similarity $kind
  expect_json "half $kind" "$cosine" "${sets[@]}" "${features[@]}" "${w1[@]}" --set-similarity $kind --set-weight 0.5
done
expect_json "sets without weight" "$json1" "${sets[@]}" "${features[@]}" "${w1[@]}" --metric dot --set-weight 0
expect_refusal 2 "--query-sets and --gallery-sets go together" "${features[@]}" "${sets[@]:0:2}" "${w1[@]}"
expect_refusal 2 "need sets" "${features[@]}" "${w1[@]}" --set-weight 0.5
expect_refusal 2 "takes a number from 0 to 1" "${features[@]}" "${sets[@]}" "${w1[@]}" --set-weight 1.5
expect_refusal 2 "takes a number above 0" "${features[@]}" "${sets[@]}" "${w1[@]}" --set-sharpness x
expect_refusal 2 "there is no similarity 'hausdorff'" "${sets[@]}" "${w1[@]}" --set-similarity hausdorff
expect_refusal 2 "have the weight 1" "${sets[@]}" "${w1[@]}" --set-weight 0.5
expect_refusal 1 "euclidean gives an order" "${sets[@]}" "${features[@]}" "${w1[@]}" --metric euclidean
expect_refusal 1 "w1_scores.npy: has 2 dimensions, [Q, K, D] is expected" --query-sets "$(f w1_scores)" "${sets[@]:2}" "${w1[@]}"
expect_refusal 2 "there is no average precision 'area'" "${features[@]}" "${w1[@]}" --ap area

# The table, the JSON file beside it, and the best items.
"$XREID" rank --scores "$(f w1_scores)" "${w1[@]}" --json "$work/r.json" --topk 3 --topk-out "$work/top.npy" >"$work/table" 2>&1 || fail "table: exit $?"
[ "$(cat "$work/r.json")" = "$json1" ] || fail "the JSON file differs"
grep -qE '^ +50\.00 +100\.00 +47\.50 +42\.50$' "$work/table" || fail "table: $(cat "$work/table")"
grep -q 'text-to-image' "$work/table" || fail "the table does not name the protocol"
grep -q 'R-k: all queries' "$work/table" || fail "the table does not name the denominators"
top=$(tail -c 48 "$work/top.npy" | od -An -td8 -w24 | tr -s ' ' ',' | tr -d '\n')
[ "$top" = ",0,1,3,1,2,4" ] || fail "best items: $top"

# Files that do not fit.
expect_refusal 1 "query 1, gallery item 2: the score is not a number" --scores "$(f bad_nan_scores)" "${w2[@]:2}"
expect_refusal 1 "bad_wide_features.npy of 3" --query "$(f features_query)" --gallery "$(f bad_wide_features)" "${w1[@]}"
expect_refusal 1 "holds f64, float32 or float16 is expected" --scores "$(f bad_double_scores)" "${w2[@]:2}"
expect_refusal 1 "bad_float_ids.npy: holds f32, int64 is expected" "${w2[@]}" --query-ids "$(f bad_float_ids)"
expect_refusal 1 "is in Fortran order" --scores "$(f bad_fortran_scores)" "${w2[@]:2}"
expect_refusal 1 "w1_gallery_ids.npy: has 5 entries, the gallery side has 4 rows" "${w2[@]}" --gallery-ids "$(f w1_gallery_ids)"
expect_refusal 1 "w1_query_ids.npy: has 1 dimensions" --scores "$(f w1_query_ids)" "${w2[@]:2}"
expect_refusal 1 "none.npy: No such file" --scores "$work/none.npy" "${w2[@]:2}"
expect_refusal 1 "no such/folder" "${w2[@]}" --topk 1 --topk-out "$work/no such/folder.npy"

# Options that do not fit.
expect_refusal 2 "one of the three" "${w1[@]}"
expect_refusal 2 "one of the three" "${w2[@]}" --distances "$(f w1_distances)"
expect_refusal 2 "--query and --gallery go together" --query "$(f features_query)" "${w1[@]}"
expect_refusal 2 "needs --query-ids and --gallery-ids" "${w2[@]:0:4}"
expect_refusal 2 "there is no protocol 'veri': text-to-image, sysu-mm01, regdb, llcm, market" "${w2[@]}" --protocol veri
expect_refusal 2 "sysu-mm01 needs --query-cameras" "${w2[@]}" --protocol sysu-mm01
expect_refusal 2 "market needs --query-cameras" "${w2[@]}" --protocol market
expect_refusal 2 "there is no tie rule 'higher'" "${w2[@]}" --ties higher
expect_refusal 2 "there is no metric 'manhattan'" --query a --gallery b "${w1[@]}" --metric manhattan
expect_refusal 2 "--metric needs features" "${w2[@]}" --metric dot
expect_refusal 2 "--topk and --topk-out go together" "${w2[@]}" --topk 3
expect_refusal 2 "--max-rank takes 1 to" "${w2[@]}" --max-rank 0
expect_refusal 2 "takes no arguments" "${w2[@]}" surplus

# k-reciprocal re-ranking from features: what the dense form's distances give (tests/oracle/rerank.py)
reranked=(--query "$(f rerank_query)" --gallery "$(f rerank_gallery)" --query-ids "$(f rerank_query_ids)" --gallery-ids "$(f rerank_gallery_ids)")
dense=$("$XREID" rank --distances "$(f rerank_distances)" "${reranked[@]:4}" --json -)
expect_json "re-ranking" "${dense%\}},\"rerank\":{\"k1\":6,\"k2\":3,\"lambda\":0.3}}" "${reranked[@]}" --rerank 6,3,0.3
expect_json "re-ranking with one thread" "${dense%\}},\"rerank\":{\"k1\":6,\"k2\":3,\"lambda\":0.3}}" "${reranked[@]}" --rerank 6,3,0.3 --threads 1
[ "$dense" != "$("$XREID" rank "${reranked[@]}" --json -)" ] || fail "re-ranking changes nothing here"
"$XREID" rank "${reranked[@]}" --rerank 6,3,0.3 | grep -q "re-ranked   k-reciprocal neighbours, k1 6, k2 3, lambda 0.3" || fail "nothing says that this is re-ranked"
expect_refusal 2 "--rerank needs features alone" "${w2[@]}" --rerank 20,6,0.3
expect_refusal 2 "--rerank needs features alone" --distances "$(f w1_distances)" "${w1[@]}" --rerank 20,6,0.3
expect_refusal 2 "--rerank needs features alone" "${features[@]}" "${sets[@]}" "${w1[@]}" --rerank 20,6,0.3
expect_refusal 2 "--rerank needs a distance" "${reranked[@]}" --metric dot --rerank 20,6,0.3
expect_refusal 2 "'20,6' is not k1,k2,lambda" "${reranked[@]}" --rerank 20,6
expect_refusal 2 "'20,6,2': k1 and k2 are 1 or more, lambda is 0 to 1" "${reranked[@]}" --rerank 20,6,2

"$XREID" rank --help | grep -q "xreid rank --query text.npy" || fail "--help shows no example"

exit $failed
