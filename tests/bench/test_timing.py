"""bench/pairs: what is timed how often and in which order, and what is made of the times."""

from __future__ import annotations

import gc
import math

import pytest

from ecrnn.bench.timing import LEAST_SECONDS, alternate, best, figure, ratio, summary, timed


class Recorder:
    """Variants that only pretend to take time, and note their turns."""

    def __init__(self, **seconds: float) -> None:
        self.turns: list[tuple[str, int]] = []
        self.variants = {name: self._variant(name, each) for name, each in seconds.items()}

    def _variant(self, name: str, each: float):  # type: ignore[no-untyped-def]
        def run(times: int) -> float:
            assert not gc.isenabled() or len(self.turns) < 2 * len(self.variants)
            self.turns.append((name, times))
            return each * times

        return run


def test_every_round_has_every_variant_and_the_order_moves_on() -> None:
    recorder = Recorder(a=1.0, b=2.0, c=3.0)
    times = alternate(recorder.variants, 4)
    assert times == {"a": [1.0] * 4, "b": [2.0] * 4, "c": [3.0] * 4}
    names = [name for name, _ in recorder.turns]
    assert names[:6] == ["a", "a", "b", "b", "c", "c"]  # these warm up
    assert "".join(names[6:]) == "abcbcacababc"
    assert gc.isenabled()


def test_short_runs_are_repeated_and_long_ones_are_not() -> None:
    recorder = Recorder(short=LEAST_SECONDS / 7.5, long=2 * LEAST_SECONDS, none=0.0)
    times = alternate(recorder.variants, 2)
    assert dict(recorder.turns[-3:]) == {"short": 8, "long": 1, "none": 10_000}
    assert times["short"] == pytest.approx([LEAST_SECONDS / 7.5] * 2)


@pytest.mark.parametrize(("rounds", "budget", "made"), [(20, 30.0, 10), (20, 1.0, 3), (2, 1.0, 2), (5, math.inf, 5)])
def test_a_budget_makes_fewer_rounds_but_three(rounds: int, budget: float, made: int) -> None:
    ticks: list[tuple[int, int]] = []
    times = alternate(Recorder(a=1.0, b=2.0).variants, rounds, budget=budget, tick=lambda *t: ticks.append(t))
    assert [len(seconds) for seconds in times.values()] == [made, made]
    assert ticks == [(number + 1, made) for number in range(made)]


def test_the_collector_comes_back_after_an_error() -> None:
    def broken(times: int) -> float:
        if gc.isenabled():
            return 1.0
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        alternate({"a": broken}, 2)
    assert gc.isenabled()


def test_timed_runs_as_often_as_it_is_told() -> None:
    calls: list[int] = []
    assert 0 < timed(lambda: calls.append(1))(5) < 1
    assert len(calls) == 5


def test_a_ratio_is_taken_within_rounds() -> None:
    assert ratio([10.0, 30.0, 20.0], [1.0, 10.0, 2.0]) == 10.0  # of the medians it would be 10 / 1 ... 20 / 2
    assert ratio([1.0, 100.0, 6.0], [1.0, 50.0, 1.0]) == 2.0  # of the medians it would be 6


def test_a_summary_has_median_and_quartiles_in_milliseconds() -> None:
    assert summary([0.001, 0.002, 0.003, 0.004, 0.009]) == {"median_ms": 3.0, "quartiles_ms": [2.0, 4.0], "n": 5}
    assert figure(0.000123456) == 0.0001235
    assert best({"a": [1.0, 9.0, 1.0], "b": [2.0, 2.0, 2.0], "c": [0.0] * 3}, ["a", "b"]) == "a"
