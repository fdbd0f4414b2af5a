"""core/streams: the numbers of closed streams are taken before a file of ours gets one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
before = [None if stream is None else stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)]
from ecrnn.core.standard_streams import open_closed_streams
open_closed_streams()
with open(sys.argv[1], "w") as result:
    assert result.fileno() > 2
    print("into nothing")
    print("into nothing", file=sys.stderr, flush=True)
    os.write(1, b"into nothing")
    assert sys.stdin.read() == ""
    assert all(os.get_inheritable(number) for number in range(3))
    result.write(repr(before))
"""


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-"])
def test_closed_streams_lead_nowhere(tmp_path: Path, closed: str) -> None:
    command = f'"{sys.executable}" -c "$1" "$2" {closed}'
    done = subprocess.run(
        ["bash", "-c", command, "bash", PROGRAM, str(tmp_path / "result")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "None" in (tmp_path / "result").read_text(), "the stream was not closed"
