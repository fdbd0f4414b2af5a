"""core/gpu_slots: which GPU each training has and how many share it; the driver of the GPUs only pretends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from core.lines import one_line

from ecrnn.core.devices import check_shares_gpu, machine
from ecrnn.core.errors import EcrnnError
from ecrnn.core.gpu_slots import gpus, jobs_on_gpus, share_gpu, share_of_gpu, sharing_gpu, slots
from ecrnn.core.ray_cluster import slots as slots_of_nodes


@pytest.fixture(autouse=True)
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with three GPUs."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("ECRNN_TRIALS_PER_GPU", raising=False)


def test_trainings_have_the_gpus_in_turn_and_know_how_many_share_theirs() -> None:
    found = [(slot["CUDA_VISIBLE_DEVICES"], slot["ECRNN_TRIALS_PER_GPU"]) for slot in slots("cuda", 5)]
    assert found == [("0", "2"), ("1", "2"), ("2", "1"), ("0", "2"), ("1", "2")]
    assert slots("cpu", 2) == [{}, {}]


def test_gpus_are_called_as_who_started_this_process_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three that it names, torch finds all, one or none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5a,7")
    assert gpus() == ["2", "GPU-5a", "7"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots("cuda", 2)] == ["2", "2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert slots("cuda", 2) == [{"ECRNN_TRIALS_PER_GPU": "2"}] * 2  # and the trainings will say that there is none


def test_what_a_scheduler_was_told_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"CUDA_VISIBLE_DEVICES": "1"})
    assert sharing_gpu() == 1
    share_gpu(4)
    assert [slot["ECRNN_TRIALS_PER_GPU"] for slot in slots("cuda", 1)] == ["4"]
    monkeypatch.setenv("ECRNN_TRIALS_PER_GPU", "many")
    assert sharing_gpu() == 1


def test_how_many_run_side_by_side() -> None:
    assert [jobs_on_gpus(*asked) for asked in ((1, None), (7, None), (1, 1), (1, 4), (5, 2))] == [1, 7, 3, 12, 5]
    with one_line(EcrnnError, "7 jobs with 2 on each GPU need 4 of them, and here are 3"):
        jobs_on_gpus(7, 2)


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_only_trainings_on_gpus_share_them(device: str) -> None:
    check_shares_gpu(device, None)
    check_shares_gpu("cuda", 2)
    with one_line(EcrnnError, "trials per GPU are for the device cuda, and these trials run on 'cpu'; take --jobs"):
        check_shares_gpu(device, 2)
    for number in (0, 65):
        with one_line(EcrnnError, f"trials per GPU must be between 1 and 64, not {number}"):
            check_shares_gpu("cuda", number)


def test_shares_of_a_gpu_for_ray() -> None:
    """As Ray counts, in ten-thousandths: as many as were asked for fit on one GPU, and one more does not."""
    assert share_of_gpu("cpu", 3) == 0.0
    assert share_of_gpu("cuda", None) == 1.0
    for number in range(1, 65):
        share = share_of_gpu("cuda", number)
        counted = round(share * 10_000)
        assert counted == pytest.approx(share * 10_000, abs=1e-9)
        assert number * counted <= 10_000 < (number + 1) * counted
        node = {"NodeID": "a", "Alive": True, "Resources": {"CPU": 999.0, "GPU": 1.0}}
        assert slots_of_nodes(SimpleNamespace(nodes=lambda node=node: [node]), {"CPU": 1.0, "GPU": share}) == {
            "a": number
        }


def test_the_facts_of_a_training_say_how_many_shared_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    monkeypatch.setenv("ECRNN_TRIALS_PER_GPU", "4")
    facts = machine("cuda")
    assert (facts["gpu"], facts["trials_per_gpu"]) == ("H200", 4)
    assert "trials_per_gpu" not in machine("cpu")
