"""`ecrnn evaluate --write-rejection`: a bundle without a rejection table gets one, from images that it has not seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from cli.conftest import CLASSES, Call
from PIL import Image

from ecrnn.serving.bundle import read_metrics
from ecrnn.serving.load import load


def test_a_bundle_gets_a_table_and_abstains(call: Call, bundle: Path, images: Path, tmp_path: Path) -> None:
    mine, new = tmp_path / "mine", tmp_path / "new"
    shutil.copytree(bundle, mine)
    draw = np.random.default_rng(7)
    for name in CLASSES:
        (new / name).mkdir(parents=True)
        for number in range(7):
            Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(new / name / f"{number}.png")
    done = call("evaluate", mine, images, "--part", "all", "--write-rejection")
    assert (done.status, "too high to tell below which it should abstain" in done.err) == (1, True)
    assert read_metrics(mine)["rejection"][0]["n"] == 14  # still those of the training
    done = call("evaluate", mine, new, "--write-rejection", "--json")
    assert done.status == 0, done.err
    assert f"{mine}: kept for --reject, from 21 images of {new}: shares of 5 to 50 %" in done.err.replace("\n", " ")
    rows = read_metrics(mine)["kept_rejection"]["rows"]
    model = load(mine)
    sure = np.sort(model.predict_proba(sorted(new.rglob("*.png"))).max(1))
    wanted = {0.05: 1, 0.075: 1, 0.1: 2, 0.15: 3, 0.2: 4, 0.3: 6, 0.4: 8, 0.5: 11}  # floor of the share times 22
    assert [row["share"] for row in rows] == list(wanted)
    for row in rows:
        assert abs(row["threshold"] - sure[wanted[row["share"]] - 1]) < 1e-6
    done = call("predict", mine, new, "--reject", "0.3", "--format", "csv")
    assert f"like the 21 of {new} that it was judged on" in done.err
    assert done.out.count(",1,") >= 5
