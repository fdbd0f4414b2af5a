"""The memory of this machine, and the limits of the groups that a process is in."""

from __future__ import annotations

import os
from pathlib import Path

from ecrnn.core.machine_memory import _limits, machine_memory


def test_no_more_than_the_machine_has() -> None:
    assert 2**28 < machine_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_limits_of_the_groups_of_a_process(tmp_path: Path) -> None:
    job = tmp_path / "slurm" / "job_7"
    old = tmp_path / "memory" / "docker" / "3f"
    for folder in (job, old):
        folder.mkdir(parents=True)
    (job / "memory.max").write_text("max\n")
    (job.parent / "memory.max").write_text("3000000000\n")
    (tmp_path / "memory.max").write_text("9000000000\n")
    (old / "memory.limit_in_bytes").write_text("1000000000\n")
    membership = tmp_path / "cgroup"
    membership.write_text("0::/slurm/job_7\n")
    assert _limits(tmp_path, membership) == [3_000_000_000, 9_000_000_000]
    membership.write_text("5:cpu,cpuacct:/docker/3f\n4:memory:/docker/3f\n")
    assert _limits(tmp_path, membership) == [1_000_000_000]
    assert _limits(tmp_path, tmp_path / "none") == []
