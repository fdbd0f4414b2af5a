"""Read the pickles of CIFAR without unpickling: an interpreter of the few opcodes that plain data needs.

A pickle is a program, and `pickle.load` runs it, whatever it does. Here `pickletools.genops` only takes the
program apart; the opcodes below build dicts, lists, tuples, strings, bytes, whole numbers and uint8 arrays,
nothing is imported or called, and any other opcode or name is an error. Time and memory are bounded by the
size of the file.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from ecrnn.core.errors import DataError

_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NAMES = {
    **dict.fromkeys([f"{module} _reconstruct" for module in _MODULES], "reconstruct"),
    **dict.fromkeys(["numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"], "frombuffer"),
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}
_MARK = object()
_PLAIN = (type(None), bool, int, str, bytes, list, dict, tuple, np.ndarray)


class _Name:
    """A name that the pickle mentions; only what it stands for is recorded, nothing is imported."""

    def __init__(self, what: str) -> None:
        self.what = what


class _Unbuilt:
    """An array or dtype between REDUCE and BUILD; ``keys`` are the memo's entries that point to it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.keys: list[int] = []


def read_pickle(data: bytes, where: str) -> Any:
    """The plain data that a pickle of protocol 2 to 5 holds.

    8-bit strings of Python 2 come back as bytes. Shared and recursive objects stay shared; walk them with
    care.

    Args:
        data: the whole pickle.
        where: the file's name, for errors.

    Raises:
        DataError: the pickle is truncated, or holds anything but plain data and uint8 arrays.
    """
    machine = _Machine(budget=len(data))
    try:
        for opcode, argument, _ in pickletools.genops(data):
            operation = _OPERATIONS.get(opcode.name)
            if operation is None:
                raise DataError(f"opcode {opcode.name} is not plain data")
            operation(machine, argument)
        return machine.result()
    except (
        ValueError,
        IndexError,
        KeyError,
        OverflowError,
        Warning,
    ) as error:  # Warning: with python -W error
        reason = str(error).splitlines()[0][:200] if isinstance(error, DataError) else "damaged or cut off"
        raise DataError(f"{where} is not a pickle of plain data and uint8 arrays ({reason}); it was not run") from error


class _Machine:
    """The stack and memo of one pickle. Its methods raise DataError, IndexError or KeyError on nonsense."""

    def __init__(self, budget: int) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.budget = budget  # bytes that `encode` may still make: one copy of the file, as honest pickles need

    def result(self) -> Any:
        if len(self.stack) != 1:
            raise DataError("it leaves no single value")
        return self.plain(self.stack[0])

    def plain(self, value: Any) -> Any:
        if not isinstance(value, _PLAIN):
            raise DataError("a name or an unfinished array stands where data should")
        return value

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def to_mark(self) -> list[Any]:
        """Everything above the last mark, which are all taken off the stack."""
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def take(self, n: int) -> list[Any]:
        if len(self.stack) < n or any(item is _MARK for item in self.stack[-n:]):
            raise DataError("too few values on the stack")
        items = self.stack[-n:]
        del self.stack[-n:]
        return items

    def top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise DataError(f"no {kind.__name__} to put items into")
        return self.stack[-1]

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(self.plain(item) for item in items)

    def set_items(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2 or not all(isinstance(key, str | bytes | int) for key in items[::2]):
            raise DataError("a dict's keys are not strings or whole numbers")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = self.plain(value)

    def put(self, key: int | None) -> None:
        value = self.stack[-1]
        if value is _MARK:
            raise DataError("a mark cannot be remembered")
        key = len(self.memo) if key is None else key
        self.memo[key] = value
        if isinstance(value, _Unbuilt):
            value.keys.append(key)

    def name(self, name: str) -> None:
        if name not in _NAMES:
            raise DataError(f"it names {name.replace(' ', '.')!r}")
        self.push(_Name(_NAMES[name]))

    def stack_name(self) -> None:
        module, name = self.take(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise DataError("a name is not text")
        self.name(f"{module} {name}")

    def reduce(self) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise DataError("it calls something that is not a name")
        self.push(self.call(function.what, arguments))

    def call(self, what: str, arguments: tuple[Any, ...]) -> Any:
        match what, arguments:
            case "reconstruct", (_Name(what="ndarray"), _, _):
                return _Unbuilt("array")
            case "dtype", ("u1" | b"u1" | "|u1", _, _):
                return _Unbuilt("dtype")
            case "encode", (str() as text, "latin1" | "latin-1"):
                self.budget -= len(text)
                if self.budget < 0:
                    raise DataError("its strings are larger than the file")
                return text.encode("latin-1")
            case "frombuffer", (
                bytes() as data,
                _Unbuilt(what="dtype"),
                tuple() as shape,
                "C" | "F" as order,
            ):
                return _array(data, shape, order)
        raise DataError(f"arguments of '{what}' that uint8 arrays do not have")

    def build(self) -> None:
        target, state = self.take(2)
        if not isinstance(target, _Unbuilt):
            raise DataError("it sets the state of something that is not an array")
        match target.what, state:
            case "dtype", (int(), "|" | b"|", None, None, None, -1, -1, 0):
                self.push(target)
                return
            case "array", (1, tuple() as shape, _Unbuilt(what="dtype"), bool() as fortran, bytes() as data):
                array = _array(data, shape, "F" if fortran else "C")
            case _:
                raise DataError("an array that is not of uint8")
        for key in target.keys:
            self.memo[key] = array
        self.push(array)


def _array(data: bytes, shape: tuple[Any, ...], order: str) -> np.ndarray:
    if len(shape) > 4 or not all(type(s) is int and s >= 0 for s in shape) or math.prod(shape) != len(data):
        raise DataError("an array's shape does not fit its bytes")
    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if order == "F" else "C")


def _nothing(machine: _Machine, argument: Any) -> None:
    """Opcodes that carry no data: protocol, frame, end."""


def _value(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


def _bytes_of_python_2(machine: _Machine, argument: str) -> None:
    machine.push(argument.encode("latin-1"))  # genops decoded it so


def _tuple_of(n: int) -> Callable[[_Machine, Any], None]:
    return lambda m, _: m.push(tuple(m.take(n)))


_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(["PROTO", "FRAME", "STOP"], _nothing),
    **dict.fromkeys(["BININT", "BININT1", "BININT2", "LONG1", "LONG4"], _value),
    **dict.fromkeys(["SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"], _value),
    **dict.fromkeys(["SHORT_BINBYTES", "BINBYTES", "BINBYTES8"], _value),
    **dict.fromkeys(["SHORT_BINSTRING", "BINSTRING"], _bytes_of_python_2),
    "BYTEARRAY8": lambda m, a: m.push(bytes(a)),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "MARK": lambda m, _: m.push(_MARK),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE": lambda m, _: m.push(tuple(m.to_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": lambda m, _: m.append(m.take(1)),
    "APPENDS": lambda m, _: m.append(m.to_mark()),
    "SETITEM": lambda m, _: m.set_items(m.take(2)),
    "SETITEMS": lambda m, _: m.set_items(m.to_mark()),
    **dict.fromkeys(["BINPUT", "LONG_BINPUT"], lambda m, a: m.put(a)),
    "MEMOIZE": lambda m, _: m.put(None),
    **dict.fromkeys(["BINGET", "LONG_BINGET"], lambda m, a: m.push(m.memo[a])),
    "GLOBAL": lambda m, a: m.name(a),
    "STACK_GLOBAL": lambda m, _: m.stack_name(),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.build(),
}
