"""Read the batches of CIFAR, which are pickles of Python 2, without unpickling.

A pickle is a program, and `pickle.load` runs it. `pickletools.genops` only takes it apart, and of its opcodes the
function below knows those that the data of the official files need: whatever a pickle names stays text, nothing is
imported or called. Callers compare the checksum of the file first, so only official files come here
(docs/decisions/cifar-without-pickle.md).
"""

from __future__ import annotations

import pickletools
from typing import Any

import numpy as np

from ecrnn.core.errors import DataError

_NAMES = ("numpy dtype", "numpy ndarray", "numpy.core.multiarray _reconstruct")  # all that the official files name


def read_pickle(data: bytes, where: str) -> Any:
    """The dicts, lists, tuples, bytes, whole numbers and uint8 arrays of a pickle of protocol 2.

    Args:
        data: the whole pickle.
        where: the file's name, for errors.

    Returns:
        Its value; 8-bit strings of Python 2 are bytes.

    Raises:
        DataError: the pickle is cut off, or holds something else.
    """
    try:
        return _value(data)
    except (ValueError, LookupError, TypeError, AttributeError, Warning) as error:  # Warning: with -W error
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{where} is not a batch of CIFAR as published ({reason}); it was not run") from error


def _value(data: bytes) -> Any:  # noqa: PLR0912 - one case an opcode
    stack: list[Any] = []
    marks: list[int] = []  # the heights of the stack where a MARK stands
    memo: dict[Any, Any] = {}

    def take(start: int) -> list[Any]:
        """The values from ``start`` to the top, taken off."""
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, argument, _ in pickletools.genops(data):
        match opcode.name:
            case "PROTO" | "STOP":
                pass
            case "BININT" | "BININT1" | "BININT2":
                stack.append(argument)
            case "GLOBAL":
                if argument not in _NAMES:
                    raise ValueError(f"it names {argument!r}")
                stack.append(argument)  # the name, "module name"
            case "SHORT_BINSTRING" | "BINSTRING":
                stack.append(str(argument).encode("latin-1"))  # genops decoded it so
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(take(marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(take(-int(opcode.name[-1]))))
            case "APPEND" | "APPENDS":
                items = take(marks.pop() if opcode.name == "APPENDS" else -1)
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = take(marks.pop() if opcode.name == "SETITEMS" else -2)
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "REDUCE":
                name, arguments = take(-2)
                stack.append((name, *arguments))
            case "BUILD":
                stack.append(_built(*take(-2)))
            case other:
                raise ValueError(f"opcode {other} is not plain data")
    (value,) = stack
    return value


def _built(call: tuple[Any, ...], state: tuple[Any, ...]) -> Any:
    """A type or an array of NumPy, from the call that a pickle wants (name, arguments) and the state it sets."""
    match call, state:
        case ("numpy dtype", b"u1", 0, 1), _:
            return np.uint8
        case ("numpy.core.multiarray _reconstruct", *_), (1, shape, np.uint8, bool() as fortran, bytes() as values):
            return np.frombuffer(values, np.uint8).reshape(shape, order="F" if fortran else "C")
    raise ValueError("it holds an object that is not an array of uint8")
