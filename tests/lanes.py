"""The two lanes: `make test` has every test, `make slow` the rest of the cases of large grids, and what takes long.

A test marked ``slow`` runs in `make slow` alone. Of a test, or a file, marked ``sampled`` some cases are left in
`make test`, and the others are marked ``slow``:

- ``sampled()``: so many that any two values of two parameters meet;
- ``sampled(cover=1)``: so many that each value of each parameter is there;
- ``sampled(most=20)``: at most so many, evenly over all.

Parameters of fixtures count as well. The same cases are chosen each time.

Of the longest grids `make slow` leaves out cases too: one marked with `seldom` runs only where ECRNN_EVERY_CASE is set.
Of the cases that `sampled` leaves to `make slow`, some run there, and the others are `seldom`:

- ``sampled(..., slow=30)``: so many, drawn once for all;
- ``sampled(..., kinds=function)``: so many that any two kinds meet; the function gives a mapping of kinds of a case's
  parameters, such as the family of a model's name.

Where several processes share the tests, the files that take longest are begun first: the last ones are short, and
no process waits for another at the end.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import combinations, groupby
from operator import itemgetter
from typing import Any

import pytest

EVERY_CASE = "ECRNN_EVERY_CASE" in os.environ
Kinds = Callable[[Mapping[str, Any]], Mapping[str, Hashable]]
seldom = pytest.mark.skipif(not EVERY_CASE, reason="runs where ECRNN_EVERY_CASE is set")

LONGEST = (  # files in the order in which they are begun, by processor seconds: of `make slow`, then of `make test`
    "test_docs.py",
    "cpp/test_cpp.py",
    "serving/export/test_exporting.py",
    "studies/test_ray_tasks.py",
    "studies/engines/test_collecting.py",
    "studies/test_following.py",
    "studies/test_work.py",
    "studies/test_kills.py",
    "models/test_battery.py",
    "test_own_model.py",
    "test_dist.py",
    "cli/test_processes.py",
    "recurrence/test_gpu.py",
    "cli/test_predict_on_ray.py",
    "training/test_resume.py",
    "explain/test_gradcheck.py",
    "recurrence/cpu/test_process.py",
    "cli/test_compare.py",
    "models/test_task_battery.py",
    "tasks/test_foreign_task.py",
    "test_examples.py",
    "cli/test_streams.py",
    "training/test_loop.py",
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


def covering(cases: Sequence[Mapping[str, Hashable]], size: int) -> list[int]:
    """Of ``cases``, mappings from a parameter to its value or a number of it, some in which any ``size`` values that
    meet in a case meet in a chosen one; their places, ascending."""
    together = [
        frozenset(combinations(sorted(case.items(), key=itemgetter(0)), min(size, len(case)))) for case in cases
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
        options = dict(marker.kwargs)
        slow, kinds = options.pop("slow", None), options.pop("kinds", None)
        chosen = _chosen(cases, **options)
        rest = [item for at, item in enumerate(cases) if at not in chosen]
        for item in rest:
            item.add_marker(pytest.mark.slow)
        running = _of_the_rest(rest, slow, kinds)
        for at, item in enumerate(rest):
            if at not in running:
                item.add_marker(seldom)


def _of_the_rest(rest: Sequence[pytest.Item], slow: int | None, kinds: Kinds | None) -> set[int]:
    if kinds is not None:
        return set(covering([kinds(item.callspec.params) for item in rest], 2))  # type: ignore[attr-defined]
    if slow is None or slow >= len(rest):
        return set(range(len(rest)))
    return set(random.Random(0).sample(range(len(rest)), slow))


def _function(item: pytest.Item) -> str:
    """The test that ``item`` is a case of."""
    return item.nodeid.partition("[")[0]


def _chosen(cases: Sequence[pytest.Item], cover: int = 2, most: int | None = None) -> set[int]:
    if most is not None:
        return set(evenly(len(cases), most))
    values = [case.callspec.params if hasattr(case, "callspec") else {} for case in cases]
    return set(covering([{name: id(value) for name, value in case.items()} or {"": 0} for case in values], cover))
