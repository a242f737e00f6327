# xreid tokenize as a user runs it.
set -euo pipefail
vocabulary=$XREID_SOURCE/tests/golden/small_merges.txt
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() { echo "$1" >&2; exit 1; }
tokenize() { "$XREID" tokenize --vocab "$vocabulary" "$@"; }

# 120 merges: start is 632, end 633
[ "$(printf '%s\n' '""' '"1 2"' | tokenize)" = $'[632, 633]\n[632, 272, 273, 633]' ] || fail "plain arrays"
[ "$(echo '"1 2"' | tokenize --pad --context 6)" = '[632, 272, 273, 633, 0, 0]' ] || fail "--pad"
[ "$(echo '"1 2 3"' | tokenize --context 4)" = '[632, 272, 273, 633]' ] || fail "a caption that is too long is cut"
[ "$(echo '"<|mask|>"' | tokenize --variant irra)" = '[632, 631, 633]' ] || fail "--variant irra"
[ "$(echo '"1\u00002"' | tokenize)" = '[632, 272, 273, 633]' ] || fail "a zero character is dropped"
[ "$(echo '"\ud83d\ude00 \ud83d \\ud83d"' | tokenize)" = "$(echo '"😀 � \\ud83d"' | tokenize)" ] || fail "halves of surrogate pairs"

gzip -c "$vocabulary" > "$folder/merges.txt.gz"
[ "$(echo '"a red shirt"' | "$XREID" tokenize --vocab "$folder/merges.txt.gz")" = "$(echo '"a red shirt"' | tokenize)" ] || fail "gzip"

expect() { # exit code, words of the message, arguments after --vocab; captions on standard input
  local code=$1 words=$2 status=0
  shift 2
  "$XREID" tokenize "$@" > "$folder/out" 2> "$folder/message" || status=$?
  [ "$status" = "$code" ] || fail "exit code $status instead of $code: $*"
  grep -q -- "$words" "$folder/message" || fail "message without '$words': $(cat "$folder/message")"
}
printf '"1"\n{"a": 1}\n' | expect 1 'line 2: a JSON string is expected' --vocab "$vocabulary"
[ "$(cat "$folder/out")" = '[632, 272, 633]' ] || fail "the lines before a bad one are answered"
printf '"1"\n"2"\n"3\n' | expect 1 'line 3' --vocab "$vocabulary"
printf '\n' | expect 1 'line 1' --vocab "$vocabulary"
expect 1 'not found' --vocab "$folder/none.gz" < /dev/null
expect 2 '--vocab is needed' < /dev/null
expect 2 "not 'bert'" --vocab "$vocabulary" --variant bert < /dev/null
expect 2 'takes 2 to' --vocab "$vocabulary" --context 1 < /dev/null
