"""Standard streams that are closed, as services and schedulers may start a program."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Put the null device in the place of a closed standard input, output or error.

    Else a file opened later would get the number of the closed stream, and what a library prints would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            os.set_inheritable(number, True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 until the process ends
