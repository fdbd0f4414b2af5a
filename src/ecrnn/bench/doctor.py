"""`ecrnn doctor`: what this installation can do, one finding a line, and what would make it do more.

A finding is good, limited (everything works, something is slower or missing) or broken (results cannot be trusted).
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ecrnn.core.devices import available_cores, resolve_precision
from ecrnn.core.errors import EcrnnError

GIB = 2**30
LITTLE = GIB  # bytes of disk or memory under which trainings soon fail
_OPTIONAL = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "Keras on TensorFlow": ("keras", "tensorflow"),
}
_FOR = {
    "onnx": "networks can be exported to ONNX and compared with it",
    "Keras on TensorFlow": "'ecrnn bench' measures against it",
}


@dataclass(frozen=True)
class Finding:
    """One line: ``what`` was looked at, its ``state``, and a sentence that says it."""

    what: str
    state: Literal["good", "limited", "broken"]
    sentence: str


def examine() -> list[Finding]:
    """Look at everything."""
    return [_versions(), _processor(), *_kernels(), _precision(), *_gpu(), *_optional(), _cache(), _memory()]


def _versions() -> Finding:
    import torch

    sentence = f"ecrnn {metadata.version('ecrnn')}, Python {platform.python_version()}, torch {torch.__version__}"
    return Finding("versions", "good", sentence)


def _processor() -> Finding:
    import torch

    cores, threads = available_cores(), torch.get_num_threads()
    sentence = (
        f"{cores} core{'s' * (cores > 1)} for this process, torch computes with {threads} thread{'s' * (threads > 1)}"
    )
    if threads > cores:
        return Finding("processor", "limited", f"{sentence}: more than there are cores, which is slow; use --threads")
    return Finding("processor", "good", sentence)


def _kernels() -> Iterator[Finding]:
    """The C++ kernels: built, loadable, for which instructions, and right."""
    what = "recurrence, C++"
    try:
        cpu = import_module("ecrnn.recurrence.cpu")
        available, instructions = cpu.available(), cpu.instructions()
    except ImportError as error:
        yield Finding(what, "broken", f"the kernels are installed and cannot be loaded: {str(error).splitlines()[0]}")
        return
    if not available:
        yield Finding(
            what,
            "limited",
            "not built, torch's stock kernels serve, several times slower: there was no C++ compiler at installation; "
            "install one (Debian: apt install g++) and ecrnn again: pip install --force-reinstall --no-deps ecrnn",
        )
        return
    if fault := _fault("cpu", "cpu"):
        yield Finding(what, "broken", f"the kernels compute wrong results here: {fault}")
        return
    best = instructions[0]
    small = best == "portable" and platform.machine().lower() in ("x86_64", "amd64")
    reason = ": this processor has neither AVX2 nor AVX-512" if small else ""
    sentence = f"built and right, computes with {best} instructions{reason}"
    yield Finding(what, "limited" if small else "good", sentence)


def _fault(backend: str, device: str) -> str | None:
    """What a backend computes wrong, over all cells at small awkward shapes; None if nothing."""
    from ecrnn.bench.checks import layer
    from ecrnn.bench.settings import CELLS, RecurrenceSettings
    from ecrnn.recurrence.checking import awkward, check

    try:
        for cell in CELLS:
            settings = RecurrenceSettings(cell=cell, hidden=5, input=3, directions=2, backend=backend)
            for case in awkward(settings.case):
                check(layer("ecrnn", settings).to(device), case)
    except (RuntimeError, TypeError, ValueError) as error:  # not only Wrong: a stale build has other arguments
        return str(error).splitlines()[0]
    return None


def _precision() -> Finding:
    if resolve_precision("auto", "cpu") == "bfloat16":
        return Finding("bfloat16", "good", "this processor multiplies bfloat16 natively, trainings use it")
    return Finding("bfloat16", "limited", "this processor has no native bfloat16, trainings compute in float32")


def _gpu() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield Finding("GPU", "limited", "torch finds no CUDA device, everything runs on the CPU")
        return
    yield Finding("GPU", "good", f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name(0)}")
    what = "recurrence, Triton"
    if not find_spec("triton"):
        yield Finding(what, "limited", "triton is not installed, cuDNN's kernels serve on the GPU: pip install triton")
    elif fault := _fault("triton", "cuda"):
        yield Finding(what, "broken", f"the kernels compute wrong results here: {fault}")
    else:
        yield Finding(what, "good", f"triton {metadata.version('triton')}, the kernels are right")


def _optional() -> Iterator[Finding]:
    for what, packages in _OPTIONAL.items():
        missing = [package for package in packages if not find_spec(package)]
        if missing:
            yield Finding(what, "limited", f"not installed ({', '.join(missing)}); with it, {_FOR[what]}")
        else:
            yield Finding(what, "good", f"installed: {_FOR[what]}")


def _cache() -> Finding:
    from ecrnn.data.downloads import default_cache

    folder = default_cache()
    existing = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        sentence = f"{folder} cannot be written, so data cannot be downloaded; name another in ECRNN_CACHE"
        return Finding("data cache", "limited", sentence)
    free = shutil.disk_usage(existing).free
    sentence = f"{folder} can be written, {free / GIB:,.1f} GiB free"
    return Finding("data cache", "good" if free >= LITTLE else "limited", sentence)


def _memory() -> Finding:
    from ecrnn.bench.recurrence import available_bytes

    try:
        free = available_bytes()
    except EcrnnError:
        return Finding("memory", "limited", "this system does not say how much is free")
    return Finding("memory", "good" if free >= LITTLE else "limited", f"{free / GIB:,.1f} GiB free")
