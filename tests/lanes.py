"""The two lanes: `make test` has every test, `make slow` the rest of the cases of large grids, and what takes long.

A test marked ``slow`` runs in `make slow` alone. Of a test, or a file, marked ``sampled`` some cases are left in
`make test`, and the others are marked ``slow``:

- ``sampled()``: so many that any two values of two parameters meet;
- ``sampled(cover=1)``: so many that each value of each parameter is there;
- ``sampled(most=20)``: at most so many, evenly over all.

Parameters of fixtures count as well. The same cases are chosen each time.

Of the longest grids `make slow` leaves out cases too: one marked with `seldom` runs only where ECRNN_EVERY_CASE is set.

Where several processes share the tests, the files that take longest are begun first: the last ones are short, and
no process waits for another at the end.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, groupby

import pytest

seldom = pytest.mark.skipif("ECRNN_EVERY_CASE" not in os.environ, reason="runs where ECRNN_EVERY_CASE is set")

LONGEST = (  # files in the order in which they are begun, by processor seconds: of `make slow`, then of `make test`
    "cpp/test_cpp.py",
    "serving/export/test_exporting.py",
    "test_docs.py",
    "test_own_model.py",
    "models/test_battery.py",
    "studies/test_kills.py",
    "test_dist.py",
    "cli/test_processes.py",
    "recurrence/cpu/test_process.py",
    "recurrence/test_gpu.py",
    "models/test_task_battery.py",
    "explain/test_gradcheck.py",
    "tasks/test_foreign_task.py",
    "test_examples.py",
    "cli/test_streams.py",
    "training/test_loop.py",
    "training/test_resume.py",
    "cli/test_compare.py",
    "report/test_outputs.py",
    "cli/test_bench.py",
    "test_results.py",
    "test_public_names.py",
)


def longest_first(items: list[pytest.Item]) -> None:
    """Put the files of `LONGEST` before the others, and those in the order of how many tests they have."""
    files = [item.nodeid.partition("::")[0].removeprefix("tests/") for item in items]
    counts = Counter(files)
    known = {file: place for place, file in enumerate(LONGEST)}
    places = {file: (known.get(file, len(LONGEST)), -counts[file], file) for file in counts}
    items[:] = [item for _, item in sorted(zip(files, items, strict=True), key=lambda pair: places[pair[0]])]


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
