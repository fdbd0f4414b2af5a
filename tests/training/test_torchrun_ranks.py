"""A training by several processes is that of one, up to rounding, and goes on with the same bits."""

from __future__ import annotations

from typing import Any

import pytest
from training.small_tasks import MODELS
from training.two_ranks import IMAGES, POLICIES, start

from ecrnn.training.torchrun_ranks import joined, share


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return start(tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", [*IMAGES, *MODELS, *POLICIES, "fewer than ranks"])
def test_two_ranks_are_one(found: dict[str, Any], case: str) -> None:
    assert found[case] < 1e-5  # largest difference of weights, statistics, losses and scores, relative to 1 + the value


def test_a_signal_to_one_rank_stops_all_at_one_step(found: dict[str, Any]) -> None:
    assert found["stopped"] == [5, 5]  # it comes after step 4, and all have heard of it after the next


def test_each_rank_draws_for_itself(found: dict[str, Any]) -> None:
    assert found["drawn"][0] != pytest.approx(found["drawn"][1], abs=1e-3)


def test_torchs_own_batch_normalisation_is_refused(found: dict[str, Any]) -> None:
    assert found["refused"].startswith("layer 0 is torch's own batch normalisation")


def test_the_death_of_a_rank_is_one_line(found: dict[str, Any]) -> None:
    assert found["lost"].startswith("rank 0 of 2: a connection to the other processes of this training is lost")
    assert "--resume" in found["lost"]


@pytest.mark.parametrize(("n", "world"), [(7, 2), (8, 3), (3, 3), (100, 7)])
def test_shares_are_a_batch(n: int, world: int) -> None:
    shares = [share(n, rank, world) for rank in range(world)]
    assert [i for start, end in shares for i in range(start, end)] == [*range(n)]
    assert {end - start for start, end in shares} <= {n // world, n // world + 1}


def test_one_process_is_no_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    with joined("cpu") as ranks:
        assert ranks is None
    monkeypatch.setenv("WORLD_SIZE", "4")  # of somebody else's
    with joined("cpu") as ranks:
        assert ranks is None
