"""What the tests of training share: a training left alone, and torch as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from training.trainings import train


@pytest.fixture(scope="session")
def left_alone(tmp_path_factory: pytest.TempPathFactory):
    """``left_alone(**settings)``: the folder of a training with these settings that nobody stopped; made once each."""
    done: dict[str, Path] = {}

    def make(**settings) -> Path:
        key = repr(sorted(settings.items()))
        if key not in done:
            done[key] = tmp_path_factory.mktemp("left-alone")
            train(done[key], **settings)
        return done[key]

    return make


@pytest.fixture
def torch_is_put_back() -> Iterator[None]:
    """Nothing tested leaves torch with another number of threads or another random state."""
    threads, generator = torch.get_num_threads(), torch.get_rng_state()
    yield
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), generator)
