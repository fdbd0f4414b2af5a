"""core/devices: what "auto" becomes, and that what was asked for is used or refused."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest
import torch
from core.lines import one_line

from ecrnn.core import devices
from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import TrainingError


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch):
    def pretend(there: bool, bf16: bool = True) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)

    return pretend


def test_devices(cuda) -> None:
    cuda(False)
    assert devices.resolve_device("auto") == "cpu"
    assert devices.resolve_device("cpu") == "cpu"
    with one_line(TrainingError, "'cuda'", "--device cpu"):
        devices.resolve_device("cuda")
    cuda(True)
    assert devices.resolve_device("auto") == "cuda"
    assert devices.resolve_device("cuda") == "cuda"
    assert devices.resolve_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx2": True}, "float32"),
    ],
)
def test_precision_on_cpu(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert devices.resolve_precision("auto", "cpu") == expected
    assert devices.resolve_precision("float32", "cpu") == "float32"
    assert devices.resolve_precision("bfloat16", "cpu") == "bfloat16"


def test_precision_on_gpu(cuda) -> None:
    cuda(True, bf16=True)
    assert devices.resolve_precision("auto", "cuda") == "bfloat16"
    cuda(True, bf16=False)
    assert devices.resolve_precision("auto", "cuda") == "float32"


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_autocast(precision: str, dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(2, 2)
    with devices.autocast("cpu", precision):
        assert layer(torch.zeros(1, 2)).dtype == dtype
    assert layer(torch.zeros(1, 2)).dtype == torch.float32


def test_environment_is_plain_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available_cores", lambda: 6)
    environment = json.loads(json.dumps(devices.environment()))
    assert torch.__version__.startswith(environment["packages"]["torch"])
    assert environment["packages"]["ecrnn"]
    assert environment["cores"] == 6
    assert environment["python"].count(".") == 2


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert devices._version("ecrnn-no-such-package") is None


FAULTS = """
import resource, torch
from ecrnn.core.devices import freed_memory_kept
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.ones(1 << 20, dtype=torch.uint8) for _ in range(100)]  # 100 MB
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
start = resident()
with freed_memory_kept():
    faults()
    inside = min(faults() for _ in range(3))  # the system may take pages back now and then
grown = resident() - start
print(inside, faults(), grown)
"""


def _faults(**environment):
    made = subprocess.run(
        [sys.executable, "-c", FAULTS], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return map(int, made.stdout.split())


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_freed_memory_is_kept_inside_and_given_back():
    inside, after, grown = _faults()
    assert inside < 100
    assert after > 20 * 100  # of a hundred MB twenty times, at least a hundred pages each time
    assert grown < 50e6  # of 100 MB that were in use


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_settings_in_the_environment_are_left_alone():
    inside, _, _ = _faults(MALLOC_TRIM_THRESHOLD_="131072")
    assert inside > 20 * 100


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 3, 5, 7}, raising=False)
    assert devices.available_cores() == 4
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert devices.available_cores() == 6


def test_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available_cores", lambda: 6)
    settings = devices.resolve(TrainingSettings(device="cpu"), jobs=2)
    assert settings.threads == 3
    assert settings.precision in ("float32", "bfloat16")
    assert devices.resolve(settings) == settings
    assert devices.resolve(TrainingSettings(threads=3), jobs=1000).threads == 3
    assert devices.resolve(TrainingSettings(), jobs=1000).threads == 1
