"""`ecrnn generate`: what it prints, when, and what it refuses."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_tasks import TINY

from ecrnn.cli.generate import generate
from ecrnn.serving.load import load


@pytest.fixture(scope="module")
def bundle(call: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate")
    tiny = TINY["next-token"]
    done = call("train", tiny.write(folder), "--model", tiny.model, *tiny.options, "-o", folder / "bundle")
    assert done.status == 0, done.err
    return folder / "bundle"


def text(call: Any, bundle: Path, *words: object) -> str:
    done = call("generate", bundle, "--prompt", "red ", "--length", 30, *words)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("red ")
    assert done.out.endswith("\n")
    assert len(done.out) == 4 + 30 + 1
    return str(done.out[4:-1])


def test_a_seed_repeats_the_text(call: Any, bundle: Path) -> None:
    once = text(call, bundle, "--seed", 3)
    assert once == text(call, bundle, "--seed", 3) != text(call, bundle, "--seed", 4)
    assert once == "".join(load(bundle, "cpu").generate("red ", 30, temperature=0.8, seed=3))


def test_temperature_0_is_top_k_1(call: Any, bundle: Path) -> None:
    assert text(call, bundle, "--temperature", 0) == text(call, bundle, "--top-k", 1, "--temperature", 2)


def test_json(call: Any, bundle: Path) -> None:
    done = call("generate", bundle, "--prompt", "red ", "--length", 30, "--seed", 3, "--json")
    assert json.loads(done.out) == {"prompt": "red ", "text": text(call, bundle, "--seed", 3)}


def test_every_character_is_shown_when_it_is_drawn(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Terminal(io.StringIO):
        def flush(self) -> None:
            shown.append(self.getvalue())

    monkeypatch.setattr(sys, "stdout", Terminal())
    generate(bundle, prompt="red ", length=5, seed=0)
    assert [len(so_far) for so_far in shown] == [4, 5, 6, 7, 8, 9, 10]
    assert shown[-1].startswith(shown[0])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--temperature", "-1"), "--temperature: "),
        (("--top-k", "0"), "--top-k: "),
        (("--length", "-5"), "--length: "),
        (("--prompt", ""), "the prompt is empty; give at least one character"),
        (("--seed", "-1"), "--seed: "),
    ],
)
def test_wrong_calls(call: Any, bundle: Path, words: tuple[str, ...], line: str) -> None:
    done = call("generate", bundle, *words)
    assert done.status == 2
    assert done.err.startswith(f"ecrnn: {line}")
    assert (done.out, done.err.count("\n")) == ("", 1)


def test_a_model_of_another_task(call: Any, bundle: Path, tmp_path: Path) -> None:
    tiny = TINY["text-classification"]
    other = tmp_path / "other"
    assert call("train", tiny.write(tmp_path), "--model", tiny.model, *tiny.options, "-o", other).status == 0
    done = call("generate", other)
    assert (done.status, done.out) == (2, "")
    assert "is for text-classification, not a character model; use it as in: ecrnn predict" in done.err
    done = call("predict", bundle, "--text", "red")
    assert (done.status, done.out) == (2, "")
    assert f"predict is not for next-token, which {bundle} is for; use it as in: ecrnn generate" in done.err
