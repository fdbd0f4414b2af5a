"""`ecrnn check`: its status, its output, and folders made to harm it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli.hostile import noise

import ecrnn
from ecrnn.core.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            noise(100 * label + i).save(tmp_path / "photos" / name / f"{i:02}.png")
    return tmp_path / "photos"


def test_the_table_and_the_files(photos: Path, call, tmp_path: Path) -> None:
    noise(3).save(photos / "dog" / "copy.png")
    done = call("check", photos, "--out", tmp_path / "out", "--repeats", "2")
    assert done.status == 0
    assert done.out.startswith("A training would begin.\n25 of 25 images can be read.")
    assert re.search(r"label-conflict +warning +1 +the same image lies in two classes", done.out)
    assert "0.7, repeat 1" in done.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("check.html", "check.json", "findings.csv", "groups.csv"),
    ]
    with (tmp_path / "out" / "groups.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["file", "group"], ["cat/03.png", "copies 0"], ["dog/copy.png", "copies 0"]]
    assert json.loads(call("check", photos, "--json", "--repeats", "2").out) == json.loads(
        (tmp_path / "out" / "check.json").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere is no folder; check looks at a folder of images, one sub-folder a class"),
        (["photos", "--near", "8"], "--near wants 0 to 7 bits, or off, not '8'"),
        (["photos", "--near", "few"], "--near wants 0 to 7 bits, or off, not 'few'"),
        (["photos", "--split", "70%"], "split '70%' is not understood"),
        (["photos", "--bad-data", "ignore"], "--bad-data should be refuse or skip, not 'ignore'"),
        (["photos", "--study", "photos"], "photos is not a run directory"),
        (["photos", "--groups", "photos/x.csv"], "x.csv"),
        (["photos", "--split", "own", "--stratify"], "own parts are not drawn"),
    ],
)
def test_wrong_calls(photos: Path, call, monkeypatch, arguments, line) -> None:
    monkeypatch.chdir(photos.parent)
    done = call("check", *arguments)
    assert done.status == 2
    assert line in done.err
    assert done.err.count("\n") == 1


def test_what_it_writes_beside_the_classes_is_no_class(photos: Path, call) -> None:
    assert call("check", photos, "-o", photos / "checked").status == 0
    found = json.loads(call("check", photos, "--json").out)
    assert [row["name"] for row in found["classes"]] == ["cat", "dog"]
    assert found["would_train"] is True


@pytest.mark.slow
def test_it_needs_no_torch(photos: Path) -> None:
    code = "import sys, ecrnn; ecrnn.check(sys.argv[1]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(photos)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_in_python(photos: Path, tmp_path: Path) -> None:
    noise(5).save(photos / "cat" / "copy.png")
    found = ecrnn.check(photos, out=tmp_path / "out", near=None)
    assert found.counts()["duplicate"] == 1
    assert found.would_train
    assert json.loads((tmp_path / "out" / "check.json").read_text())["counts"] == found.counts()
    with pytest.raises(DataError, match="near is 9, but should be 0 to 7 bits, or None"):
        ecrnn.check(photos, near=9)
    with pytest.raises(DataError, match="is no folder; check looks at"):
        ecrnn.check(photos / "cat" / "00.png")
