#!/usr/bin/env bash
# All that wants an NVIDIA card, in under eight minutes, as one JSON file: docs/how-to/gpu.md.
#
#     bash benchmarks/gpu_all.sh [--dry] [--wheels DIR] [-o FILE.json]
#
# Each part has a time limit of its own and what is left of the whole; one that fails is recorded, and the next begins.
# --dry tries the script where there is no card: nothing is installed, what can computes on the CPU at small sizes, and
# the rest is recorded as "no card". Status 0: every part was done (with --dry, every part that needs no card).
set -uo pipefail
CALLER=$PWD # where paths of options begin
cd "$(dirname "$0")/.." || exit 2
SELF=benchmarks/gpu_all.sh
PYTHON=${PYTHON:-python3}

# part NAME LIMIT NEEDS FUNCTION...: call a function below for at most LIMIT seconds; NEEDS is "card" or "any".
part() {
    local name=$1 limit=$2 needs=$3 begun=$SECONDS left status
    shift 3
    limit=$((limit * BUSY)) left=$((WHOLE * BUSY - SECONDS))
    if [ "$needs" = card ] && [ -n "$NO_CARD" ]; then
        status="no card"
    elif [ "$left" -lt 5 ]; then
        status="no time"
    else
        timeout -k 3 $((left < limit ? left : limit)) bash "$SELF" --part "$@" > "$LOGS/$name.out" 2> "$LOGS/$name.err" < /dev/null
        case $? in
            0) status="done" ;;
            124 | 137) status="took too long" ;;
            *) status="failed" ;;
        esac
    fi
    printf '%s\t%s\t%s\n' "$name" "$status" $((SECONDS - begun)) >> "$LOGS/parts"
    printf '%-12s %-14s %4d s\n' "$name" "$status" $((SECONDS - begun)) >&2
}

install_here() {
    if [ -n "$WHEELS" ]; then
        "$PYTHON" -m pip install -q --no-index --no-deps "$WHEELS"/*.whl || return
    fi
    "$PYTHON" -m pip install -q --no-build-isolation --no-deps -e . || return
    "$PYTHON" - << 'PY'
from importlib.metadata import requires, version, PackageNotFoundError
import re, sys

missing = []
for line in requires("ecrnn") or ():
    name = re.match(r"[\w.-]+", line)[0]
    if "extra ==" not in line:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
if missing:
    sys.exit(f"not installed here: {' '.join(missing)}; bring their wheels and name the folder with --wheels")
PY
}

machine() {
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv >&2 || echo "no nvidia-smi" >&2
    "$PYTHON" -c 'import json; from ecrnn.core.devices import environment; print(json.dumps(environment(), indent=2))'
}

tests() { # those of `make gpu`, without collecting all others, which want packages that are not here
    local files
    mapfile -t files < <(grep -rl --include='test_*.py' 'pytest.mark.gpu' tests)
    "$PYTHON" -m pytest -q -m gpu -p no:cacheprovider "${files[@]}"
}

study() {
    "$PYTHON" -m ecrnn compare digits --models cnn,ecrnn-bilstm-16 --repeats 2 --device "$DEVICE" "${SMALL[@]}" \
        --out "$LOGS/study" --json > "$LOGS/study.json" || return
    "$PYTHON" - << 'PY'
import json, os
from pathlib import Path

found = json.loads(Path(os.environ["LOGS"], "study.json").read_text())
print(json.dumps({key: found.get(key) for key in ("headline", "certainty", "models")}, indent=2))
PY
}

resume() { # by a training long enough for a signal after its first epoch to come before its end
    local train=("$PYTHON" -m ecrnn train digits --model ecrnn-bilstm-16 --device "$DEVICE" --resume "${SMALL[@]}" --epochs 6)
    "${train[@]}" -o "$LOGS/whole" >&2 || return
    "${train[@]}" -o "$LOGS/cut" >&2 &
    local pid=$! waited stopped
    for waited in $(seq 400); do
        if [ -e "$LOGS/cut/checkpoint/epoch.safetensors" ] || ! kill -0 $pid 2> /dev/null; then break; fi
        sleep 0.1
    done
    echo "stopped after $waited tenths of a second" >&2
    kill -TERM $pid
    wait $pid
    stopped=$?
    "${train[@]}" -o "$LOGS/cut" >&2 || return
    STOPPED=$stopped "$PYTHON" - << 'PY' || return
import json, os
from pathlib import Path
from safetensors.torch import load_file

whole, cut = (Path(os.environ["LOGS"], name, "model.safetensors") for name in ("whole", "cut"))
one, other = load_file(whole), load_file(cut)
far = max(float((one[name] - other[name]).abs().max()) for name in one if one[name].is_floating_point())
same, stopped = whole.read_bytes() == cut.read_bytes(), int(os.environ["STOPPED"])
print(json.dumps({"stopped": stopped, "same_bits": same, "largest_difference": far}))
PY
    [ "$stopped" -eq 143 ] || { echo "ended with status $stopped, not by the signal (143)" >&2; return 1; }
}

recurrence() { "$PYTHON" benchmarks/gpu.py --json "$@"; }

step() {
    local size=()
    if [ "$DEVICE" = cpu ]; then size=(--batch 8 --rounds 2); fi
    "$PYTHON" benchmarks/gpu_step.py --device "$DEVICE" "${size[@]}" "$@"
}

trials() { # how many had better share the card
    local size=()
    if [ "$DEVICE" = cpu ]; then size=(--together 1 2 --trials 2 --epochs 1 --image-size 8 --model mlp-4); fi
    "$PYTHON" benchmarks/gpu_trials.py --device "$DEVICE" "${size[@]}"
}

ranks() { # NCCL where there are two cards, else gloo on the CPU
    local device=cpu
    if [ "$("$PYTHON" -c 'import torch; print(torch.cuda.device_count())')" -ge 2 ]; then device=cuda; fi
    "$PYTHON" -m torch.distributed.run --nproc-per-node 2 -m ecrnn train digits --model ecrnn-gru-4 --image-size 8 \
        --epochs 1 --device $device -o "$LOGS/ranks" --json
}

report() {
    "$PYTHON" - << 'PY'
import json, os, subprocess, time
from pathlib import Path

logs, parts = Path(os.environ["LOGS"]), {}
for line in (logs / "parts").read_text().splitlines():
    name, status, seconds = line.split("\t")
    out, err = (logs / f"{name}.{end}" for end in ("out", "err"))
    part = parts[name] = {"status": status, "seconds": int(seconds)}
    text = out.read_text(errors="replace") if out.exists() else ""
    for found in (text, *text.splitlines()[-1:]):  # one that was cut may have said in its last line what it had
        try:
            part["found"] = json.loads(found)
            break
        except ValueError:
            part["output"] = text[-2000:]
    if "found" in part:
        part.pop("output", None)
    if status not in ("done", "no card") and err.exists():
        part["errors"] = err.read_text(errors="replace")[-4000:]
commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
whole = {"when": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit or None, "parts": parts}
Path(os.environ["OUT"]).write_text(json.dumps(whole, indent=2) + "\n")
PY
}

if [ "${1:-}" = --part ]; then # this script, as `part` calls it
    shift
    if [ "$DEVICE" = cpu ]; then SMALL=(--epochs 2 --image-size 8 --threads 1); else SMALL=(--epochs 4); fi
    "$@"
    exit
fi

OUT=gpu.json WHEELS='' DRY=''
while [ $# -gt 0 ]; do
    case "$1" in
        --dry) DRY=1 ;;
        --wheels) WHEELS=${2:?--wheels wants a folder}; shift ;;
        -o) OUT=${2:?-o wants a file}; shift ;;
        *) echo "gpu_all.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done
WHOLE=465           # seconds of all parts together
BUSY=${BUSY:-1}     # times all limits, where other work keeps the machine busy
LOGS=$(mktemp -d)
case $OUT in /*) ;; *) OUT=$CALLER/$OUT ;; esac
case $WHEELS in '' | /*) ;; *) WHEELS=$CALLER/$WHEELS ;; esac
trap 'rm -rf "$LOGS"' EXIT
NO_CARD='' DEVICE=cuda
if [ -n "$DRY" ] || ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
    NO_CARD=1 DEVICE=cpu
fi
export LOGS OUT PYTHON WHEELS DEVICE PYTHONUNBUFFERED=1
SECONDS=0

if [ -z "$DRY" ]; then part install 120 any install_here; fi
part machine 30 any machine
part tests 100 card tests
part study 90 any study
part resume 60 any resume
part lstm-16 50 card recurrence --rounds 30
part lstm-32 40 card recurrence --hidden 32 --directions 2 --rounds 15
part gru-16 40 card recurrence --cell gru --rounds 15
part step 50 any step
part trials 120 any trials
part ranks 40 any ranks
report || exit 1
echo "wrote $OUT" >&2
if [ -n "$NO_CARD" ] && [ -z "$DRY" ]; then exit 1; fi
! cut -f 2 "$LOGS/parts" | grep -qvE '^(done|no card)$'
