"""bench/memory: a peak is seen, in this process and in a fresh one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ecrnn.bench import peak_memory
from ecrnn.bench.recurrence import make
from ecrnn.bench.settings import RecurrenceSettings as Settings
from ecrnn.core.errors import EcrnnError

MIB = 2**20
pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no /proc/self/clear_refs here")


def test_what_is_allocated_and_gone_again_is_in_the_peak() -> None:
    found = peak_memory.peak_of(lambda: np.ones(64 * MIB, np.uint8).sum())
    assert 60 <= found["work_mib"] <= 80
    assert found["peak_mib"] >= found["work_mib"]
    little = peak_memory.peak_of(lambda: None)
    assert little["work_mib"] < 5


@pytest.mark.slow
def test_a_fresh_process_measures_a_variant() -> None:
    settings = Settings(hidden=16, steps=256, batch=512, forward_only=False)
    found = peak_memory.measure(make, "stock", 1, settings)
    gates = 256 * 512 * 4 * 16 * 4 / MIB  # what torch keeps at the least
    assert gates < found["work_mib"] < 10 * gates


def test_a_process_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    for script, said in (("echo first >&2; echo last >&2; exit 1", "last"), ("exit 3", "status 3")):
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o700)
        with pytest.raises(EcrnnError, match=f"^measuring the memory of ecrnn failed: {said}$"):
            peak_memory.measure(make, "ecrnn", 1, Settings())


def test_without_proc_the_whole_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("no module resource there")

    def nothing(*arguments: object, **options: object) -> str:
        raise OSError("no /proc")

    monkeypatch.setattr(Path, "read_text", nothing)
    now, peak = peak_memory.resident()
    assert now == peak > 50
