"""Numbers read off curves: by hand."""

import json
from dataclasses import asdict

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.memory_curve import Direction, Memory, distances_of, effective, from_plain, reach


def test_every_step_near_the_end_and_every_eighth_beyond():
    assert distances_of(1) == (0,)
    assert distances_of(64) == tuple(range(64))
    assert distances_of(66) == tuple(range(65))
    assert distances_of(1024) == (*range(64), *range(64, 1024, 8))


@pytest.mark.parametrize(
    ("changes", "below", "m"),
    [
        ((1.4, 0.5, 0.09, 0.0), 0.1, 2),
        ((1.4, 0.5, 0.1, 0.0), 0.1, 8),  # not less
        ((1.4, 0.05, 0.2, 0.0), 0.1, 8),  # comes back later
        ((0.05, 0.05, 0.05, 0.0), 0.1, 0),
        ((1.4, 1.4, 1.4, 1.4), 0.1, 8),
        ((1.4, 0.5, float("nan"), 0.0), 0.1, 8),
    ],
)
def test_effective_memory(changes, below, m):
    assert effective(changes, (0, 1, 2, 8), below) == m


def test_reach_counts_up_to_the_last_step_above():
    gradient = (0.5, 4.0, 0.1, 0.4, 0.0)
    assert reach(gradient, 0.5) == 2
    assert reach(gradient, 0.1) == 2  # 0.4 is not above
    assert reach(gradient, 0.09) == 4  # although the third is not
    assert reach((0.0, 0.0), 1e-8) == 0


def a_memory(**changes):
    direction = Direction("forward", (1.0, 1.0), 2.0, (1.0, 0.5), (1.1, 0.2), (1.4, 0.3, 0.0), {"0.001": 2}, {"0.1": 2})
    return Memory("crnn-lstm-4", 1, 2, 9, (0, 1), (0, 1, 2), (direction,), **changes)


@pytest.mark.parametrize("changes", [{}, {"changed": (0.5, 0.25, 0.0), "class_memory": 2}])
def test_through_json_and_back(changes):
    memory = a_memory(**changes)
    assert from_plain(json.loads(json.dumps(asdict(memory)))) == memory


@pytest.mark.parametrize("change", [{"directions": None}, {"directions": [{}]}, {"more": 1}])
def test_something_else_is_refused(change):
    with pytest.raises(EcrnnError, match=r"^not the memory of a network"):
        from_plain(asdict(a_memory()) | change)
