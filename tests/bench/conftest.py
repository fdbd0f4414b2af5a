"""Stand-ins: for Keras's process, which speaks the worker's language and computes nothing, and for the clock."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

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


@pytest.fixture
def three_times(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], None]:
    """`three_times(module)`: each variant of that measurement is run once, the best of them a third as fast as ours."""

    def put(module: ModuleType) -> None:
        def alternate(variants: dict[str, Callable], rounds: int, **options: Any) -> dict[str, list[float]]:
            for run in variants.values():
                run(1)
            seconds = {"ecrnn": 0.1, "keras-xla": 0.4, "keras-bfloat16": 0.4}
            return {name: [seconds.get(name, 0.3)] * rounds for name in variants}

        monkeypatch.setattr(module, "alternate", alternate)

    return put
