"""`ecrnn gradflow`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SMALL = ("--steps", "4,9", "--nodes", 3, "--sequences", 2)


def test_it_writes_and_says_where(call: Any, tmp_path: Path) -> None:
    done = call("gradflow", *SMALL, "-o", tmp_path / "made")
    assert (done.status, done.err) == (0, "")
    assert f"Figure: {tmp_path / 'made' / 'gradflow.svg'}" in done.out
    assert done.out.count("radius 0.5") == 6


def test_json(call: Any, tmp_path: Path) -> None:
    done = call("gradflow", *SMALL, "--cells", "lstm", "--init", "torch,3", "--clip", 0.1, "-o", tmp_path, "--json")
    flows = json.loads(done.out)["flows"]
    assert [(f["cell"], f["init"], f["steps"]) for f in flows] == [
        ("lstm", init, steps) for init in ("torch", "3") for steps in (4, 9)
    ]
    assert {f["clip"] for f in flows} == {0.1}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--steps", "4,x"), "ecrnn: --steps wants whole numbers, as in 32,128,512, not 'x'\n"),
        (("--cells", "lsmt"), "ecrnn: unknown cell 'lsmt', did you mean 'lstm'?\n"),
        (("--init", ","), "ecrnn: --init names nothing\n"),
    ],
)
def test_wrong_calls(call: Any, tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    done = call("gradflow", *arguments, "-o", tmp_path / "made")
    assert (done.status, done.out, done.err) == (2, "", line)
    assert not (tmp_path / "made").exists()
