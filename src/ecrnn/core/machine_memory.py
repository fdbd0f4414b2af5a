"""How much memory a process may have on this machine."""

from __future__ import annotations

import os
from pathlib import Path

UNKNOWN = 4 * 2**30  # bytes, where the system does not say
_CGROUPS = Path("/sys/fs/cgroup")


def machine_memory() -> int:
    """Bytes of memory of this machine, or as many as the process may have of them (cgroups of containers and jobs)."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        whole = UNKNOWN
    return min([whole, *_limits(_CGROUPS, Path("/proc/self/cgroup"))])


def device_memory(device: str) -> int:
    """Bytes of memory of a device, "cpu" or "cuda"."""
    if device == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(0).total_memory)
    return machine_memory()


def _limits(root: Path, membership: Path) -> list[int]:
    """The limits of the groups of cgroups, version 1 or 2, in which the process is, from the innermost to ``root``."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        version_1 = "memory" in controllers.split(",")
        if controllers and not version_1:
            continue
        base, name = (root / "memory", "memory.limit_in_bytes") if version_1 else (root, "memory.max")
        group = base / place.strip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(base):
                break
            found += _number(folder / name)
    return found


def _number(path: Path) -> list[int]:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return []
    return [int(text)] if text.isdigit() and int(text) > 0 else []
