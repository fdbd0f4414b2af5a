"""The paper's figures as data. That its marks follow from its accuracies is held by tests/stats/test_images.py."""

from __future__ import annotations

from collections import Counter

import pytest

from ecrnn.models.names import PAPER_MODELS
from ecrnn.report import paper


def test_the_figures_are_the_papers() -> None:
    assert tuple(paper.ACCURACIES) == PAPER_MODELS
    assert paper.ACCURACIES["cnn"] == pytest.approx(0.7325)
    assert paper.ACCURACIES["crnn-bilstm-32-32"] == pytest.approx(0.7449)
    assert paper.ACCURACIES["ecrnn-lstm-16-16"] == pytest.approx(0.7585)
    assert max(paper.ACCURACIES, key=lambda name: paper.ACCURACIES[name]) == "ecrnn-bilstm-16"
    assert paper.PICTURES == 45_000


def test_the_comparisons_are_36_and_26_are_marked() -> None:
    assert (
        Counter(cell.table for cell in paper.COMPARISONS)
        == {2: 8, 3: 8, 4: 10, 5: 10}
        == dict.fromkeys(paper.TABLES, 8) | {4: 10, 5: 10}
    )
    assert Counter(cell.stars for cell in paper.COMPARISONS) == {"***": 22, "**": 1, "*": 3, "": 10}
    assert Counter(cell.nodes for cell in paper.COMPARISONS) == {**dict.fromkeys(paper.NODES, 8), "best": 4}
    assert [cell.difference for cell in paper.COMPARISONS if cell.difference < 0] == pytest.approx(
        [-0.0017, -0.0068, -0.0011, -0.0034]
    )


def test_sides() -> None:
    assert paper.candidates("cnn", "32") == ("cnn",)
    assert paper.candidates("crnn-lstm", "16-16") == ("crnn-lstm-16-16",)
    assert len(paper.candidates("ecrnn-bilstm", paper.BEST)) == 4
    assert [paper.side_name(side) for side in ("cnn", "crnn-lstm", "ecrnn-bilstm")] == [
        "CNN",
        "CRNN LSTM",
        "ECRNN BiLSTM",
    ]
