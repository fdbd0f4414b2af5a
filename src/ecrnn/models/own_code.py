"""Models of your own, from a file that is named on the command line or in Python.

A file is run only because somebody named it: never because a configuration, a study or a bundle does. Its families
register themselves as ecrnn's own do. One file holds all of a model's code, so that its SHA-256 says which model it is.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping
from importlib.abc import SourceLoader
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.reading import read_bytes
from ecrnn.models import registry
from ecrnn.models.family import MAX_SOURCE, Family, Source

_loaded: dict[Path, Source] = {}


def load_code(path: str | Path) -> tuple[str, ...]:
    """Run a file of models.

    Args:
        path: a Python file, in which `ecrnn.register` decorates classes or functions.

    Returns:
        The names of its families.

    Raises:
        EcrnnError: it cannot be read or run, or registers nothing; one line with the place of the fault.
    """
    path = Path(path)
    source = Source(path.name, read_bytes(path, MAX_SOURCE))
    place = path.resolve()
    if _loaded.get(place) == source:
        return _families_of(source)
    module = types.ModuleType(f"{registry.FILE_MODULE}{hashlib.sha256(str(place).encode()).hexdigest()[:12]}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module  # where `inspect` and pickled classes look
    token = registry.reading.set(source)  # by which the families of the file are known again
    try:
        _Loader(place, source.content).exec_module(module)
    except EcrnnError as error:
        raise EcrnnError(f"{path}: {error}") from error
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise EcrnnError(f"{path}{line}: {error.msg}") from error
    except SystemExit as error:
        raise EcrnnError(f"{path}{line_of(error, place)}: it leaves Python (SystemExit: {error})") from error
    except Exception as error:
        raise EcrnnError(f"{path}{line_of(error, place)}: {type(error).__name__}: {error}") from error
    finally:
        registry.reading.reset(token)
    names = _families_of(source)
    if not names:
        raise EcrnnError(f"{path} registers no model; decorate a class with @ecrnn.register(name, task=...)")
    _loaded[place] = source
    return names


class _Loader(SourceLoader):
    """Runs a file whose content was read already, so that what runs is what the digest is of; keeps no bytecode."""

    def __init__(self, place: Path, content: bytes) -> None:
        self.place, self.content = place, content

    def get_filename(self, fullname: str) -> str:
        return str(self.place)

    def get_data(self, path: str | bytes) -> bytes:
        return self.content


def loaded_files() -> tuple[Path, ...]:
    """The files that were run, for other processes that work on the same study."""
    return tuple(_loaded)


def check_workers_know(families: Iterable[str]) -> None:
    """Look whether another process can build networks of these families.

    Raises:
        EcrnnError: one was registered in this process alone.
    """
    for row in map(registry.find, families):
        here = row.source is not None and row.source not in _loaded.values()
        if here and row.name not in registry.plugins():
            line = f"model '{row.name}' is known to this process alone; with more than one job"
            raise EcrnnError(f"{line} write it into a file and name that with code=, or --code")


def _families_of(source: Source) -> tuple[str, ...]:
    return tuple(name for name, row in registry.families().items() if row.source == source)


def line_of(error: BaseException, file: Path | str) -> str:
    """The last line of ``file`` that an error went through, as ", line 7"; "" if it went through none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""


def builder_of(row: Family) -> Callable[..., Any]:
    """The class or function that builds the networks of a family, without what stands around it."""
    target = row.builder
    while isinstance(target, functools.partial):
        target = target.func
    return inspect.unwrap(target)


def file_of(row: Family) -> str:
    """The file that a family of somebody's own code stands in, as tracebacks name it."""
    assert row.source is not None
    return inspect.getsourcefile(builder_of(row)) or row.source.file


def place_of(error: BaseException) -> str:
    """Where in the code of somebody's own models an error came up, as "my_models.py, line 7"; "" if it did not."""
    for row in registry.families().values():
        if row.source is not None and (line := line_of(error, file_of(row))):
            return row.source.file + line
    return ""


def digests(names: tuple[str, ...] | list[str]) -> Mapping[str, str]:
    """SHA-256 of the source of those of ``names`` that are families of somebody's own code."""
    rows: list[Family] = [registry.find(name) for name in dict.fromkeys(names)]
    return {row.name: row.source.sha256 for row in rows if row.source is not None}


def check_digest(family: str, expected: str, what: str) -> None:
    """Look whether the code of a family is that with which something was made.

    Args:
        family: its name.
        expected: SHA-256 of the file then.
        what: was made with it, for the error.

    Raises:
        EcrnnError: it is another; one line.
    """
    row = registry.find(family)
    found = row.source.sha256 if row.source is not None else "none"
    if found != expected:
        file = row.source.file if row.source is not None else "ecrnn itself"
        raise EcrnnError(f"{file} has SHA-256 {found[:12]}, and '{family}' had {expected[:12]} in {what}")
