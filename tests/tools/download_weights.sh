#!/usr/bin/env bash
# tools/download-weights keeps only files with OpenAI's checksums. The network is a script here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "FAILED: $*"
  exit 1
}
mkdir "$folder/bin"
# shellcheck disable=SC2016  # the written script expands it
printf '#!/usr/bin/env bash\nfor word; do [ "${last:-}" != --output ] || printf junk >"$word"; last=$word; done\n[ -z "${NO_NETWORK:-}" ]\n' >"$folder/bin/curl"
chmod +x "$folder/bin/curl"
get() { PATH="$folder/bin:$PATH" bash "$XREID_SOURCE/tools/download-weights" "$@" >"$folder/said" 2>&1; }

if get "$folder/clip"; then fail "a file of another checksum was kept"; fi
grep -q 'ViT-B-16.pt: the file that came has another checksum' "$folder/said" || fail "$(cat "$folder/said")"
[ -z "$(ls "$folder/clip")" ] || fail "left: $(ls "$folder/clip")"
if NO_NETWORK=1 get "$folder/clip"; then fail "no network, no failure"; fi
grep -q 'ViT-B-16.pt could not be fetched from https://' "$folder/said" || fail "$(cat "$folder/said")"
if get --help; then fail "--help exits with 0"; fi
grep -q 'usage: tools/download-weights' "$folder/said" || fail "$(cat "$folder/said")"
