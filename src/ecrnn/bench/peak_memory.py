"""Peak memory of one variant, in a fresh process that does nothing else.

Measured is the high-water mark of the resident set (VmHWM): what the kernel had to give. It is reset when all is
built, so that importing torch, the same for all, does not hide a variant; ``work`` is how far the peak lies above what
was resident then. Where there is no /proc, the high-water mark of the whole process is all that is known.

    python -m ecrnn.bench.peak_memory '{"make": "ecrnn.bench.recurrence.make", "variant": "stock", "threads": 2,
                                   "kind": "ecrnn.bench.settings.RecurrenceSettings", "settings": {...}}'
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ecrnn.core.errors import EcrnnError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RUNS = 3
KIB_OF_MIB = 1024

T = TypeVar("T", bound="DataclassInstance")


def resident() -> tuple[float, float]:
    """(resident now, high-water mark) of this process in MiB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        kib = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if "kB" in value}
        return int(kib["VmRSS"]) / KIB_OF_MIB, int(kib["VmHWM"]) / KIB_OF_MIB
    except (OSError, KeyError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        mib = peak / (KIB_OF_MIB**2 if sys.platform == "darwin" else KIB_OF_MIB)
        return mib, mib


def reset_peak() -> None:
    """Begin the high-water mark anew, where the kernel lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_of(run: Callable[[], object]) -> dict[str, float]:
    """Run a few times in this process; the peak in MiB, and how far it lies above what was resident before."""
    reset_peak()
    before, _ = resident()
    for _ in range(RUNS):
        run()
    _, peak = resident()
    return {"peak_mib": round(peak, 1), "work_mib": round(peak - before, 1)}


def measure(make: Callable[[str, T], object], variant: str, threads: int, settings: T) -> dict[str, float]:
    """Peak memory of a variant of ours or torch's, in a process of its own.

    Args:
        make: a function of a module, which gives one call of a variant; the process finds it by its name.
        variant: as ``make`` calls it.
        threads: number of threads of torch.
        settings: a dataclass of plain values, for ``make``.

    Raises:
        EcrnnError: the process failed; the line says with what.
    """
    order = {"make": _name(make), "variant": variant, "threads": threads}
    order |= {"kind": _name(type(settings)), "settings": asdict(settings)}
    command = [sys.executable, "-m", "ecrnn.bench.peak_memory", json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise EcrnnError(f"measuring the memory of {variant} failed: {last[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _name(thing: Any) -> str:
    """The dotted name of a function or class of a module."""
    return f"{thing.__module__}.{thing.__qualname__}"


def _called(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def main(argument: str) -> None:
    """What the fresh process does."""
    import torch

    order = json.loads(argument)
    torch.set_num_threads(order["threads"])
    make, kind = _called(order["make"]), _called(order["kind"])
    print(json.dumps(peak_of(make(order["variant"], kind(**order["settings"])))))


if __name__ == "__main__":
    main(sys.argv[1])
