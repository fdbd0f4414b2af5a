"""Answers to many files: their order, what cannot be read, and how far ahead files are opened."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from ecrnn.core.errors import DataError, NotFiniteError
from ecrnn.serving import bulk
from ecrnn.serving.bulk import GROUP, answers_of


class Slow:
    """Reads a file as its number; odd threads take longer, so files come out of order where nothing orders them."""

    def __init__(self, broken: frozenset[int] = frozenset()) -> None:
        self.broken, self.opened, self.groups, self.lock = broken, 0, [], threading.Lock()  # type: ignore[var-annotated]

    def open(self, path: str | Path) -> int:
        number = int(Path(path).stem)
        time.sleep(0.001 * (number % 3 == 0))
        with self.lock:
            self.opened += 1
        if number in self.broken:
            raise DataError(f"cannot read {path}")
        return number

    def answers(self, inputs: Sequence[int]) -> np.ndarray:
        self.groups.append(list(inputs))
        return np.stack([np.array([number, -number], float) for number in inputs])

    @contextlib.contextmanager
    def naming(self, example: Callable[[int], str]) -> Iterator[None]:
        try:
            yield
        except NotFiniteError as error:
            raise DataError(example(error.row)) from error


FILES = [Path(f"{number}.png") for number in range(5 * GROUP + 7)]


@pytest.mark.parametrize("threads", [1, 4])
def test_answers_come_in_the_order_of_the_files(threads: int) -> None:
    model = Slow(frozenset({3, 64, 65, 200}))
    found = list(answers_of(model, FILES, {FILES[10]: "gone"}, threads))
    assert [one.file for one in found] == FILES
    assert {int(one.file.stem): one.error for one in found if one.answer is None} == {
        **{number: f"cannot read {number}.png" for number in (3, 64, 65, 200)},
        10: "gone",
    }
    assert all(one.answer[0] == int(one.file.stem) for one in found if one.answer is not None)  # type: ignore[index]
    assert [len(group) for group in model.groups] == [GROUP - 2, GROUP - 2, GROUP, GROUP - 1, GROUP, 7]


def test_files_are_opened_no_further_ahead_than_memory_may_hold() -> None:
    model, taken = Slow(), 0
    for _ in answers_of(model, FILES * 3, threads=4):
        taken += 1
        assert model.opened <= taken + (bulk._AHEAD + 1) * GROUP
        if taken == 2 * GROUP:
            time.sleep(0.3)  # the decoders have all the time they want
    assert model.opened == taken == len(FILES) * 3


def test_nothing_is_left_running_where_nobody_asks_on() -> None:
    before, threads = threading.active_count(), torch.get_num_threads()
    model = Slow()
    torch.set_num_threads(2)
    try:
        answers = answers_of(model, FILES, threads=2)
        next(answers)
        assert torch.get_num_threads() == 1  # the others decode
        answers.close()  # type: ignore[attr-defined]
        assert threading.active_count() == before
        assert model.opened < len(FILES)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_an_output_that_is_not_finite_names_its_file() -> None:
    class Broken(Slow):
        def answers(self, inputs: Sequence[int]) -> np.ndarray:
            raise NotFiniteError(inputs.index(9))

    with pytest.raises(DataError, match=r"^9\.png$"):
        list(answers_of(Broken(frozenset({1, 2})), FILES[:20]))
