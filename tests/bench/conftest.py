"""A stand-in for Keras's process: it speaks the worker's language and computes nothing."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

STAND_IN = """#!{python}
import json, sys
say = lambda **answer: print(json.dumps(answer), flush=True)
{hello}
for line in sys.stdin:
    order = json.loads(line)
    with open({log!r}, "a") as log:
        log.write(line)
    {extra}
    match order["do"]:
        case "make":
            say(parameters={parameters})
        case "time":
            say(seconds=order["times"] * (0.05 if order["name"] == "keras" else 0.2))
        case "memory":
            say(peak_mib=500.0, work_mib=100.0)
        case _:
            say()
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., str]:
    """`stand_in(...)` makes a "Python" for --keras-python; its orders are written to tmp_path / "orders"."""

    def make(
        hello: str = "say(versions=dict(tensorflow='2.0', keras='3.0'))", extra: str = "pass", parameters: int = 7
    ) -> str:
        path = tmp_path / "python-with-keras"
        log = str(tmp_path / "orders")
        text = STAND_IN.format(python=sys.executable, hello=hello, extra=extra, parameters=parameters, log=log)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return str(path)

    if os.name != "posix":
        pytest.skip("scripts are no programs here")
    return make
