#!/usr/bin/env bash
# The Python module on libxreid: the numbers of the command, arrays of the right kinds, errors as exceptions.
# shellcheck source-path=SCRIPTDIR source=../support/synthetic.bash
. "$(dirname "$0")/../support/synthetic.bash"
[ -f "$XREID_BUILD/libxreid.so" ] || { echo "python: skipped, this build has no libxreid (the emulator)"; exit 77; }
if grep -q '^XREID_SANITIZE:[A-Z]*=.' "$XREID_BUILD/CMakeCache.txt"; then echo "python: skipped, the interpreter has no sanitizers"; exit 77; fi
python= # the system's has NumPy when another that stands before it has not
for candidate in python3 /usr/bin/python3; do
  [ -n "$python" ] || ! "$candidate" -c 'import numpy' 2>/dev/null || python=$candidate
done
[ -n "$python" ] || { echo "python: skipped, there is no NumPy: apt-get install python3-numpy"; exit 77; }
"$XREID" train "$config" "${small[@]}" train.epochs=1 train.max_steps=3 --out run >train.txt 2>train.log || { cat train.log; fail "training"; }
"$XREID" train "$config" "${small[@]}" method=esa esa.heads=2 esa.head_width=8 esa.set_size=3 train.epochs=1 train.max_steps=2 --out esa >train.txt 2>train.log || { cat train.log; fail "training esa"; }
printf '%s\n' '"a man in a red shirt"' '"ein Mann mit grüner Hose"' >sentences.jsonl
for weights in run esa; do "$XREID" embed --weights $weights --images data/imgs --texts sentences.jsonl --out "out.$weights" 2>/dev/null; done
"$XREID" embed --weights run --images data/imgs --index command.index --shard-size 32 2>/dev/null
"$XREID" search --weights run --gallery command.index --text "a man in a red shirt" --top 7 --json found.json >/dev/null 2>&1
"$XREID" data image "$(head -n 1 out.run/images.txt)" --resize 48x16 --filter bilinear --out pixels.npy
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$XREID_SOURCE/python XREID_LIBRARY=$XREID_BUILD/libxreid.so "$python" "$XREID_SOURCE/tests/cli/python_module.py" || fail "python_module.py"
echo "python: passed"
