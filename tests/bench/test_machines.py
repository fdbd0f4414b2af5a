"""benchmarks/machines.py: the committed rows of measured machines, and how `ecrnn bench step --json` becomes some."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("machines_benchmark", ROOT / "benchmarks" / "machines.py")
machines = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = machines  # where dataclasses look for the module of their class
_SPEC.loader.exec_module(machines)

FOUND = {
    "threads": 2,
    "rounds": 7,
    "environment": {"processor": "P", "cpu_capability": "AVX2", "cores": 4, "packages": {"torch": "2.13.0"}},
    "models": [
        {
            **{"model": "cnn", "batch": 128, "precision": "float32", "arithmetic_ms": 50.0, "times_arithmetic": 2.0},
            "multiply_adds_per_second": {"float32": 5e10},
            "variants": {"ecrnn": {"median_ms": 100.0, "quartiles_ms": [90.0, 120.0], "n": 7}},
        }
    ],
}


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """A file of rows of one's own."""
    monkeypatch.setattr(machines, "FILE", tmp_path / "machines.jsonl")
    return tmp_path


def test_the_page_shows_the_rows_of_the_file():
    rows = machines.read()
    assert machines.table(rows) in (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert len({(row.machine, row.date, row.model, row.threads, row.precision) for row in rows}) == len(rows)


def test_what_the_bench_prints_becomes_a_row(own_file, monkeypatch, capsys):
    (own_file / "step.json").write_text(json.dumps(FOUND))
    for _ in range(2):
        monkeypatch.setattr("sys.argv", ["machines.py", str(own_file / "step.json"), "--machine", "a box"])
        machines.main()
    first, second = machines.read()
    assert first == second
    assert (first.machine, first.step_ms, first.times_arithmetic) == ("a box", 100.0, 2.0)
    assert f"| a box | `cnn`, float32 | 2 | 100 (90-120) | / 50 | 2.00 | {first.date} |" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"times_arithmetic": 3.0}, {"multiply_adds_per_second": {}}, {"batch": 0}])
def test_a_row_that_contradicts_itself_is_refused(change):
    with pytest.raises(ValueError, match=r"on 'a box' lacks a figure|times_arithmetic is not"):
        machines.rows_of({**FOUND, "models": [{**FOUND["models"][0], **change}]}, "a box", "2026-11-30")
