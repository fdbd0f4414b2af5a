"""What all tests share: real data where there is any, a Ctrl-C that is heard, and two lanes."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lanes import leave_to_slow, longest_first
from training.forks import Forks


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leave_to_slow(items)  # before -m chooses
    if hasattr(config, "workerinput"):  # one of several processes
        longest_first(items)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # the tests themselves are many objects, and no collection needs to walk them again


def pytest_sessionfinish() -> None:
    gc.unfreeze()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: ECRNN_TEST_DATA, else ../shared/data beside the repository.

    Where it is absent the test skips, or fails if ECRNN_REQUIRE_DATA is set, as in CI.
    """
    folder = Path(os.environ.get("ECRNN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("ECRNN_REQUIRE_DATA"):
            pytest.fail(f"no real data in {folder}, and ECRNN_REQUIRE_DATA is set")
        pytest.skip(f"no real data in {folder} (ECRNN_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A server of processes that are killed, with all that they need and what torch.optim imports at its first step."""
    with Forks("studies.small", "studies.kills", "torch._dynamo") as server:
        yield server


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of studies with one empty figure: drawing takes most of their second, and tests/report looks at it."""
    from ecrnn.report.figure import Figure
    from ecrnn.report.render import write

    def draw(analysis: Any) -> tuple[Figure, ...]:
        supplement = () if analysis.supplement is None else (analysis.supplement.draw(),)
        return (*supplement, Figure("scores", "Scores", "", "<svg ><title>Scores</title></svg>"))

    monkeypatch.setattr(write, "draw_figures", draw)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts what it puts into the background with SIGINT ignored, and the tests of Ctrl-C want it heard."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
