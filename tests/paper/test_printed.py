"""The paper's figures as data. That its marks follow from its accuracies is held by tests/stats/test_mcnemar.py."""

from __future__ import annotations

from collections import Counter

import pytest

from ecrnn.models.names import parse
from ecrnn.paper import printed


def test_the_models_are_17_right_names() -> None:
    names = [parse(name) for name in printed.MODELS]
    assert len(names) == len(set(names)) == 17
    assert tuple(map(str, names)) == printed.MODELS
    assert {name.family for name in names} == {"cnn", "crnn", "ecrnn"}
    assert {name.nodes for name in names} == {(), (16,), (32,), (16, 16), (32, 32)}


def test_the_figures_are_the_papers() -> None:
    assert tuple(printed.ACCURACIES) == printed.MODELS
    assert printed.ACCURACIES["cnn"] == pytest.approx(0.7325)
    assert printed.ACCURACIES["crnn-bilstm-32-32"] == pytest.approx(0.7449)
    assert printed.ACCURACIES["ecrnn-lstm-16-16"] == pytest.approx(0.7585)
    assert max(printed.ACCURACIES, key=lambda name: printed.ACCURACIES[name]) == "ecrnn-bilstm-16"
    assert printed.IMAGES == 45_000


def test_the_comparisons_are_36_and_26_are_marked() -> None:
    assert (
        Counter(cell.table for cell in printed.COMPARISONS)
        == {2: 8, 3: 8, 4: 10, 5: 10}
        == dict.fromkeys(printed.TABLES, 8) | {4: 10, 5: 10}
    )
    assert Counter(cell.stars for cell in printed.COMPARISONS) == {"***": 22, "**": 1, "*": 3, "": 10}
    assert Counter(cell.nodes for cell in printed.COMPARISONS) == {**dict.fromkeys(printed.NODES, 8), "best": 4}
    assert [cell.difference for cell in printed.COMPARISONS if cell.difference < 0] == pytest.approx(
        [-0.0017, -0.0068, -0.0011, -0.0034]
    )


def test_sides() -> None:
    assert printed.candidates("cnn", "32") == ("cnn",)
    assert printed.candidates("crnn-lstm", "16-16") == ("crnn-lstm-16-16",)
    assert len(printed.candidates("ecrnn-bilstm", printed.BEST)) == 4
    assert [printed.side_name(side) for side in ("cnn", "crnn-lstm", "ecrnn-bilstm")] == [
        "CNN",
        "CRNN LSTM",
        "ECRNN BiLSTM",
    ]
