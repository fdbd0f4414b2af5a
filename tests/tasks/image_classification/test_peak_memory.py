"""A folder that is larger than the memory for images is trained on in bounded memory, however many images there are."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE, FILES = 48, 60
FEW, MANY = 2_000, 14_000
LIMIT = 2**20  # bytes of decoded images
TRAIN = """
import json, sys, threading, time
from pathlib import Path
from ecrnn.data.folder import load_folder
from ecrnn.core.config import TrainSettings
from ecrnn.studies.settings import read_settings
from ecrnn.studies.train import train_bundle

load_folder.__kwdefaults__["memory_limit"] = int(sys.argv[3])
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
peak, ended = [0], threading.Event()
def watch():
    while not ended.wait(0.003):
        peak[0] = max(peak[0], anonymous())
training = {"epochs": 1, "batch_size": 64, "threads": 1, "precision": "float32", "device": "cpu"}
asked = {"data": sys.argv[1], "model": "mlp-2", "image_size": int(sys.argv[4]), "training": training}
settings = read_settings(TrainSettings, asked)
before = anonymous()
watcher = threading.Thread(target=watch)
watcher.start()
train_bundle(settings, Path(sys.argv[2]))
ended.set()
watcher.join()
print(json.dumps({"kib": peak[0] - before}))
"""


def peak_of_training(tmp_path: Path, images: int) -> int:
    """KiB of memory that are no file's, above what importing takes."""
    folder = tmp_path / f"images-{images}"
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(images // 2):
            path = folder / name / f"{number}.jpg"
            if number < FILES:
                buffer = io.BytesIO()
                Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(buffer, "JPEG")
                path.write_bytes(buffer.getvalue())
            else:
                os.link(folder / name / f"{number % FILES}.jpg", path)
    command = [sys.executable, "-c", TRAIN, folder, tmp_path / f"bundle-{images}", LIMIT, SIDE]
    environment = {**os.environ, "ECRNN_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "cache" / "folders").glob("*.npy"))  # they were more than the limit
    return int(json.loads(done.stdout)["kib"])


@pytest.mark.slow  # decodes 16,000 images
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc, where memory is read")
def test_the_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    few, many = peak_of_training(tmp_path, FEW), peak_of_training(tmp_path, MANY)
    pixels = (MANY - FEW) * SIDE * SIDE * 3 / 1024
    assert many - few < 0.3 * pixels, (few, many, pixels)
    assert many < 150 * 1024
