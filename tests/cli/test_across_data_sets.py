"""`ecrnn compare A B C` and `ecrnn report A B C --across`, killed on the way, too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report.across import make_studies

import ecrnn
from ecrnn.core.errors import EcrnnError

MODELS = "majority,mlp-16,cnn"
OPTIONS = ("--image-size", "8", "--epochs", "1", "--batch-size", "8", "--threads", "1", "--repeats", "2")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three folders of two or three classes, 10 images each."""
    root = tmp_path_factory.mktemp("sets")
    for d in range(3):
        rng = np.random.default_rng(d)
        for c in range(2 + d % 2):
            folder = root / f"photos-{d}" / f"class {c}"
            folder.mkdir(parents=True)
            for i in range(10):
                pixels = np.clip(40 + 70 * c + rng.normal(0, 20, (8, 8, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return [root / f"photos-{d}" for d in range(3)]


@pytest.mark.slow
def test_it_goes_on_after_a_kill(call: Any, sets: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "all"
    command = ("compare", *sets, "--models", MODELS, *OPTIONS, "--moderators", "classes", "--out", out)
    with subprocess.Popen(
        [sys.executable, "-m", "ecrnn", *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and len(list(out.glob("*/*/repeat-*/manifest.json"))) < 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    before = {path: path.read_bytes() for path in out.glob("*/*/repeat-*/manifest.json")}
    done = call(*command)
    assert done.status == 0, done.err
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(out.glob("*/*/repeat-*/manifest.json"))) == 3 * 3 * 2
    found = json.loads((out / "report" / "report.json").read_text())
    assert [one["name"] for one in found["data_sets"]] == ["photos-0", "photos-1", "photos-2"]
    assert found["named_before"] is True
    assert found["headline"] in done.out
    assert f"Report: {out / 'report' / 'report.html'}" in done.out
    # the report of the folder, and of its studies one by one, say the same
    one_by_one = call("report", *(out / place.name for place in sets), "--across", "--out", tmp_path / "r", "--json")
    whole = call("report", out, "--across", "--out", tmp_path / "w", "--json")
    pairs = [json.loads(done.out)["across"]["pairs"] for done in (one_by_one, whole)]
    assert [pair["effects"] for pair in pairs[0]] == [pair["effects"] for pair in pairs[1]]


def test_in_python_it_is_one_call(call: Any, sets: list[Path], tmp_path: Path) -> None:
    report = ecrnn.compare(
        list(sets), ["majority", "mlp-16"], repeats=2, image_size=8, epochs=1, threads=1, out=tmp_path / "all"
    )
    assert [one.name for one in report.analysis.data_sets] == [place.name for place in sets]
    assert report.paths["report.html"] == tmp_path / "all" / "report" / "report.html"
    done = call("report", tmp_path / "all", "--json")  # the folder says by itself what it is
    assert json.loads(done.out)["headline"] == report.analysis.headline
    with pytest.raises(EcrnnError, match=r"^moderators want a list of data sets"):
        ecrnn.compare(sets[0], ["majority"], moderators=["classes"], out=tmp_path / "one")


def test_options_reach_the_report(call: Any, tmp_path: Path) -> None:
    folders = make_studies(tmp_path / "runs", 2, n_validation=60)
    done = call(
        "report", *folders, "--across", "--baseline", "cnn", "--rope", "0.02", "--moderators", "log-n", "--json"
    )
    found = json.loads(done.out)
    assert (found["across"]["baseline"], found["across"]["rope"]) == ("cnn", 0.02)
    assert found["across"]["moderators"] == ["log-n"]
    assert found["named_before"] is False
    assert len(found["across"]["pairs"]) == 2
    assert json.loads((tmp_path / "runs" / "report" / "report.json").read_text()) == found


def test_judge_gives_the_same_of_every_score(call: Any, tmp_path: Path) -> None:
    """report-results.csv, read by `ecrnn judge --across`."""
    folders = make_studies(tmp_path / "runs", 2, n_validation=60)
    found = json.loads(call("report", *folders, "--across", "--json").out)
    results = tmp_path / "runs" / "report" / "report-results.csv"
    done = call("judge", results, "--metric", "score", "--higher-is-better", "--across", "--json", "-o", tmp_path / "j")
    assert done.status == 0, done.err
    judged = json.loads(done.out)
    assert [one["name"] for one in judged["data_sets"]] == [one["name"] for one in found["data_sets"]]
    for mine, theirs in zip(judged["across"]["pairs"], found["across"]["pairs"], strict=True):
        assert mine["effects"]["mean"] == pytest.approx(theirs["effects"]["mean"])
        assert mine["effects"]["p"] == pytest.approx(theirs["effects"]["p"])
        assert mine["wilcoxon"] == theirs["wilcoxon"]
    refused = call("judge", results, "--metric", "score", "--higher-is-better", "--across", "--dataset", "set-1")
    assert (refused.status, refused.out) == (2, "")
    assert "--across is of all data sets, and --dataset names one" in refused.err


def test_judge_across_takes_scores_of_any_name(call: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{model},set {d},{r},{2 + d + effect + 0.1 * rng.standard_normal():.4f}"
        for d in range(4)
        for model, effect in (("a", 0.0), ("b", -0.8))
        for r in range(3)
    ]
    (tmp_path / "losses.csv").write_text("\n".join(["model,dataset,repeat,rmse", *rows]) + "\n")
    sizes = ("--n-train", 70, "--n-test", 30, "--lower-is-better")
    done = call("judge", tmp_path / "losses.csv", *sizes, "--across", "-o", tmp_path / "out")
    assert done.status == 0, done.err
    assert "On average over 4 data sets, b is better than a." in done.out
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["report", "{0}", "{0}", "--across"], 1, "wants two studies or more"),
        (["report", "{0}", "{1}", "--across", "--moderators", "size"], 2, "unknown moderator 'size', known are"),
        (["report", "{0}", "{1}", "--moderators", "classes"], 2, "--moderators is of a report --across data sets"),
        (["report", "{0}", "{1}", "--across", "--archive", "x"], 2, "--archive takes one study"),
        (["report", "{0}", "{1}", "--across", "--difference", "0.01"], 2, "--difference is of one study"),
        (["compare", "digits", "--moderators", "classes"], 2, "--moderators wants several DATA"),
        (["compare", "digits", "{data}", "--val", "{data}"], 2, "--val and --test are of one DATA"),
        (["compare", "digits", "digits", *OPTIONS, "--out", "x"], 1, "are both called digits; rename a folder"),
    ],
)
def test_what_is_refused(
    call: Any, sets: list[Path], tmp_path: Path, monkeypatch: Any, arguments: list[str], status: int, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = (
        [str(folder) for folder in make_studies(tmp_path / "runs", 2, n_validation=30)]
        if arguments[0] == "report"
        else ["", ""]
    )
    done = call(*(one.format(*folders, data=sets[0]) for one in arguments))
    assert (done.status, done.out) == (status, "")
    assert line in done.err
    assert done.err.count("\n") == 1
