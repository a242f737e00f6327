#!/usr/bin/env bash
# Shellcheck finds nothing in the scripts a user runs.
set -euo pipefail
command -v shellcheck >/dev/null || { echo "no shellcheck" && exit 77; }
cd "$XREID_SOURCE"
mapfile -t scripts < <(grep -lE '^#!.*\b(ba)?sh$' tools/* .ci/run)
[ ${#scripts[@]} -ge 5 ] || { echo "too few scripts: ${scripts[*]}" && exit 1; }
shellcheck -x tools/lib.sh "${scripts[@]}"
