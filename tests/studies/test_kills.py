"""A process killed at any of its file operations: the same call goes on to the same bytes and leaves nothing over."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
from lanes import EVERY_CASE
from safetensors.numpy import load_file
from training.forks import DONE, Forks

# What holds times or names of folders beside what was computed.
TIMED = {"manifest.json", "metrics.json", "metrics.jsonl", "README.md", "environment.json"}
LOCKED_FOR_GOOD = {"study"}  # an archive and a bundle are passed on, without a lock


@pytest.fixture(scope="module")
def finished(forks: Forks, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study to make bundles and archives of."""
    out = tmp_path_factory.mktemp("kills") / "study"
    assert forks("studies.kills:work", what="study", source=str(folder), out=str(out)) == DONE
    return out


def left(out: Path, what: str) -> dict[str, bytes | None]:
    """Every file with its bytes, where they do not depend on the time."""
    timed = TIMED if what in ("study", "training") else set()
    return {
        path.relative_to(out).as_posix(): None if path.name in timed else content(path)
        for path in out.rglob("*")
        if path.is_file()
    }


def content(path: Path) -> bytes:
    """The bytes of a file; of a checkpoint those of its tensors, since its history has times."""
    if path.name != "epoch.safetensors":
        return path.read_bytes()
    return b"".join(f"{name} ".encode() + array.tobytes() for name, array in sorted(load_file(path).items()))


def check(forks: Forks, what: str, source: Path, place: Path, renames: slice, edge: int) -> None:
    """Kill before the first and last ``edge`` operations and those of the ``renames``, and after each of these.

    Before a rename the temporary file is whole, after it the next one has not begun.
    """
    (place / "whole").mkdir(parents=True)
    out, count = place / "whole" / "mine", place / "operations.json"
    arguments = {"what": what, "source": str(source)}
    assert forks("studies.kills:work", out=str(out), count=str(count), **arguments) == DONE
    wanted, names = left(out, what), json.loads(count.read_text())
    assert not [name for name in wanted if name.endswith(".tmp")]
    assert (".lock" in wanted) == (what in LOCKED_FOR_GOOD)
    every = range(1, len(names) + 1)
    chosen = [at for at in every if names[at - 1] == "replace"][renames]
    points = {(at, False) for at in (*every[:edge], *every[-edge:], *chosen)} | {(at, True) for at in chosen}
    for at, after in sorted(points):
        where = f"{what} killed {'after' if after else 'before'} {names[at - 1]}, {at} of {len(names)}"
        out = place / f"{at}-{after}" / "mine"
        killed = forks("studies.kills:work", out=str(out), kill_at=at, after=after, **arguments)
        assert killed == -signal.SIGKILL, where
        assert forks("studies.kills:work", out=str(out), **arguments) == DONE, where
        assert left(out, what) == wanted, where
        shutil.rmtree(out)


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("what", ["study", "training", "bundle", "archive"])
def test_the_first_and_the_last_operations(
    forks: Forks, folder: Path, finished: Path, tmp_path: Path, what: str
) -> None:
    source = folder if what in ("study", "training") else finished
    check(forks, what, source, tmp_path, slice(1), edge=1)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["study", "training", "bundle", "archive"])
def test_operations_all_along(forks: Forks, folder: Path, finished: Path, tmp_path: Path, what: str) -> None:
    source = folder if what in ("study", "training") else finished
    check(forks, what, source, tmp_path, *(slice(1, None, 2), 8) if EVERY_CASE else (slice(1, None, 6), 4))
