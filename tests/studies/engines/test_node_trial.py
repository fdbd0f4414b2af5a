"""studies/engines/node_trial: a trial in a folder of the node, how it may end, and that nothing is left of it."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from studies.small import Study

from ecrnn.core import filesystems
from ecrnn.core.events import Epoch, from_json
from ecrnn.core.runs import STUDY, locked, read_settings, trial_folder
from ecrnn.studies.engines import node_trial as module
from ecrnn.studies.engines.node_trial import train_and_send
from ecrnn.studies.study import run_study
from ecrnn.studies.trial_messages import FINISHED, LOST, UNFIT, Arriving, message, parsed


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The node's folder for temporary files."""
    place = tmp_path / "node"
    place.mkdir()
    monkeypatch.setattr(module.tempfile, "tempdir", str(place))
    return place


def test_it_gives_the_bits_of_a_study_trained_in_one_process(
    study: Study, left_alone: Path, tmp_path: Path, temporary: Path
) -> None:
    """The data is found by a path that starts from the driver's folder, where that is there too."""
    data = Path(study.data)
    run_study(study.settings(), tmp_path / "run", engine="none")
    text = (tmp_path / "run" / STUDY).read_bytes().replace(f"data: {data}\n".encode(), b"data: images\n")
    assert b"data: images\n" in text
    text = text.partition(b"\n")[2]  # without its digest, which a study that was changed by hand need not have
    arriving, events, ends = Arriving(tmp_path / "back", ("cnn", 1)), [], []
    for content in train_and_send(text, ("cnn", 1), [], str(data.parent)):
        head, payload = parsed(content)
        match head["kind"]:
            case "event":
                events.append(from_json(str(payload, "utf-8")))
            case "piece":
                arriving.add(head, payload)
            case "end":
                ends.append((head["how"], head["line"], os.listdir(temporary)))
    assert ends == [(FINISHED, "", [])]
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2]
    arriving.check(read_settings(left_alone).model_copy(update={"data": "images"}))
    for name in ("predictions.npz", "checkpoint/weights.safetensors"):
        found = (arriving.folder / name).read_bytes()
        assert found == (trial_folder(left_alone, "cnn", 1) / name).read_bytes()
    assert os.listdir(temporary) == []


SAYS = (
    'import json, os, signal, sys, time\ndef say(kind, **more): print(json.dumps({"kind": kind, **more}), flush=True)\n'
)


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            (LOST, "the worker was killed by SIGKILL, perhaps for want of memory"),
        ),
        (
            'say("message", text="cnn was interrupted: MemoryError"); sys.exit(1)',
            (LOST, "cnn was interrupted: MemoryE"),
        ),
        ('say("stopped")', (LOST, "the worker ended with status 0")),
        ('say("fatal", error="the data is not here")', (UNFIT, "the data is not here")),
        ('say("failed", model="cnn", repeat=0, error="loss is not finite")', ("failed", "loss is not finite")),
        (
            'say("step", label="", step=1, steps=1, epoch=1, epochs=1); say("finished", model="cnn", repeat=0)',
            (FINISHED, ""),
        ),
    ],
)
def test_how_a_worker_may_end(words: str, end: tuple[str, str]) -> None:
    said = []
    events = module._trained([sys.executable, "-c", SAYS + words], None)
    while True:
        try:
            said.append(next(events))
        except StopIteration as stop:
            how, line = stop.value
            break
    assert (how, line[: len(end[1])]) == end
    assert [parsed(content)[0]["kind"] for content in said] == ["event"] * words.count('say("message"')


def test_one_that_is_given_up_kills_its_worker() -> None:
    events = module._trained(
        [sys.executable, "-c", SAYS + 'say("message", text=str(os.getpid())); time.sleep(600)'], None
    )
    process = int(json.loads(bytes(parsed(next(events))[1]))["text"])
    events.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def no_locks(handle: int, how: int) -> None:
    raise OSError(errno.ENOLCK, "no locks")


def test_remnants_of_killed_processes_are_swept(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("old", "held", "young"):
        (temporary / f"ecrnn-trial-{name}" / "study").mkdir(parents=True)
    (temporary / "another").mkdir()
    (temporary / "ecrnn-trial-link").symlink_to(temporary / "another")
    with locked(temporary / "ecrnn-trial-held", shared=True):
        for name in ("ecrnn-trial-old", "ecrnn-trial-held", "another"):
            os.utime(temporary / name, (time.time() - 4000,) * 2)
        os.utime(temporary / "ecrnn-trial-link", (0, 0), follow_symlinks=False)
        with monkeypatch.context() as patch:  # a file system without locks: any of them may be trained in
            patch.setattr(filesystems.fcntl, "flock", no_locks)
            module._sweep()
        assert len(os.listdir(temporary)) == 5
        os.utime(temporary / "ecrnn-trial-old", (time.time() - 4000,) * 2)
        module._sweep()
    assert sorted(os.listdir(temporary)) == ["another", "ecrnn-trial-held", "ecrnn-trial-link", "ecrnn-trial-young"]
    assert os.listdir(temporary / "another") == []


def test_the_code_of_own_models_comes_along(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def trained(command: list[str], here: str | None) -> Any:
        asked = json.loads(command[-1])
        seen.append((asked["only"], [Path(file).read_text() for file in asked["code"]], here))
        return LOST, "so"
        yield

    monkeypatch.setattr(module, "_trained", trained)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    found = list(train_and_send(b"{}", ("mine", 3), [("a.py", b"one"), ("a.py", b"two")], "/not/there"))
    assert found == [message("end", how=LOST, line="so", node="")]
    assert seen == [(["mine", 3], ["one", "two"], None)]
    context = SimpleNamespace(get_node_id=lambda: "1f")
    ray = SimpleNamespace(is_initialized=lambda: True, get_runtime_context=lambda: context)
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    assert list(train_and_send(b"{}", ("mine", 3), [], "/")) == [message("end", how=LOST, line="so", node="1f")]
    assert os.listdir(temporary) == []
