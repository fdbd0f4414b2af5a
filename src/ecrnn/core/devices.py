"""Devices, precision, threads, and what is written down about the machine. torch is imported inside the functions."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import SettingsError, TrainingError
from ecrnn.core.gpu_slots import MOST_ON_GPU, sharing_gpu

if TYPE_CHECKING:
    import torch


THREADS_ELSEWHERE = 2  # of a training on machines of which nothing is known


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve(settings: TrainingSettings, jobs: int = 1, *, elsewhere: bool = False) -> TrainingSettings:
    """Settings with every "auto" decided for this machine, as they are saved with the run.

    Args:
        settings: as given.
        jobs: trainings that share the threads.
        elsewhere: other machines train, which may have the device that is named, and two threads for a training.

    Raises:
        TrainingError: a device was named that the machine does not have, or the precision of one elsewhere was not.
        SettingsError: the batch size is still "auto", which `ecrnn.training.auto_batch_size` decides for one training.
    """
    if settings.batch_size == "auto":
        raise SettingsError("training.batch_size", "auto is for 'ecrnn train'; give a number")
    device: str = settings.device
    if elsewhere and device == "cuda" and settings.precision == "auto":
        line = "what a GPU elsewhere can do is not known here"
        raise TrainingError(f"{line}; name the precision with --precision, bfloat16 or float32")
    if not elsewhere or device != "cuda":
        device = resolve_device(device)
    return settings.model_copy(
        update={
            "device": device,
            "precision": resolve_precision(settings.precision, device),
            "threads": settings.threads or (THREADS_ELSEWHERE if elsewhere else max(1, available_cores() // jobs)),
        }
    )


def resolve_device(device: str) -> str:
    """ "auto" becomes "cuda" where there is one, else "cpu".

    Raises:
        SettingsError: no device is called so.
        TrainingError: a device was named that this machine does not have.
    """
    import torch

    device = TrainingSettings.read({"device": device}).device
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device 'cuda' was asked for and torch finds no CUDA device; use --device cpu or auto")
    return device


def check_shares_gpu(device: str, trials_per_gpu: int | None) -> None:
    """Look whether trainings can share a GPU.

    Args:
        device: of the trainings: "cuda", "cpu" or "auto".
        trials_per_gpu: as asked for; None: it was not.

    Raises:
        TrainingError: the number is none, or the trainings do not run on a GPU.
    """
    if trials_per_gpu is None:
        return
    if not 1 <= trials_per_gpu <= MOST_ON_GPU:
        raise TrainingError(f"trials per GPU must be between 1 and {MOST_ON_GPU}, not {trials_per_gpu}")
    if (device := resolve_device(device) if device == "auto" else device) != "cuda":
        raise TrainingError(f"trials per GPU are for the device cuda, and these trials run on '{device}'; take --jobs")


def resolve_precision(precision: str, device: str) -> str:
    """ "auto" becomes "bfloat16" where the hardware multiplies it natively, else "float32".

    On CPUs that have it (AVX-512 BF16 or AMX) bfloat16 convolutions about double the speed of a training step; on
    others it is emulated and slower. Weights, batch statistics, recurrence and loss stay in float32 either way.
    """
    import torch

    if precision != "auto":
        return precision
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    can = torch.cpu.get_capabilities()
    return "bfloat16" if can.get("avx512_bf16") or can.get("amx_bf16") else "float32"


def autocast(device: str, precision: str) -> torch.autocast:
    """The context in which a network of this precision computes."""
    import torch

    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextlib.contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Torch computes on ``number`` threads inside (None: as many as before), and on as many as before afterwards.

    More busy threads than cores cost far more than their share, because they wait for each other actively.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, the C library keeps memory that was freed for what is allocated next; afterwards it gives it back.

    glibc by itself returns large blocks to the system at once and gets them back as fresh pages, with a page fault for
    every 4 KiB: thousands a training step. Where the C library is another, and where the user has chosen its settings
    through the environment, nothing is changed.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    chosen = any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ
    if library is None or chosen or not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(M_MMAP_MAX, 0)
    try:
        yield
    finally:
        library.mallopt(M_TRIM_THRESHOLD, 64 * 2**20)  # to which glibc's own rule grows, and never shrinks
        library.mallopt(M_MMAP_MAX, 65_536)  # its default
        library.malloc_trim(ctypes.c_size_t(0))


def environment() -> dict[str, Any]:
    """Machine and versions, for `environment.json`: what a reader needs to judge or repeat figures."""
    import torch

    packages = ("ecrnn", "torch", "numpy", "scipy", "scikit-learn", "pillow", "safetensors")
    versions = {name: _version(name) for name in packages}
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": available_cores(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "packages": versions,
    }


def machine(device: str) -> dict[str, Any]:
    """Where a training runs, as its manifest says: what its bits may depend on beside its settings.

    Args:
        device: that computes, resolved.

    Returns:
        "host"; "processor" and its "instruction_set"; "torch" and "ecrnn", their versions; with "cuda" also
        "gpu" and how many "trials_per_gpu" share it at the most.
    """
    import torch

    return {
        "host": socket.gethostname(),
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "ecrnn": _version("ecrnn"),
        **({"gpu": torch.cuda.get_device_name(), "trials_per_gpu": sharing_gpu()} if device == "cuda" else {}),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, platform.processor())
    except OSError:
        return platform.processor()
