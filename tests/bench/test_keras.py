"""bench/keras and keras_worker: the talk over the pipes with a stand-in; Keras itself where it is installed.

ECRNN_TEST_KERAS names a Python that has keras and tensorflow, where this one has not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ecrnn.bench import keras as bench_keras
from ecrnn.bench.keras import Keras
from ecrnn.bench.settings import RecurrenceSettings as Settings
from ecrnn.bench.settings import StepSettings
from ecrnn.core.errors import EcrnnError

SMALL = Settings(hidden=4, steps=5, batch=3)


def orders(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "orders").read_text().splitlines()]


def test_every_variant_is_made_timed_and_forgotten(stand_in: Callable, tmp_path: Path) -> None:
    with Keras(stand_in(), 3) as keras:
        assert keras.versions == {"tensorflow": "2.0", "keras": "3.0"}
        runs = keras.recurrence(SMALL)
        assert list(runs) == ["keras-xla", "keras"]
        assert runs["keras"](4) == pytest.approx(0.2)
        assert keras.recurrence_memory(SMALL, "keras") == {"peak_mib": 500.0, "work_mib": 100.0}
        assert keras.failed == {}
    done = orders(tmp_path)
    assert [order["do"] for order in done] == ["forget", "make", "make", "time", "memory"]
    assert [(o["jit"], o["policy"]) for o in done if "jit" in o] == [
        (True, "float32"),
        (False, "float32"),
        (False, "float32"),
    ]
    assert done[1]["settings"]["hidden"] == 4
    assert keras.process.returncode == 0


def test_a_step_is_described_in_plain_words(stand_in: Callable, tmp_path: Path) -> None:
    with Keras(stand_in(), 1) as keras:
        assert list(keras.step(StepSettings("ecrnn-bigru-8-4", 16), 7)) == ["keras-xla", "keras", "keras-bfloat16"]
    made = orders(tmp_path)[1]["settings"]
    assert made == {"batch": 16, "dense": [512, 256, 512, 1024], "cell": "gru", "nodes": [8, 4], "bidirectional": True}
    with (
        Keras(stand_in(), 1) as keras,
        pytest.raises(EcrnnError, match=r"^Keras's network has 7 parameters instead of 8$"),
    ):
        keras.step(StepSettings("cnn"), 8)


def test_what_cannot_be_made_is_left_out_and_told(stand_in: Callable) -> None:
    no_xla = "if order.get('jit'):\n        say(error='ValueError: no XLA'); continue"
    with Keras(stand_in(extra=no_xla), 1) as keras:
        assert list(keras.recurrence(SMALL)) == ["keras"]
        assert keras.failed == {"keras-xla": "ValueError: no XLA"}
    nothing = "if order['do'] == 'make':\n        say(error='ValueError: no'); continue"
    with (
        Keras(stand_in(extra=nothing), 1) as keras,
        pytest.raises(EcrnnError, match="Keras cannot compute this: ValueError: no"),
    ):
        keras.recurrence(SMALL)


@pytest.mark.parametrize(
    ("hello", "extra", "said"),
    [
        (
            "say(missing='No module named keras'); sys.exit()",
            "pass",
            "has no Keras on TensorFlow: No module named keras",
        ),
        ("sys.exit('line\\nout of luck')", "pass", "ended: out of luck"),
        ("sys.exit()", "pass", "ended: it said nothing"),
        ("say(versions={})", "sys.exit('killed')", "ended: killed"),
        (
            "say(versions={})",
            "if order['do'] == 'time':\n        say(error='E: x'); continue",
            "while it was measured .*E: x",
        ),
    ],
)
def test_a_process_that_fails_is_one_line(stand_in: Callable, hello: str, extra: str, said: str) -> None:
    with pytest.raises(EcrnnError, match=said) as raised, Keras(stand_in(hello, extra), 1) as keras:
        keras.recurrence(SMALL)["keras"](1)
    assert "\n" not in str(raised.value)


def test_a_python_that_is_not_there() -> None:
    with pytest.raises(EcrnnError, match=r"^--keras-python /none/python cannot be run: No such file"):
        Keras("/none/python", 1)


@pytest.mark.slow
def test_keras_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    python = os.environ.get("ECRNN_TEST_KERAS") or bench_keras.default_python()
    if python is None:
        pytest.skip("keras and tensorflow are not installed, and ECRNN_TEST_KERAS names no Python that has them")
    with Keras(python, 1) as keras:
        for settings in (SMALL, Settings("gru", 4, 5, 3, 2, 2, 2, forward_only=True), Settings("rnn_relu", 4, 5, 3)):
            runs = keras.recurrence(settings)
            assert list(runs) == ["keras-xla", "keras"], keras.failed
            assert all(0 < run(2) < 10 for run in runs.values())
        parameters = 4 * 4 * (1 + 4 + 1)  # one bias vector
        answer = keras._make("recurrence", {**SMALL.__dict__}, "keras")
        assert answer == {"parameters": parameters}
        memory = keras.recurrence_memory(SMALL, "keras")
        assert memory["peak_mib"] > 100
        assert 0 < memory["work_mib"] < memory["peak_mib"]
        monkeypatch.setattr(bench_keras, "STEPS", {"keras": ("float32", False)})  # XLA takes its time
        assert 0 < keras.step(StepSettings("ecrnn-bilstm-16", 8), 1_715_210)["keras"](1) < 60
