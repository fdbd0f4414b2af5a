"""How the tests look at errors: of the kind, in one line, with what a user needs to know in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def one_line(kind: type[Exception], *parts: object) -> Iterator[None]:
    """``with one_line(RunDirectoryError, "part", path): ...``: raised, in one line, with all parts in it."""
    with pytest.raises(kind) as caught:
        yield
    line = str(caught.value)
    assert line
    assert len(line.splitlines()) == 1, line
    for part in parts:
        assert str(part) in line
