#!/usr/bin/env bash
# tools/pt-to-safetensors.py: what PyTorch programs leave behind becomes files that xreid reads, bit for bit. Skipped where $XREID_PYTHON
# (python3) has no PyTorch.
set -euo pipefail
python=${XREID_PYTHON:-python3}
if ! "$python" -c 'import torch, numpy, safetensors.torch' 2>/dev/null; then
  echo "skipped: $python has no PyTorch with NumPy and safetensors; XREID_PYTHON names another one"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
  echo "FAILED: $*"
  exit 1
}
"$python" -W ignore "$XREID_SOURCE/tests/tools/pt_to_safetensors.py" make "$folder"
cd "$folder"
turn() { "$python" -W ignore "$XREID_SOURCE/tools/pt-to-safetensors.py" "$@" >said 2>&1; }
says() { grep -qF -- "$1" said || { cat said; fail "no '$1'"; }; }

# names, dtypes (f16) and values are kept; numbers that describe the model are not
turn openai.pt openai.safetensors --grid 4x2 || { cat said; fail "openai.pt"; }
says "left out: "
for name in input_resolution context_length vocab_size; do says "$name"; done
turn irra.pth irra.safetensors --grid 4x2 || { cat said; fail "irra.pth"; }
! grep -q "left out" said || { cat said; fail "something of irra.pth was left out"; }
turn wrapped.pt wrapped.safetensors --grid 4x2 || { cat said; fail "wrapped.pt"; }
same() {
  "$python" - "$1" "$2" <<'PYTHON' || fail "$1 differs from $2"
import sys
import torch
from safetensors.torch import load_file
a, b = (load_file(path) for path in sys.argv[1:])
assert a.keys() == b.keys(), a.keys() ^ b.keys()
for name in a:
    assert a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]), name
PYTHON
}
same openai.safetensors openai_expected.safetensors
same irra.safetensors irra_expected.safetensors

# xreid takes all of them for the same towers, and knows grid and activation from the file
for name in openai irra wrapped; do
  "$XREID" convert $name.safetensors $name.back.safetensors 2>convert.log || { cat convert.log; fail "convert $name"; }
  "$XREID" embed --weights $name.safetensors image.height=64 image.width=32 --pixels pixels.npy --tokens tokens.npy --out $name.features \
    >embed.log 2>&1 || { cat embed.log; fail "embed with $name"; }
  "$python" "$XREID_SOURCE/tests/tools/pt_to_safetensors.py" compare . $name.features || fail "$name"
  cmp openai.features/image_features.npy $name.features/image_features.npy || fail "$name: other image features"
  cmp openai.features/text_features.npy $name.features/text_features.npy || fail "$name: other text features"
done
same openai.back.safetensors openai_expected.safetensors
same wrapped.back.safetensors openai_expected.safetensors
turn irra.pth gelu.safetensors --grid 4x2 --activation gelu || { cat said; fail "gelu"; }
"$XREID" embed --weights gelu.safetensors image.height=64 image.width=32 --pixels pixels.npy --out gelu.features >embed.log 2>&1 || { cat embed.log; fail "gelu"; }
! cmp -s openai.features/image_features.npy gelu.features/image_features.npy || fail "the activation did not travel with the file"

# what cannot be turned
refuses() {
  local message=$1
  shift
  if turn "$@"; then fail "accepted: $*"; fi
  says "$message"
  [ ! -e x ] || fail "a file was left behind: $*"
}
refuses "nothing.pt: holds no state dict" nothing.pt x
refuses "broken.pt: " broken.pt x
refuses "If you know who made this file: --trust" unknown.pt x
echo "pt-to-safetensors: passed"
