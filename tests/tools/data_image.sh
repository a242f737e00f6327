#!/usr/bin/env bash
# xreid data image: decodes, resizes, and tells wrong usage (2) from failure (1).
set -euo pipefail
images=$XREID_SOURCE/tests/golden/images
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

# expect CODE PATTERN ARGUMENTS...: exit code, and what stderr must say
expect() {
  local code=0
  "$XREID" data "${@:3}" 2>"$folder/stderr" >"$folder/stdout" || code=$?
  [ "$code" = "$1" ] || fail "xreid data ${*:3}: exit code $code instead of $1: $(cat "$folder/stderr")"
  [ -z "$2" ] || grep -q -- "$2" "$folder/stderr" || fail "xreid data ${*:3}: stderr says nothing of '$2': $(cat "$folder/stderr")"
}

# header FILE PATTERN: the first 128 bytes of an npy file
header() {
  head -c 128 "$1" | tr -d '\0' | grep -aq -- "$2" || fail "$1: no $2 in its header"
}

expect 0 '' image "$images/jpeg_420.jpg" --out "$folder/a.npy"
header "$folder/a.npy" "(18, 33, 3)"
header "$folder/a.npy" "u1"
[ "$(stat -c %s "$folder/a.npy")" = $((128 + 18 * 33 * 3)) ] || fail "size of a.npy"

expect 0 '' image "$images/png_rgb_8.png" --resize 20x7 --filter lanczos --out "$folder/b.npy"
header "$folder/b.npy" "(20, 7, 3)"

# A resize to the same size changes nothing; the order of the passes changes something.
expect 0 '' image "$images/jpeg_420.jpg" --resize 18x33 --out "$folder/same.npy"
cmp "$folder/a.npy" "$folder/same.npy"
expect 0 '' image "$images/jpeg_420.jpg" --resize 5x40 --out "$folder/c.npy"
expect 0 '' image "$images/jpeg_420.jpg" --resize 5x40 --pass-order horizontal --out "$folder/d.npy"
! cmp -s "$folder/c.npy" "$folder/d.npy" || fail "--pass-order does nothing"

expect 1 'cut_420.jpg: cannot decode this JPEG file: the file is cut off' image "$images/cut_420.jpg" --out "$folder/e.npy"
[ ! -e "$folder/e.npy" ] || fail "a failed decode wrote a file"
expect 0 'cut_420.jpg: is cut off' image "$images/cut_420.jpg" --allow-truncated --out "$folder/e.npy"
expect 1 'missing.jpg: No such file' image missing.jpg --out "$folder/f.npy"
expect 1 'No such file' image "$images/png_rgb_8.png" --out "$folder/none/f.npy"

expect 2 'takes one FILE' image --out "$folder/f.npy"
expect 2 '--out is missing' image "$images/png_rgb_8.png"
expect 2 "not '20'" image "$images/png_rgb_8.png" --resize 20 --out "$folder/f.npy"
expect 2 "not '0x5'" image "$images/png_rgb_8.png" --resize 0x5 --out "$folder/f.npy"
expect 2 "not 'cubic'" image "$images/png_rgb_8.png" --resize 2x5 --filter cubic --out "$folder/f.npy"
expect 2 'which is missing' image "$images/png_rgb_8.png" --filter bicubic --out "$folder/f.npy"
expect 2 "no action 'imagine'" imagine
expect 2 usage
[ ! -e "$folder/f.npy" ] || fail "wrong usage wrote a file"
expect 0 '' image --help
grep -q -- '--resize HxW' "$folder/stdout" || fail "--help"
