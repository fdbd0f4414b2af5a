"""`ecrnn explain`: a page of good and bad files, arrays, JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from cli.conftest import Call


def test_good_and_bad_files(call: Call, bundle: Path, images: Path, tmp_path: Path) -> None:
    good = sorted(images.rglob("*.png"))[:2]
    (tmp_path / "no.png").write_bytes(b"none")
    arguments = (bundle, *good, tmp_path / "no.png", "-o", tmp_path / "why.html", "--methods", "cam,occlusion")
    done = call("explain", *arguments, "--arrays", tmp_path / "a.npz")
    assert done.status == 1
    assert str(tmp_path / "no.png") in done.err
    assert f"Page: {tmp_path / 'why.html'}" in done.out
    assert (tmp_path / "why.html").read_text().count('<section aria-labelledby="h-') == 3  # and the filters
    with np.load(tmp_path / "a.npz") as arrays:
        assert {"1/cam", "2/occlusion"} <= set(arrays)
    as_json = json.loads(call("explain", *arguments, "--json", "--lang", "ko").out)
    assert '<html lang="ko">' in (tmp_path / "why.html").read_text(encoding="utf-8")
    assert [one["file"] for one in as_json["images"]] == [str(path) for path in good]
    assert as_json["images"][0]["maps"].keys() == {"cam", "occlusion"}


def test_what_is_refused(call: Call, bundle: Path, images: Path, tmp_path: Path) -> None:
    (good, *_) = sorted(images.rglob("*.png"))
    out = ("-o", tmp_path / "why.html")
    for wrong, words in (
        (("--class", "nobody"), "nobody"),
        (("--methods", "gradcam"), "cam"),
        (("--methods", ","), "--methods wants"),
    ):
        done = call("explain", bundle, good, *out, *wrong)
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
        assert words in done.err
    assert call("explain", bundle, tmp_path / "none.png", *out).status == 1
    assert not (tmp_path / "why.html").exists()
