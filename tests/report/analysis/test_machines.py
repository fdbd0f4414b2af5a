"""report/analysis/machines: unlike machines within a repeat are named, unlike ones between repeats are a note."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecrnn.core.predictions import PredictedClasses
from ecrnn.report.analysis.machines import machine_lines, shared_gpu_lines, version_lines
from ecrnn.report.analysis.read import Trial

XEON = {"host": "a", "processor": "Xeon", "instruction_set": "AVX512", "torch": "2.13.0", "device": "cpu"}
EPYC = {**XEON, "host": "b", "processor": "EPYC", "instruction_set": "AVX2"}
NONE = np.zeros(0, np.int64)


def trials(*facts: dict[str, Any]) -> list[Trial]:
    """Models m0 and m1, repeat by repeat."""
    predictions = PredictedClasses(NONE, NONE, NONE)
    return [Trial(f"m{n % 2}", n // 2, of, (), predictions) for n, of in enumerate(facts)]


def line(*facts: dict[str, Any]) -> tuple[str, str]:
    (found,) = machine_lines(trials(*facts))
    assert found.what == "Machine"
    return found.status, found.text


def test_machines_of_one_kind() -> None:
    said = "Xeon, AVX512, torch 2.13.0: no bit of a trial depends on where it ran."
    assert line(XEON, XEON) == ("same", f"One machine, {said}")
    assert line(XEON, {**XEON, "host": "c", "threads": 9}) == ("same", f"2 machines, each {said}")
    assert line(XEON, XEON, {}, {})[0] == "note"
    assert line(XEON, XEON, {}, {})[1].endswith(" 2 trials did not say.")


def test_trials_from_before_machines_were_written_down() -> None:
    assert machine_lines(trials({}, {})) == []


def test_a_repeat_on_one_kind_and_another_repeat_on_another() -> None:
    status, text = line(XEON, XEON, EPYC, EPYC)
    assert status == "note"
    assert text == (
        "2 kinds: Xeon, AVX512, torch 2.13.0; EPYC, AVX2, torch 2.13.0. All models of a repeat were trained on one "
        "kind, so within a repeat no bit differs for it; from repeat to repeat last bits may."
    )


def test_models_of_one_repeat_on_unlike_machines() -> None:
    status, text = line(XEON, XEON, XEON, EPYC)
    assert status == "differs"
    assert text == (
        "Unlike ones in 1 repeat of 2, where bits can differ between the models that are compared: in repeat 1 m0 on "
        "Xeon, AVX512, torch 2.13.0; m1 on EPYC, AVX2, torch 2.13.0. The order of sums differs there, nothing else."
    )


def test_workers_with_several_versions_of_ecrnn() -> None:
    old, new = {**XEON, "ecrnn": "0.2.0"}, {**XEON, "ecrnn": "0.3.0"}
    assert version_lines(trials(XEON, old, old)) == []
    (found,) = version_lines(trials(old, new, old, old, XEON))
    assert (found.what, found.status) == ("Version of ecrnn", "differs")
    assert found.text.startswith("Not one for all trials: 0.2.0 (m0 and m1); 0.3.0 (m1). What a version changes")


def test_trials_that_shared_a_gpu() -> None:
    card = {**XEON, "device": "cuda", "gpu": "H200"}
    one, four = {**card, "trials_per_gpu": 1}, {**card, "trials_per_gpu": 4}
    assert shared_gpu_lines(trials(XEON, card, one, one)) == []
    (same,) = shared_gpu_lines(trials(four, XEON, four, four))
    assert (same.what, same.status) == ("Trials on a GPU", "note")
    assert same.text == "4 trials shared each GPU at the most: a trial alone takes less time than the tables say."
    (line,) = shared_gpu_lines(trials(one, four, one, four))
    assert line.status == "differs"
    assert line.text.startswith("From 1 (m0) to 4 (m1) trials shared a GPU at the most, so times of trials are not th")


def test_what_makes_machines_unlike() -> None:
    for change in ({"instruction_set": "AVX2"}, {"torch": "2.14.0"}, {"processor": "EPYC"}):
        assert line(XEON, {**XEON, **change})[0] == "differs"
    card = {**XEON, "device": "cuda", "gpu": "H200"}
    assert line(card, {**card, "processor": "EPYC", "instruction_set": "AVX2"})[0] == "same"
    assert line(card, {**card, "gpu": "A100"})[0] == "differs"
