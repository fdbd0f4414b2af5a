"""The files and the page of a check, from findings that are made up."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.data.check.findings import Check, ClassRow, Finding, SplitRow
from ecrnn.data.groups import read_groups
from ecrnn.report.render import check_files
from ecrnn.report.render.check_files import check_json, check_page, findings_csv, groups_csv


def check(count: int, kinds: tuple[str, ...] = ("leak", "near-duplicate", "suspect-label", "palette")) -> Check:
    findings = tuple(
        Finding(f"a/{i}.png", kind, "=1+1", "" if kind == "suspect-label" else "b/0.png")
        for kind in kinds
        for i in range(count)
    )
    rows = (ClassRow("a", 3, 1, (1, 2, 3), (5, 5, 5)),), (SplitRow("0.7, repeat 0", 7, 3, 1, 2),)
    groups = {'a/"x",\n.png': 0, "a/1.png": 0, "b/2.png": 1, "b/3.png": 1}
    return Check("photos", (), 4, 3, *rows, findings, groups, 6)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for i in range(300):
        pixels = np.full((4, 8, 3), i % 256, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "a" / f"{i}.png")
    Image.fromarray(pixels).save(tmp_path / "b" / "0.png")
    return tmp_path


def test_no_more_thumbnails_than_said(images, monkeypatch):
    page = check_page(check(300), images)
    assert page.count("<img ") == 24 * (2 + 2 + 1)
    assert "24 of 300 are shown." in page
    monkeypatch.setattr(check_files, "_A_KIND", 1000)
    assert 195 <= check_page(check(300), images).count("<img ") <= 200
    (images / "b" / "0.png").unlink()  # gone since it was looked at
    assert check_page(check(2, ("leak",)), images).count("<img ") == 2


def test_json_leaves_notes_to_the_table_of_all_findings():
    found = json.loads(check_json(check(3)))
    assert found["counts"] == {"leak": 3, "near-duplicate": 3, "suspect-label": 3, "palette": 3}
    assert len(found["findings"]) == 9
    assert (found["format"], found["kind"], found["would_train"], found["groups"]) == (1, "ecrnn check", True, 2)
    assert found["splits"] == [{"name": "0.7, repeat 0", "train": 7, "held_out": 3, "exact": 1, "near": 2}]
    rows = list(csv.reader(io.StringIO(findings_csv(check(3)))))
    assert rows[0] == ["file", "kind", "severity", "detail", "other"]
    assert rows[1] == ["a/0.png", "leak", "warning", "'=1+1", "b/0.png"]
    assert len(rows) == 13


def test_groups_are_read_back_exactly(tmp_path):
    (tmp_path / "groups.csv").write_bytes(groups_csv(check(1)).encode())
    found = read_groups(tmp_path / "groups.csv")
    assert list(found) == list(check(1).groups)
    assert list(found.values()) == ["copies 0", "copies 0", "copies 1", "copies 1"]


def test_names_of_groups_are_no_formulas_and_whole(tmp_path):
    """csv writes a lone carriage return without quotes, and no reader takes it."""
    names = ["=c(1)/a.png", " +x/1.png", "@a/1.png", "-b/1.png", "c/a\rb.png", "\td/1.png", "'e/1.png", "f/=1.png"]
    text = groups_csv(replace(check(1), groups=dict.fromkeys(names, 3)))
    cells = [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert cells == [
        "./=c(1)/a.png",
        "./ +x/1.png",
        "./@a/1.png",
        "./-b/1.png",
        "c/a\rb.png",
        "./\td/1.png",
        *names[6:],
    ]
    (tmp_path / "groups.csv").write_bytes(text.encode())
    assert read_groups(tmp_path / "groups.csv") == dict.fromkeys(names, "copies 3")


def test_a_folder_that_nothing_could_be_read_of():
    page = check_page(Check("photos", ("photos holds <b>no</b> sub-folders", "two")), Path("photos"))
    assert "A training would not begin: photos holds &lt;b&gt;no&lt;/b&gt; sub-folders (and 1 more reason)." in page
    assert re.search(r"<p>Nothing.</p>", page)
