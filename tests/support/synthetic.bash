# Sourced by script tests that train: a small synthetic data set, made once a build, and a small model.
# $XREID is the command, $XREID_SOURCE the repository. Leaves the caller in an empty scratch folder.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"$XREID" synth data --ids 30 --seed 3 2>synth.log || { cat synth.log; exit 1; }
config=$XREID_SOURCE/configs/quickstart.yaml
small=(data.root=data data.vocabulary=data/vocab.txt image.height=48 image.width=16 vision.layers=1 text.layers=1 vision.width=32 text.width=32
       vision.heads=2 text.heads=2 model.embed=16 sampler.batch=8 train.log_every=1 eval.untrained=false eval.examples=2 augment.pad=2)

fail() {
  echo "FAILED: $*"
  exit 1
}

# refuses CODE 'what the one line on stderr must contain' command ...
refuses() {
  local code=$1 expected=$2 got=0
  shift 2
  "$@" >out.txt 2>err.txt || got=$?
  [ "$got" = "$code" ] || { cat err.txt; fail "exit code $got, expected $code: $*"; }
  grep -qF -- "$expected" err.txt || { cat err.txt; fail "no '$expected' in the message of: $*"; }
  if [ "$code" = 1 ] && [ "$(grep -cE '^xreid( [a-z]+)?: ' err.txt)" != 1 ]; then cat err.txt; fail "not one error line: $*"; fi
}
