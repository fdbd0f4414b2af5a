"""The two lanes: `make test` has every test, `make slow` the rest of the cases of large grids, and what takes long.

A test marked ``slow`` runs in `make slow` alone. Of a test, or a file, marked ``sampled`` some cases are left in
`make test`, and the others are marked ``slow``:

- ``sampled()``: so many that any two values of two parameters meet;
- ``sampled(cover=1)``: so many that each value of each parameter is there;
- ``sampled(most=20)``: at most so many, evenly over all.

Parameters of fixtures count as well. The same cases are chosen each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, groupby

import pytest


def covering(cases: Sequence[Mapping[str, int]], size: int) -> list[int]:
    """Of ``cases``, mappings from a parameter to a number of its value, some in which any ``size`` values that meet
    in a case meet in a chosen one; their places, ascending."""
    together = [
        frozenset(combinations(sorted(case.items()), min(size, len(case)))) for case in cases
    ]  # what each case covers
    missing = set().union(*together)
    chosen = []
    while missing:
        best = max(range(len(cases)), key=lambda at: len(together[at] & missing))
        missing -= together[best]
        chosen.append(best)
    return sorted(chosen)


def evenly(number: int, most: int) -> list[int]:
    """At most ``most`` places of ``number``, the first and the last among them if there are two."""
    if number <= most:
        return list(range(number))
    return [at * (number - 1) // max(1, most - 1) for at in range(most)]


def leave_to_slow(items: Sequence[pytest.Item]) -> None:
    """Mark the cases ``slow`` that `make test` does without."""
    for _, group in groupby(sorted(items, key=_function), key=_function):
        cases = [item for item in group if not item.get_closest_marker("slow")]
        marker = cases[0].get_closest_marker("sampled") if cases else None
        if marker is None:
            continue
        chosen = _chosen(cases, **marker.kwargs)
        for at, item in enumerate(cases):
            if at not in chosen:
                item.add_marker(pytest.mark.slow)


def _function(item: pytest.Item) -> str:
    """The test that ``item`` is a case of."""
    return item.nodeid.partition("[")[0]


def _chosen(cases: Sequence[pytest.Item], cover: int = 2, most: int | None = None) -> set[int]:
    if most is not None:
        return set(evenly(len(cases), most))
    values = [case.callspec.params if hasattr(case, "callspec") else {} for case in cases]
    return set(covering([{name: id(value) for name, value in case.items()} or {"": 0} for case in values], cover))
