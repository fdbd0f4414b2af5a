"""studies/trial_messages: a trial that arrives is the one that left, in small messages; anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from studies.small import Study, settings

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.runs import read_settings, trial_folder
from ecrnn.studies import trial_messages as module
from ecrnn.studies.trial_messages import Arriving, files_of, message, parsed, pieces

TRIAL = ("cnn", 0)


def arrive(root: Path, messages: Iterator[bytes] | list[bytes]) -> Arriving:
    arriving = Arriving(root, TRIAL)
    for content in messages:
        arriving.add(*parsed(content))
    return arriving


def sent(left_alone: Path, trial: tuple[str, int] = TRIAL) -> Iterator[bytes]:
    home = trial_folder(left_alone, *trial)
    return pieces(home, files_of(home))


def test_what_arrives_is_what_left(left_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 1000)
    messages = list(sent(left_alone))
    assert len(messages) > 20
    assert max(map(len, messages)) < 1000 + 100
    arriving = arrive(tmp_path, messages)
    arriving.check(read_settings(left_alone))
    home = trial_folder(left_alone, *TRIAL)
    assert files_of(arriving.folder) == files_of(home)
    for name in files_of(home):
        assert (arriving.folder / name).read_bytes() == (home / name).read_bytes()
    with one_line(EcrnnError, "a machine sent what is no message of a trial"):
        parsed(b"\n" * (module._HEAD + 1001))


def test_files_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 10)
    (tmp_path / "a").mkdir()
    for size in (0, 1, 9, 10, 11, 20):
        (tmp_path / "a" / f"f{size}").write_bytes(bytes(range(size)))
    names = [f"f{size}" for size in (0, 1, 9, 10, 11, 20)]
    messages = list(pieces(tmp_path / "a", names))
    assert len(messages) == 1 + 1 + 1 + 1 + 2 + 2
    arriving = arrive(tmp_path / "b", messages)
    assert {name: (arriving.folder / name).read_bytes() for name in names} == {
        name: (tmp_path / "a" / name).read_bytes() for name in names
    }


@pytest.mark.parametrize(
    "name",
    [
        *("weights.safetensors", "checkpoint/weights.safetensors", "search/ecrnn-bilstm-16@rows/0/metrics.jsonl"),
        *("search/lr=1e-3+a/ecnn@cols/7/checkpoint/a.b", "search/a@b=c+d"),
    ],
)
def test_names_that_files_of_a_trial_have(tmp_path: Path, name: str) -> None:
    arriving = Arriving(tmp_path, TRIAL)
    arriving.add({"name": name, "at": 0}, memoryview(b"x"))
    assert (arriving.folder / name).read_bytes() == b"x"


@pytest.mark.parametrize(
    "names", [("checkpoint", "checkpoint/x"), ("checkpoint/x", "checkpoint"), ("search/a", "search/a/b/c")]
)
def test_a_file_is_no_folder(tmp_path: Path, names: tuple[str, str]) -> None:
    """Of the machine that sent it: the disk, whose errors end the study, has refused nothing."""
    arriving = Arriving(tmp_path, TRIAL)
    arriving.add({"name": names[0], "at": 0}, memoryview(b"x"))
    with pytest.raises(EcrnnError, match=f"a machine sent {names[1]} as a file and as a folder") as refused:
        arriving.add({"name": names[1], "at": 0}, memoryview(b"x"))
    assert not isinstance(refused.value, RunDirectoryError)


@pytest.mark.parametrize(
    "name",
    [
        *("../a", "/a", "a/b", "checkpoint/../../a", "search/../../../a", "checkpoint//a", ".lock", "checkpoint/.a"),
        *(
            "",
            "a\n",
            "a\0",
            "\u00e9",
            "a" * 300,
            "search/a/b/c/d/e/f",
            "checkpoint/a/b",
            "@a",
            "search/=/a",
            None,
            3,
            ["a"],
        ),
    ],
)
def test_names_that_no_file_of_a_trial_has(tmp_path: Path, name: Any) -> None:
    arriving = Arriving(tmp_path / "root", TRIAL)
    with one_line(EcrnnError, "which is none of a trial"):
        arriving.add({"name": name, "at": 0}, memoryview(b"x"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("places", "line"),
    [
        ([3], "the pieces of a in another order"),
        ([0, 0], "the pieces of a in another order"),
        ([0, 2, 2], "the pieces of a in another order"),
        ([0, -1], "the pieces of a in another order"),
        ([0, None], "the pieces of a in another order"),
        ([0, 2, 4, 6], "more than a trial has: 8 bytes of a"),
    ],
)
def test_pieces_that_do_not_follow_and_files_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: list[Any], line: str
) -> None:
    monkeypatch.setattr(module, "most_bytes", lambda name: 7)
    arriving = Arriving(tmp_path, TRIAL)
    with one_line(EcrnnError, line):
        for at in places:
            arriving.add({"name": "a", "at": at}, memoryview(b"xx"))


def test_bounds_of_a_whole_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound, value in (("_MOST_BYTES", 5), ("_MOST_FILES", 2)):
        arriving = Arriving(tmp_path / bound, TRIAL)
        with monkeypatch.context() as patch:
            patch.setattr(module, bound, value)
            arriving.add({"name": "a", "at": 0}, memoryview(b"xx"))
            arriving.add({"name": "b", "at": 0}, memoryview(b"xx"))
            with one_line(EcrnnError, "more than a trial has: 2 bytes of c"):
                arriving.add({"name": "c", "at": 0}, memoryview(b"xx"))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]\n", b"{\n", "text", None, b'{"at": 1e999}\n', b"\xff\n"])
def test_what_is_no_message(content: Any) -> None:
    with one_line(EcrnnError, ""):
        parsed(content)


def altered(name: str, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], list[bytes]]:
    def change_one(messages: list[bytes]) -> list[bytes]:
        found = []
        for content in messages:
            head, payload = parsed(content)
            found.append(message("piece", change(bytes(payload)), **head_of(head)) if head["name"] == name else content)
        return found

    return change_one


def head_of(head: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in head.items() if key != "kind"}


def without(name: str) -> Callable[[list[bytes]], list[bytes]]:
    return lambda messages: [content for content in messages if parsed(content)[0]["name"] != name]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (altered("predictions.npz", lambda b: b[:-1] + bytes([b[-1] ^ 1])), "predictions.npz is damaged"),
        (altered("manifest.json", lambda b: b.replace(b'"seed": ', b'"seed": 1')), "does not match its own digest"),
        (without("manifest.json"), "without its manifest.json"),
        (without("checkpoint/weights.safetensors"), "cannot read"),
        (lambda messages: [*messages, message("piece", b"x", name="extra.txt", at=0)], "other files: extra.txt"),
        (lambda messages: [], "without its manifest.json"),
    ],
)
def test_a_trial_that_is_not_whole(left_alone: Path, tmp_path: Path, change: Any, line: str) -> None:
    with one_line(EcrnnError, line):
        arrive(tmp_path, change(list(sent(left_alone)))).check(read_settings(left_alone))


def test_a_trial_that_is_another(left_alone: Path, study: Study, tmp_path: Path) -> None:
    of = read_settings(left_alone)
    with one_line(EcrnnError, ""):
        arrive(tmp_path / "repeat", sent(left_alone, ("cnn", 1))).check(of)
    with one_line(EcrnnError, ""):
        arrive(tmp_path / "model", sent(left_alone, ("ecnn", 0))).check(of)
    other = of.model_copy(update={"training": settings("any", training={"epochs": 3}).training})
    with one_line(EcrnnError, "config.yaml is of another study"):
        arrive(tmp_path / "study", sent(left_alone)).check(other)
    with one_line(EcrnnError, "trained with another baseline"):
        arrive(tmp_path / "plan", sent(left_alone)).check(of.model_copy(update={"baseline": "cnn"}))


def test_heads_are_json_of_one_line() -> None:
    head, payload = parsed(message("end", b"\n{}", how="lost", line="a\nb"))
    assert (head, bytes(payload)) == ({"kind": "end", "how": "lost", "line": "a\nb"}, b"\n{}")
    assert json.loads(message("x", a="\u00e9").decode("ascii")) == {"kind": "x", "a": "\u00e9"}
