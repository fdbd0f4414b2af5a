"""Metrics of epochs that come from anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from core.lines import one_line

from ecrnn.core.epoch_lines import check_epoch_lines
from ecrnn.core.errors import EcrnnError

GOOD = [{"epoch": 1, "loss": 0.5, "auc": None}, {"epoch": 2, "loss": 10**15}]


def test_numbers_of_one_epoch_a_line() -> None:
    check_epoch_lines(GOOD, "a file")
    check_epoch_lines([], "a file")
    check_epoch_lines([{"epoch": 1, "loss": 1e299}], "a file", 1e300)


@pytest.mark.parametrize("lines", [None, True, "x", 7, {"epoch": 1}, [1], [None], [[]]])
def test_what_is_no_list_of_lines(lines: Any) -> None:
    with one_line(EcrnnError, "a file must be a list of objects, one an epoch, not "):
        check_epoch_lines(lines, "a file")


@pytest.mark.parametrize("value", [True, "1", [], {}, 10**400, 2e15])
def test_what_is_no_number(value: Any) -> None:
    with one_line(EcrnnError, "a file, line 2: 'loss' must be a number, not "):
        check_epoch_lines([GOOD[0], {"epoch": 2, "loss": value}], "a file")


@pytest.mark.parametrize("epoch", [None, 1, 3])
def test_an_epoch_that_is_not_the_next(epoch: int | None) -> None:
    with one_line(EcrnnError, f"a file, line 2: 'epoch' must be 2, not {epoch}"):
        check_epoch_lines([GOOD[0], {"epoch": epoch}], "a file")
