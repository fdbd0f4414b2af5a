"""A card beside a bundle that is not of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from serving.test_card import METRICS, card

from ecrnn.core.errors import EcrnnError
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.serving.bundle import Description, describe
from ecrnn.serving.its_card import MAX_CARD, card_fault, read_card

TEST = {"n": 8, "accuracy": 0.75, "accuracy_low": 0.4, "accuracy_high": 0.9}


@pytest.fixture
def of(processor: Processor) -> Description:
    return describe(parse("ecrnn-bilstm-3@rows"), processor)


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        ({}, None),
        ({"accuracy": 0.972099}, None),
        ({"accuracy": 0.9}, "README.md has Accuracy 97.21 %, where the bundle has 90.00 %"),
        ({"test": {"accuracy": 0.5}}, "README.md has Test accuracy 75.00 %, where the bundle has 50.00 %"),
        ({"test": 7, "accuracy": None}, None),
    ],
)
def test_figures_of_a_written_card(processor: Processor, of: Description, metrics: Any, fault: str | None) -> None:
    text = card(processor, test=TEST)
    assert card_fault(text, of, METRICS | {"test": TEST} | metrics) == fault


def test_another_model_and_what_an_owner_writes(processor: Processor, of: Description) -> None:
    fault = "README.md has Model ecrnn-bilstm-3@rows, where the bundle has cnn"
    assert card_fault(card(processor), of.model_copy(update={"model": "cnn"}), METRICS) == fault
    for text in (
        None,
        "",
        "# mine\n| Accuracy | about 80 % |\n| Accuracy on my photos | **80 %** |",
        card(processor) + "more",
    ):
        assert card_fault(text, of, METRICS) is None


def test_hostile_cards(of: Description, tmp_path: Path) -> None:
    """None takes long; what is too large or a link is not read."""
    before = time.process_time()
    for part in ("| Model | ", "`", "**", "| Accuracy | **", "\n| "):
        card_fault(part * (MAX_CARD // len(part)), of, METRICS)
    assert time.process_time() - before < 5
    (tmp_path / "README.md").write_bytes(b"x" * (MAX_CARD + 1))
    with one_line(EcrnnError, "README.md"):
        read_card(tmp_path)
    (tmp_path / "README.md").unlink()
    assert read_card(tmp_path) is None
    (tmp_path / "README.md").symlink_to("/etc/hostname")
    with one_line(EcrnnError, "README.md"):
        read_card(tmp_path)
