"""What all tests share: real data where there is any, a Ctrl-C that is heard, and two lanes."""

from __future__ import annotations

import copy
import functools
import gc
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from commands import Commands, one_of_the_cores
from lanes import leave_to_slow, longest_first
from report.undrawn import leave_undrawn
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


@pytest.fixture(scope="session")
def commands(forks: Forks) -> Commands:
    """Commands in processes of their own that begin at once."""
    return Commands(forks)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of studies with one empty figure: drawing takes most of their second, and tests/report looks at it."""
    leave_undrawn(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def digits_are_read_once() -> Iterator[None]:
    """Those of scikit-learn, and by which any images are recognised: a tenth of a second each, in every study."""
    from ecrnn.data import image_set
    from ecrnn.data.digits import DigitsSource
    from ecrnn.data.keys import Keys

    of_images, load, found = image_set.of_images, functools.cache(DigitsSource.load), {}

    def keys(images: np.ndarray) -> Keys:
        of = images.shape, hashlib.sha256(images.tobytes()).digest()
        return found[of] if of in found else found.setdefault(of, of_images(images))

    with (
        patch.object(image_set, "of_images", keys),
        patch.object(DigitsSource, "load", lambda self, *others: copy.deepcopy(load(self, None, None))),
    ):
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_is_flushed() -> Iterator[None]:
    """What only a loss of power would show takes a disk milliseconds a file; tests of flushing have their own."""
    with patch.object(os, "fsync", os.fstat):
        yield


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """As many threads as cores are for a training alone: oneDNN's wait actively, beside other tests for each other."""
    with patch.object(os, "sched_getaffinity", one_of_the_cores, create=True):
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts what it puts into the background with SIGINT ignored, and the tests of Ctrl-C want it heard."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
