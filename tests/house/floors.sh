#!/usr/bin/env bash
# The include rule between floors holds, and the script that checks it finds what it should.
set -euo pipefail
check=$XREID_SOURCE/tools/check-floors
"$check" "$XREID_SOURCE"

plan=$(mktemp -d)
trap 'rm -rf "$plan"' EXIT

# plant FILE INCLUDE: makes a house with one file and runs the check on it.
plant() {
  rm -rf "${plan:?}"/*
  mkdir -p "$plan/$(dirname "$1")"
  printf '/* a file */\n  #  include %s /* x */\nint x;\n' "$2" >"$plan/$1"
  "$check" "$plan" 2>&1
}

refused() { # FILE INCLUDE MESSAGE
  local output
  if output=$(plant "$1" "$2"); then
    echo "accepted: $1 with $2" && exit 1
  fi
  if [[ $output != "$1:2: $3"* ]]; then
    printf '%s\nshould begin with\n%s\n' "$output" "$1:2: $3" && exit 1
  fi
}

accepted() { # FILE INCLUDE
  local output
  output=$(plant "$1" "$2") || { echo "refused: $output" && exit 1; }
}

refused host/io/a.c '"host/graph/graph.h"' 'host/io may not include "host/graph/graph.h": host/graph stands above it'
refused host/io/a.h '"kernels/common/rows.h"' 'host/io may not include "kernels/common/rows.h": kernels stands above it'
refused kernels/norm/a.cu '"host/io/config.h"' 'kernels may not include "host/io/config.h": it knows nothing of host/io'
refused kernels/norm/a.cuh '"host/graph/graph.h"' 'kernels may not include "host/graph/graph.h": host/graph stands above it'
refused host/data/a.c '"host/dist/dist.h"' 'host/data may not include "host/dist/dist.h": host/dist stands beside it'
refused host/eval/a.c '"host/train/trainer.h"' 'host/eval may not include "host/train/trainer.h": host/train stands above it'
refused models/a.c '<tools/options.h>' 'models may not include "tools/options.h": tools stands above it'
refused host/base/a.c '"status.h"' '"status.h" is not written from the repository root, or its folder is no floor'
refused host/base/a.c '"../io/config.h"' '"../io/config.h" is not written from the repository root, or its folder is no floor'
refused host/attic/a.c '"host/base/status.h"' 'host/attic is no floor of the house'
accepted host/base/a.c '<stdio.h>'
accepted kernels/norm/a.c '"kernels/common/rows.h"'
accepted kernels/norm/a.c '"host/base/status.h"'
accepted host/data/a.c '"kernels/image/resize.h"'
accepted host/eval/a.c '"models/irra.h"'
accepted tools/a.c '"host/train/trainer.h"'

rm -rf "${plan:?}"/*
if "$check" "$plan" 2>/dev/null; then
  echo "accepted: an empty folder" && exit 1
fi
