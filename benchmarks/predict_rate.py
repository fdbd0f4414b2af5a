"""Rate of `ecrnn predict` beside that of decoding alone: alternating pairs over one folder of small JPEG files.

    python benchmarks/predict_rate.py --files 20000 --pairs 5 -o predict_rate.json

Both run in processes of their own, over the same files, with as many decoding threads as there are cores. "Decoding"
opens every file as the model takes it and does nothing else; "predict" is the command, with `--out FILE.csv`. Times
are of what follows the imports and the loading of the model, which the command does once whatever the number of
files. Where the processor computes the model, predicting takes the time of both, so beside the ratio stands what is
possible at best: decoding and the model alone, on the same cores, one after the other. The files are made by this
script: smoothed noise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

DECODE = """
import resource, sys, time
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import ecrnn
from ecrnn.data.file_lists import files_below, is_image
from ecrnn.data.image_file import quiet_pillow
model = ecrnn.load(sys.argv[1])
folder = Path(sys.argv[2])
begun = time.perf_counter()
files = [folder / name for name in files_below(folder, is_image)[0]]
def some(part):
    for file in part:
        model.open(file)
with quiet_pillow(), ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(some, [files[k:k + 8] for k in range(0, len(files), 8)]))
decoding = time.perf_counter() - begun
import numpy as np
channels, height, width = model.image
images = list(np.random.default_rng(0).integers(0, 256, (64, height, width, channels)).astype(np.uint8))
model.answers(images)
begun = time.perf_counter()
for _ in range(32):
    model.answers(images)
print(64 * 32 / (time.perf_counter() - begun))
print(len(files), decoding, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
PREDICT = """
import resource, sys, time
from ecrnn.cli import main
from ecrnn.serving import load as loading
begun = [0.0]
load = loading.load
def timed(*words, **more):
    model = load(*words, **more)
    begun[0] = time.perf_counter()
    return model
loading.load = timed
status = main._run(["predict", sys.argv[1], sys.argv[2], "--out", sys.argv[3]], True)
assert status == 0, status
print(sum(1 for _ in open(sys.argv[3])) - 1, time.perf_counter() - begun[0],
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make_files(folder: Path, files: int, side: int) -> None:
    """Write so many JPEG files of ``side`` x ``side`` pixels, 200 different ones, in folders of 1,000."""
    import io

    from PIL import Image, ImageFilter

    rng, contents = np.random.default_rng(0), []
    for _ in range(min(200, files)):
        image = Image.fromarray(rng.integers(0, 256, (side, side, 3)).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(1)
        )
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        contents.append(buffer.getvalue())
    for number in range(files):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        (place / f"{number:06d}.jpg").write_bytes(contents[number % len(contents)])


def run(code: str, *words: object) -> tuple[int, float, float, float]:
    """Files, seconds and MiB at the most of a program in a process of its own, and the model's images a second."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    *before, count, seconds, peak = done.stdout.split()
    return int(count), float(seconds), float(peak) / 1024, float(before[-1]) if code is DECODE else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--bundle", default="cifar10")
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    pairs, peaks = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "images")
        folder.mkdir()
        make_files(folder, options.files, options.side)
        for number in range(options.pairs):
            order = ("decode", "predict") if number % 2 == 0 else ("predict", "decode")
            rates = {}
            for what in order:
                code, more = (DECODE, ()) if what == "decode" else (PREDICT, (Path(place, "predictions.csv"),))
                count, seconds, peak, of_the_model = run(code, options.bundle, folder, *more)
                assert count == options.files, (what, count)
                rates[what] = count / seconds
                if what == "predict":
                    peaks.append(peak)
                else:
                    rates["model"] = of_the_model
            pairs.append(rates)
            ratio, possible = rates["predict"] / rates["decode"], 1 / (1 + rates["decode"] / rates["model"])
            print(
                f"decoding {rates['decode']:.0f}/s, the model {rates['model']:.0f}/s, "
                f"predict {rates['predict']:.0f}/s: {ratio:.3f} of decoding, at best {possible:.3f}",
                flush=True,
            )
    ratios = sorted(pair["predict"] / pair["decode"] for pair in pairs)
    found = {
        "files": options.files,
        "side": options.side,
        "bundle": options.bundle,
        "cores": os.cpu_count(),
        "pairs": pairs,
        "median_ratio": statistics.median(ratios),
        "median_possible": statistics.median(1 / (1 + pair["decode"] / pair["model"]) for pair in pairs),
        "peak_mib": max(peaks),
    }
    print(
        f"median {found['median_ratio']:.3f} of decoding (bar: 0.9), at best {found['median_possible']:.3f}; "
        f"at most {found['peak_mib']:.0f} MiB"
    )
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
