"""Rate and memory of `ecrnn predict` beside the rate of decoding alone: alternating pairs over one folder of JPEGs.

    python benchmarks/predict_rate.py --files 20000 --pairs 5 -o predict_rate.json
    python benchmarks/predict_rate.py --files 20000 --different 60 --size 2000x1500 --pairs 3 -o photographs.json

Both run in processes of their own, over the same files, with as many decoding threads as there are cores. "Decoding"
opens every file as the model takes it and does nothing else; "predict" is the command, with `--out FILE.csv`. Times
are of what follows the imports and the loading of the model, which the command does once whatever the number of
files. Where the processor computes the model, predicting takes the time of both, so beside the ratio stands what is
possible at best: decoding and the model alone, on the same cores, one after the other. Seconds of the processor stand
beside them, which other work on the machine changes less than the rates. The files are made by this script: smoothed
noise, some different ones, the others are hard links to them.

Memory is what no file backs (RssAnon), read by a thread every 50 ms. It is flat if its largest value in the last half
of the run is no larger than in the second quarter, by more than `GROWTH`.
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
from typing import NamedTuple

import numpy as np

GROWTH = 0.05  # of the memory of the second quarter

DECODE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import ecrnn
from ecrnn.data.file_lists import files_below, is_image
from ecrnn.data.image_file import quiet_pillow
model = ecrnn.load(sys.argv[1])
folder = Path(sys.argv[2])
begun, before = time.perf_counter(), time.process_time()
files = [folder / name for name in files_below(folder, is_image)[0]]
def some(part):
    for file in part:
        model.open(file)
with quiet_pillow(), ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(some, [files[k:k + 8] for k in range(0, len(files), 8)]))
decoding, busy = time.perf_counter() - begun, time.process_time() - before
import numpy as np
channels, height, width = model.image
images = list(np.random.default_rng(0).integers(0, 256, (64, height, width, channels)).astype(np.uint8))
model.answers(images)
begun = time.perf_counter()
for _ in range(32):
    model.answers(images)
print(64 * 32 / (time.perf_counter() - begun))
print(len(files), decoding, busy, 0, 0)
"""
PREDICT = """
import sys, threading, time
from pathlib import Path
from ecrnn.cli import main
from ecrnn.serving import load as loading
begun, samples, ended = [0.0, 0.0], [], threading.Event()
def watch():
    while not ended.wait(0.05):
        lines = Path("/proc/self/status").read_text().splitlines()
        samples.append(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024)
watcher = threading.Thread(target=watch)
load = loading.load
def timed(*words, **more):
    model = load(*words, **more)
    begun[:] = time.perf_counter(), time.process_time()
    watcher.start()
    return model
loading.load = timed
status = main._run(["predict", sys.argv[1], sys.argv[2], "--out", sys.argv[3]], True)
seconds, busy = time.perf_counter() - begun[0], time.process_time() - begun[1]
ended.set()
watcher.join()
assert status == 0, status
quarter = len(samples) // 4
early, late = max(samples[quarter:2 * quarter], default=0), max(samples[2 * quarter:], default=0)
print(sum(1 for _ in open(sys.argv[3])) - 1, seconds, busy, early, late)
"""


class Run(NamedTuple):
    """One run: images a second, processor milliseconds an image, and MiB in the second quarter and the last half."""

    rate: float
    busy: float
    early: float
    late: float
    of_the_model: float


def make_files(folder: Path, files: int, different: int, width: int, height: int) -> None:
    """Write so many JPEG files, ``different`` different ones and hard links to them, in folders of 1,000."""
    from PIL import Image, ImageFilter

    rng = np.random.default_rng(0)
    for number in range(files):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        path = place / f"{number:06d}.jpg"
        if number >= different:
            first = number % different
            os.link(folder / f"{first // 1000:03d}" / f"{first:06d}.jpg", path)
            continue
        noise = Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8))
        noise.filter(ImageFilter.GaussianBlur(1)).save(path, "JPEG", quality=85)


def run(code: str, files: int, *words: object) -> Run:
    """A program in a process of its own, which has answered for all ``files``."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    *before, count, seconds, busy, early, late = done.stdout.split()
    assert int(count) == files, (count, files)
    of_the_model = float(before[-1]) if code is DECODE else 0.0
    return Run(files / float(seconds), 1000 * float(busy) / files, float(early), float(late), of_the_model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--different", type=int, default=500, help="files that are no links")
    parser.add_argument("--size", default="500x375", help="width x height of the files, pixels")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--bundle", default="cifar10")
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    pairs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "images")
        folder.mkdir()
        make_files(folder, options.files, options.different, width, height)
        for number in range(options.pairs):
            runs = {}
            for what in ("decode", "predict")[:: 1 if number % 2 == 0 else -1]:
                code, more = (DECODE, ()) if what == "decode" else (PREDICT, (Path(place, "predictions.csv"),))
                runs[what] = run(code, options.files, options.bundle, folder, *more)
            decode, predict = runs["decode"], runs["predict"]
            pairs.append(
                {
                    "decode": decode.rate,
                    "predict": predict.rate,
                    "model": decode.of_the_model,
                    "ratio": predict.rate / decode.rate,
                    "possible": 1 / (1 + decode.rate / decode.of_the_model),
                    "processor_ms_decode": decode.busy,
                    "processor_ms_predict": predict.busy,
                    "mib_second_quarter": predict.early,
                    "mib_last_half": predict.late,
                }
            )
            print(
                f"decoding {decode.rate:.0f}/s ({decode.busy:.2f} ms of processor), the model "
                f"{decode.of_the_model:.0f}/s, predict {predict.rate:.0f}/s ({predict.busy:.2f} ms): "
                f"{pairs[-1]['ratio']:.3f} of decoding, at best {pairs[-1]['possible']:.3f}; "
                f"{predict.early:.0f} MiB in the second quarter, {predict.late:.0f} in the last half",
                flush=True,
            )
    middle = {name: statistics.median(pair[name] for pair in pairs) for name in pairs[0]}
    flat = all(pair["mib_last_half"] <= (1 + GROWTH) * pair["mib_second_quarter"] for pair in pairs)
    print(
        f"median {middle['ratio']:.3f} of decoding (bar: 0.9), at best {middle['possible']:.3f}; memory is "
        f"{'flat' if flat else 'NOT flat'}, at most {max(pair['mib_last_half'] for pair in pairs):.0f} MiB"
    )
    if options.out:
        shown = {name: getattr(options, name) for name in ("files", "size", "bundle")}
        found = {**shown, "cores": os.cpu_count(), "pairs": pairs, "median": middle, "memory_is_flat": flat}
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
