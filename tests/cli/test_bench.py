"""`ecrnn bench`: tables, the keys of the JSON, and that nothing is said but the error where a kernel is wrong."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import typer

from ecrnn.cli.main import app
from ecrnn.recurrence.checking import Wrong
from ecrnn.recurrence.dispatch import BACKENDS

SHORT = ("--steps", 8, "--batch", 4, "--hidden", 4, "--rounds", 3, "--threads", 1)
SIZES = {
    "cell",
    "hidden",
    "steps",
    "batch",
    "input",
    "layers",
    "directions",
    "forward_only",
    "backend",
    "cutoff",
    "all_outputs",
}
ABOUT = {"what", "threads", "rounds", "environment"}
TIMES = {"median_ms", "quartiles_ms", "n"}


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check, which is tested for itself and takes a while for whole networks."""
    monkeypatch.setattr("ecrnn.bench.checks.check_first", lambda settings, backend: 5)


def test_recurrence_as_json(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    peak = {"peak_mib": 300.0, "work_mib": 3.0}
    monkeypatch.setattr("ecrnn.bench.peak_memory.measure", lambda *given: peak)  # two fresh processes take their time
    done = call("bench", "recurrence", *SHORT, "--json", "--directions", 2, "--no-keras")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert set(found) == SIZES | ABOUT | {"served", "checked_shapes", "variants", "ratio_stock"}
    assert {key: found[key] for key in ("what", "threads", "rounds", "hidden", "steps", "directions")} == {
        **{"what": "recurrence", "threads": 1, "rounds": 3, "hidden": 4, "steps": 8, "directions": 2}
    }
    assert found["served"]["backend"] in ("cpu", "torch")
    assert found["served"]["reason"]
    assert set(found["variants"]) == {"ecrnn", "stock"}
    for variant in found["variants"].values():
        assert set(variant) == {*TIMES, "peak_mib", "work_mib"}
        assert variant["n"] == 3
        assert 0 < variant["quartiles_ms"][0] <= variant["median_ms"] <= variant["quartiles_ms"][1]
    assert {"processor", "cores", "packages", "cpu_capability"} <= set(found["environment"])


def test_recurrence_as_a_table(call: Any) -> None:
    done = call("bench", "recurrence", *SHORT, "--no-memory", "--backend", "torch", "--forward-only")
    assert done.status == 0
    out = " ".join(done.out.split())
    assert "hidden 4, steps 8, batch 4, input 1" in out
    assert "ratio_stock" in out
    assert "backend torch (named)" in out
    assert "1 threads, 3 rounds, torch " in out
    assert "round 3 of 3" in done.err


def test_the_missing_opponent_is_told_at_the_end(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecrnn.bench.keras.default_python", lambda: None)
    done = call("bench", "recurrence", *SHORT, "--no-memory")
    assert "Keras on TensorFlow is not measured" in done.out
    told = json.loads(call("bench", "recurrence", *SHORT, "--no-memory", "--json").out)
    assert "--keras-python" in told["missing"]


@pytest.mark.slow
def test_a_grid(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecrnn.bench import recurrence as bench

    grid = bench.grid
    monkeypatch.setattr(bench, "grid", lambda settings, size: list(grid(settings, size))[:2])
    monkeypatch.setattr(bench, "GRID_SECONDS", 0.01)
    done = call("bench", "recurrence", "--grid", "small", "--threads", 1, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert set(found) == ABOUT | {"summary", "shapes"}
    assert found["summary"]["shapes"] == len(found["shapes"]) == 2
    assert found["summary"]["complete"] is True
    assert found["shapes"][0]["variants"]["stock"]["n"] == 3
    table = call("bench", "recurrence", "--grid", "small", "--threads", 1)
    assert "2 shapes: smallest ratio" in " ".join(table.out.split())
    assert "1 of 2: lstm, 8 nodes, 1 steps, batch 1, input 1: " in table.err


def test_a_grid_that_is_stopped_shows_what_it_has(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecrnn.bench import recurrence as bench

    measure, measured = bench.measure, []

    def stopped(*arguments: Any, **options: Any) -> Any:
        if measured:
            raise KeyboardInterrupt
        measured.append(measure(*arguments, **options))
        return measured[-1]

    monkeypatch.setattr(bench, "measure", stopped)
    monkeypatch.setattr("ecrnn.bench.checks.check_grid", lambda shapes, threads: 5)
    done = call("bench", "recurrence", "--grid", "small", "--threads", 1, "--json", "--rounds", 1)
    assert (done.status, done.err) == (130, "ecrnn: stopped by Ctrl-C; what was finished is kept\n")
    found = json.loads(done.out)
    assert found["summary"]["shapes"] == 1
    assert found["summary"]["complete"] is False


@pytest.mark.parametrize("more", [(), ("--grid", "small"), ("--json",)])
def test_nothing_else_is_said_where_a_kernel_is_wrong(call: Any, monkeypatch: pytest.MonkeyPatch, more: tuple) -> None:
    def wrong(*arguments: object, **options: object) -> None:
        raise Wrong("lstm, 4 nodes: output: relative error 1")

    monkeypatch.setattr("ecrnn.bench.checks.check", wrong)
    done = call("bench", "recurrence", *SHORT, *more)
    assert (done.status, done.out) == (1, "")
    assert done.err == "ecrnn: lstm, 4 nodes: output: relative error 1\n"
    done = call("bench", "step", "--models", "crnn-lstm-4", "--batch", 2, "--threads", 1)
    assert (done.status, done.out, done.err) == (1, "", "ecrnn: lstm, 4 nodes: output: relative error 1\n")
    done = call("bench", "one-image", "--models", "crnn-lstm-4", "--threads", 1)
    assert (done.status, done.out, done.err) == (1, "", "ecrnn: lstm, 4 nodes: output: relative error 1\n")


def test_explain(call: Any) -> None:
    done = call("bench", "recurrence", "--explain", "--hidden", 16, "--backend", "torch")
    assert done.status == 0
    assert "torch serves named" in " ".join(done.out.split())
    found = json.loads(call("bench", "recurrence", "--explain", "--json", "--hidden", 16).out)
    assert {one["backend"] for one in found["backends"]} == set(BACKENDS)
    assert [one["chosen"] for one in found["backends"]] == [True, False, False, False, False]
    assert all(one["reason"] for one in found["backends"])


def test_step(call: Any, unchecked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecrnn.bench.arithmetic.SIZE", 64)
    options = ("--models", "cnn,crnn-lstm-4", "--batch", 2, "--rounds", 2, "--threads", 1, "--no-keras", "--no-memory")
    done = call("bench", "step", *options, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert set(found) == ABOUT | {"models"}
    assert [model["model"] for model in found["models"]] == ["cnn", "crnn-lstm-4"]
    for model in found["models"]:
        assert {"ratio_stock", "ratio_tuned", "tuned_best", "precision", "batch", "served"} <= set(model)
        assert all(set(variant) == TIMES for variant in model["variants"].values())
        assert set(model["multiply_adds"]) == set(model["multiply_adds_per_second"])
    table = call("bench", "step", *options)
    assert "crnn-lstm-4, a training step at batch 2" in " ".join(table.out.split())
    assert "ratio_tuned" in table.out
    alone = " ".join(call("bench", "step", *options, "--alone").out.split())
    assert "times its arithmetic: " in alone
    assert "stock" not in alone


def test_one_image(call: Any, unchecked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecrnn.bench.latency.onnx_is_here", lambda: False)
    options = ("bench", "one-image", "--models", "crnn-lstm-4", "--threads", 1, "--rounds", 2)
    done = call(*options)
    assert done.status == 0, done.err
    assert "crnn-lstm-4, one image" in " ".join(done.out.split())
    assert "ONNX Runtime is not measured" in done.out
    found = json.loads(call(*options, "--json").out)
    assert set(found) == ABOUT | {"models", "missing"}
    assert found["models"][0]["ratio_stock"] > 0


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ("", 2, "missing command; ecrnn bench --help"),
        ("recurence", 2, "unknown command 'recurence', did you mean 'recurrence'?"),
        ("recurrence --cell ltsm", 2, "unknown cell 'ltsm', did you mean 'lstm'?"),
        ("recurrence --backend gpuu --no-keras", 2, "unknown backend 'gpuu'"),
        ("recurrence --hidden 0", 2, "--hidden: "),
        ("recurrence --directions 3", 2, "--directions: "),
        ("recurrence --cutoff -1", 2, "--cutoff: "),
        ("recurrence --grid big", 2, "unknown grid 'big'"),
        ("recurrence --grid small --keras-python python", 2, "--grid measures against torch alone"),
        ("recurrence --all-outputs --keras-python python", 2, "--all-outputs measures against torch alone"),
        ("recurrence --keras-python /none --no-keras", 2, "--no-keras and --keras-python contradict"),
        ("recurrence --keras-python /none", 1, "--keras-python /none cannot be run"),
        ("step --models ,", 2, "--models names none"),
        ("step --alone --keras-python python", 2, "--alone measures no opponents"),
        ("step --models cnnn", 2, "unknown model 'cnnn', did you mean 'cnn'?"),
        ("step --models crnn-lstm-4@rows --no-keras --threads 1", 1, "only models with the scan flatten-hwc"),
        ("one-image --rounds 0", 2, "--rounds: "),
    ],
)
def test_bad_input_is_one_line(call: Any, unchecked: None, words: str, status: int, sentence: str) -> None:
    done = call("bench", *words.split())
    assert done.err.startswith("ecrnn: ")
    assert done.err.count("\n") == 1, done.err
    assert sentence in done.err
    assert (done.status, done.out) == (status, "")


@pytest.mark.parametrize("command", ["recurrence", "step", "one-image"])
def test_every_command_has_help_with_an_example_that_parses(call: Any, command: str) -> None:
    done = call("bench", command, "--help")
    assert done.status == 0
    assert f"Example: ecrnn bench {command} " in " ".join(done.out.replace("│", " ").split())
    group = typer.main.get_command(app).commands["bench"]
    arguments = shlex.split(group.commands[command].epilog.partition(" > ")[0])[4:]
    group.commands[command].make_context(command, arguments)
