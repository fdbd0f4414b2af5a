"""core/leases: one holder a claim, silence by the watcher's own clock, and a holder that notices that it has lost."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core import leases as module
from ecrnn.core.errors import EcrnnError
from ecrnn.core.leases import DIED, FAILED, LEFT, Claim, Lease, Leases


class Clock:
    """A monotonic clock that only `pass_by` moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.monotonic)
    return clock


def taken(leases: Leases, name: str = "cnn.0", number: int = 1) -> Lease:
    lease = leases.take(name, number)
    assert lease is not None
    return lease


def read(leases: Leases, name: str = "cnn.0", number: int = 1) -> Claim:
    claim = leases.read(name, number)
    assert claim is not None
    return claim


@pytest.mark.parametrize("room", [None, 5])
def test_a_full_disk_gives_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int | None) -> None:
    """Nor a file of one, which nobody would have, and whose number would be lost. Where a few bytes fit in, too."""
    write = os.write

    def full(handle: int, content: bytes) -> int:
        if room is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, content[:room])

    leases = Leases(tmp_path / "w")
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", full)
        with one_line(EcrnnError, f"cannot write {tmp_path / 'w' / 'cnn.0.1'}: "):
            leases.take("cnn.0", 1)
    assert leases.numbers() == {}
    assert read(leases, number=taken(leases).number).pid == os.getpid()


def test_one_process_gets_a_claim_and_all_read_who(tmp_path: Path) -> None:
    mine, theirs = Leases(tmp_path / "w", 20, host="a"), Leases(tmp_path / "w", host="b")
    assert mine.numbers() == {}
    lease = taken(mine)
    assert theirs.take("cnn.0", 1) is None
    assert theirs.take("cnn.1", 1) is not None
    claim = read(theirs)
    assert (claim.host, claim.pid, claim.lease, claim.ended, claim.mark) == ("a", os.getpid(), 20, "", "")
    lease.note(mark="m")
    lease.end(LEFT, "why")
    assert (read(theirs).ended, read(theirs).reason, read(theirs).mark, read(theirs).host) == (LEFT, "why", "m", "a")
    assert theirs.numbers() == {"cnn.0": [1], "cnn.1": [1]}


def test_silence_is_time_that_the_watcher_has_watched(tmp_path: Path, clock: Clock) -> None:
    """Whatever the clocks of the holder and of the file system say."""
    holder, watcher = Leases(tmp_path, 60, host="a"), Leases(tmp_path, 5, host="b")
    lease = taken(holder)
    for stamp in (0, 2**33):
        os.utime(tmp_path / "cnn.0.1", (stamp, stamp))
        assert not watcher.is_silent(read(watcher))
    for _ in range(8):  # signs as they should come: it is never silent
        clock.pass_by(15)
        assert lease.sign()
        assert not watcher.is_silent(read(watcher))
    silent = []
    for _ in range(5):
        clock.pass_by(15)
        silent.append(watcher.is_silent(read(watcher)))
    assert silent == [False, False, False, True, True]  # 60 s, which the claim says, not the watcher's 5
    lease.sign()
    assert not watcher.is_silent(read(watcher))


def test_a_watcher_that_was_stopped_itself_has_not_watched(tmp_path: Path, clock: Clock) -> None:
    watcher = Leases(tmp_path, host="b")
    taken(Leases(tmp_path, 60, host="a"))
    assert not watcher.is_silent(read(watcher))
    clock.pass_by(10_000)
    assert not watcher.is_silent(read(watcher))


def test_a_holder_notices_a_higher_number_and_a_claim_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(tmp_path)
    first = taken(leases)
    assert first.sign()
    monkeypatch.setattr(module, "_MAX_CLAIM", 10)  # of a claim that is full, signs are still seen
    full = read(leases)
    assert first.sign()
    assert read(leases).signs == full.signs + 1
    second = taken(leases, number=2)
    before = (tmp_path / "cnn.0.1").read_bytes()
    assert not first.sign()
    assert first.lost
    assert (tmp_path / "cnn.0.1").read_bytes() == before
    leases.forget("cnn.0", [1, 2])
    assert leases.numbers() == {}
    assert not second.lost
    assert not second.sign()
    assert leases.numbers() == {}  # a sign of life makes no claim


def test_a_holder_of_old_does_not_write_into_a_claim_of_the_same_number(tmp_path: Path) -> None:
    """Numbers begin anew where claims were deleted, because a trial is finished or to be tried again."""
    leases = Leases(tmp_path)
    old = taken(leases)
    leases.forget("cnn.0", [1])
    new = taken(leases)
    before = (tmp_path / "cnn.0.1").read_bytes()
    old.end(LEFT)
    assert not old.sign()
    assert (tmp_path / "cnn.0.1").read_bytes() == before
    assert new.sign()
    assert read(leases).token == new.token != old.token


def test_a_watcher_of_old_knows_a_new_claim_of_the_same_number(tmp_path: Path, clock: Clock) -> None:
    """It takes it neither for the one that ended, nor for the silent one, also where both are as long."""
    leases, watcher = Leases(tmp_path, host="a"), Leases(tmp_path, host="b")
    taken(leases).end(FAILED, "no luck")
    assert read(watcher).ended == FAILED
    leases.forget("cnn.0", [1])
    taken(leases)
    assert read(watcher).ended == ""

    silent = []
    for token in ("a", "b"):
        (tmp_path / "cnn.0.1").write_text(f'{{"token": "{token}", "lease": 60.0}}')
        for _ in range(4):
            silent.append(watcher.is_silent(read(watcher)))
            clock.pass_by(15)
    assert not any(silent)


def test_signs_come_by_themselves_until_it_is_lost(tmp_path: Path) -> None:
    leases = Leases(tmp_path, 0.4)
    lease = taken(leases)
    signs = {read(leases).signs}
    with lease.signs():
        deadline = time.monotonic() + 20
        while len(signs) < 3 and time.monotonic() < deadline:
            signs.add(read(leases).signs)
            time.sleep(0.01)
        assert len(signs) >= 3
        taken(leases, number=2)
        while not lease.lost and time.monotonic() < deadline:
            time.sleep(0.01)
    assert lease.lost


def test_a_file_system_that_refuses_for_a_moment_takes_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = taken(Leases(tmp_path))

    def stale(*_: object) -> int:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", stale)
        assert lease.sign()
    assert lease.sign()


def test_the_claims_of_a_dead_process_are_ended(tmp_path: Path) -> None:
    leases, others = Leases(tmp_path, host="a"), Leases(tmp_path, host="b")
    taken(leases)
    taken(others, "cnn.1")
    taken(leases, "cnn.2").end(LEFT)
    assert leases.bury("a", os.getpid(), "killed") == ["cnn.0"]
    assert (read(others).ended, read(others).reason) == (DIED, "killed")
    assert read(others, "cnn.1").ended == ""
    assert read(others, "cnn.2").ended == LEFT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'\n{"host": "a", "pid": 1',
        b"\xff\xfe{{{",
        b'{"host": 3, "pid": "x", "since": [], "lease": "long", "ended": {}}\n[1]\n',
        b'{"lease": 1e9, "host": "' + b"h" * 5000 + b'"}\n',
    ],
)
def test_a_claim_that_is_cut_or_foreign_is_held_by_somebody(tmp_path: Path, clock: Clock, content: bytes) -> None:
    """And falls silent like any other."""
    (tmp_path / "cnn.0.1").write_bytes(content)
    leases = Leases(tmp_path)
    claim = read(leases)
    assert claim.ended == ""
    assert 0.1 <= claim.lease <= 86_400
    assert len(claim.host) <= 500
    assert not leases.is_silent(claim)
    for _ in range(4):
        clock.pass_by(claim.lease / 4)
        leases.is_silent(read(leases))
    assert leases.is_silent(read(leases))


def test_files_that_are_no_claims(tmp_path: Path) -> None:
    for name in ("cnn.0.1.folder", "cnn.0.1\u0663", "cnn.0.01", "cnn.0.x", ".5", "notes"):
        (tmp_path / name).write_text("")
    assert Leases(tmp_path).numbers() == {}
    assert Leases(tmp_path).read("cnn.0", 1) is None


def test_what_is_no_file_is_no_claim(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "cnn.0.1").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "cnn.1.1")
    for name in ("cnn.0", "cnn.1"):
        with one_line(EcrnnError, f"cannot read {tmp_path / name}.1"):
            Leases(tmp_path).read(name, 1)


def test_numbers_end(tmp_path: Path) -> None:
    """Beyond the last one a claim would not be seen, and who asks for it would ask for ever."""
    (tmp_path / "cnn.0.999999").write_text('{"ended": "died"}\n')
    with one_line(EcrnnError, f"{tmp_path} has a claim with the number 999999 on cnn.0"):
        Leases(tmp_path).take("cnn.0", Leases(tmp_path).numbers()["cnn.0"][-1] + 1)
    assert os.listdir(tmp_path) == ["cnn.0.999999"]
