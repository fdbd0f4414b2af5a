"""The lanes are what tests/lanes.py says, and `make test` leaves out no file, no test but the long ones, no oracle."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from lanes import LONGEST, covering, evenly, leave_to_slow, longest_first

TESTS = Path(__file__).parent
ORACLES = (  # what results are compared with
    "oracles",
    "recurrence.layers_by_contract",
    "recurrence.pairs",
    "recurrence.cpu.problems",
    "models.stock",
    "ecrnn.recurrence.reference",
    "ecrnn.recurrence.checking",
    "ecrnn.explain.differences",
    "baycomp",
    "statsmodels",
    "sacrebleu",
    "scipy",
    "onnxruntime",
    "torch.nn",
)
WHOLLY_SLOW = {
    "serving/export/test_web_page_browser.py",  # each of its tests exports a model and starts a browser
    "tasks/image_classification/test_peak_memory.py",  # its one test decodes 16,000 images
}


def test_any_two_values_meet() -> None:
    cases = [dict(zip("abcd", case, strict=True)) for case in product(range(4), range(3), range(2), range(2))]
    chosen = [cases[at] for at in covering(cases, 2)]
    met = {((x, case[x]), (y, case[y])) for case in chosen for x in "abcd" for y in "abcd"}
    assert met == {((x, case[x]), (y, case[y])) for case in cases for x in "abcd" for y in "abcd"}
    assert 12 <= len(chosen) <= 16


def test_each_value_is_there() -> None:
    cases = [{"a": a, "b": b} for a, b in product(range(5), range(3))]
    chosen = [cases[at] for at in covering(cases, 1)]
    assert {case["a"] for case in chosen} == set(range(5))
    assert {case["b"] for case in chosen} == set(range(3))
    assert len(chosen) == 5


def test_what_never_meets_is_not_waited_for() -> None:
    assert covering([{"a": 0, "b": 0}, {"a": 1, "b": 1}, {"a": 1, "b": 1}], 2) == [0, 1]
    assert covering([{"": 0}], 2) == [0]


def test_evenly() -> None:
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(100, 4) == [0, 33, 66, 99]
    assert evenly(100, 1) == [0]


class Item:
    def __init__(self, nodeid: str, sampled: pytest.MarkDecorator | None = None, **params: int) -> None:
        self.nodeid, self.callspec = nodeid, SimpleNamespace(params=params)
        self.marks = {"sampled": sampled.mark} if sampled else {}

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return self.marks.get(name)

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks[mark.name] = mark.mark


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({"cover": 1}, (10, 20)),
        ({"cover": 1, "slow": 4}, (10, 4)),
        ({"most": 2, "slow": 30}, (2, 28)),
        ({"most": 1, "kinds": lambda case: {"a": case["a"], "odd": case["b"] % 2}}, (1, 6)),
    ],
)
def test_which_cases_each_lane_has(options: dict[str, Any], counts: tuple[int, int]) -> None:
    """The others are there, and run where every case is asked for."""
    marks = []
    for _ in range(2):
        items = [Item(f"x[{a}-{b}]", pytest.mark.sampled(**options), a=a, b=b) for a in range(3) for b in range(10)]
        leave_to_slow(cast(list[pytest.Item], items))
        marks.append([sorted(item.marks) for item in items])
    first, again = marks
    assert first == again
    assert (first.count(["sampled"]), first.count(["sampled", "slow"])) == counts
    assert first.count(["sampled", "skipif", "slow"]) == 30 - sum(counts)


def test_the_longest_files_come_first_then_those_with_most_tests() -> None:
    names = ["core/test_a.py::x", "core/test_b.py::y", "core/test_b.py::x", f"{LONGEST[1]}::x", f"{LONGEST[0]}::z[1]"]
    items = [Item(f"tests/{name}") for name in names]
    longest_first(items)
    assert [item.nodeid.removeprefix("tests/") for item in items] == [names[at] for at in (4, 3, 1, 2, 0)]
    assert all((TESTS / file).is_file() for file in LONGEST)


@pytest.fixture
def fast(request: pytest.FixtureRequest) -> set[str]:
    """The tests of `make test`, by file and name."""
    options = request.config.option
    if options.file_or_dir or options.keyword:
        pytest.skip("only some of the tests were collected")
    items = [item for item in request.session.items if not item.get_closest_marker("slow")]
    return {item.nodeid.removeprefix("tests/").partition("[")[0] for item in items}


def files() -> list[Path]:
    return sorted(TESTS.rglob("test_*.py"))


def functions(path: Path) -> Iterator[tuple[str, bool]]:
    """The tests of a file, and whether each is marked slow as a whole."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, any(ast.unparse(mark) == "pytest.mark.slow" for mark in node.decorator_list)


@functools.cache
def imports(path: Path) -> set[str]:
    """What a file imports, dotted; of ``from a import b`` both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.importorskip":
            found.add(ast.literal_eval(node.args[0]))
    return found


def test_every_file_has_a_test_in_the_fast_lane(fast: set[str]) -> None:
    there = {name.partition("::")[0] for name in fast}
    assert {path.relative_to(TESTS).as_posix() for path in files()} - there == WHOLLY_SLOW


def test_every_test_has_a_case_in_the_fast_lane(fast: set[str]) -> None:
    """But those that are marked slow, which take ten seconds or more."""
    wanted = {
        f"{path.relative_to(TESTS).as_posix()}::{name}"
        for path in files()
        for name, slow in functions(path)
        if not slow
    }
    assert wanted - fast == set()


@pytest.mark.parametrize("oracle", ORACLES)
def test_every_oracle_is_asked_in_the_fast_lane(fast: set[str], oracle: str) -> None:
    there = {name.partition("::")[0] for name in fast}
    using = {
        path.relative_to(TESTS).as_posix()
        for path in files()
        if any(f"{name}.".startswith(f"{oracle}.") for name in imports(path))
    }
    assert using, f"no test imports {oracle}"
    assert using & there
