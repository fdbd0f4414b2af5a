"""The other side of ``keras_worker``: Keras on TensorFlow in a process of its own, which answers over pipes.

TensorFlow's thread pools would disturb torch's in one process, and so it may also live in another environment than
ecrnn: any Python that has it will do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ecrnn.bench.timing import Run
from ecrnn.core.errors import EcrnnError

if TYPE_CHECKING:
    from ecrnn.bench.settings import RecurrenceSettings, StepSettings

NOT_HERE = (
    "Keras on TensorFlow is not measured: it is not installed here; --keras-python PATH names a Python that has it"
)

# Every variant that is tried. bfloat16 under XLA is left out: on CPUs it takes ten seconds and more a step.
FLOAT32 = {"keras-xla": ("float32", True), "keras": ("float32", False)}
STEPS = {**FLOAT32, "keras-bfloat16": ("mixed_bfloat16", False)}


def default_python() -> str | None:
    """This Python, if it has TensorFlow and Keras."""
    return sys.executable if find_spec("tensorflow") and find_spec("keras") else None


class Keras:
    """A process that computes with Keras on TensorFlow. Used in a ``with`` statement.

    Args:
        python: the Python that has tensorflow and keras.
        threads: number of threads of TensorFlow.

    Attributes:
        versions: versions of both libraries.
        failed: what could not be made, by name, with the reason.
    """

    def __init__(self, python: str, threads: int) -> None:
        self.python, self.threads = python, threads
        self.failed: dict[str, str] = {}
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 closed with the process
        worker = str(Path(__file__).with_name("keras_worker.py"))
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        try:
            self.process = subprocess.Popen(
                [python, "-P", worker, str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                env=environment,
            )
        except OSError as error:
            self.errors.close()
            raise EcrnnError(f"--keras-python {python} cannot be run: {error.strerror}") from error
        try:
            hello = self._read()
            if "missing" in hello:
                raise EcrnnError(f"--keras-python {python} has no Keras on TensorFlow: {hello['missing']}")
        except BaseException:
            self.close()
            raise
        self.versions: dict[str, str] = hello["versions"]

    def __enter__(self) -> Keras:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()

    def recurrence(self, settings: RecurrenceSettings) -> dict[str, Run]:
        """The variants of a recurrent layer, with XLA and without; what cannot be made is in ``failed``."""
        return self._variants("recurrence", asdict(settings), FLOAT32)

    def recurrence_memory(self, settings: RecurrenceSettings, name: str) -> dict[str, float]:
        """Peak memory of one variant, in a fresh process."""
        return self._fresh_memory("recurrence", asdict(settings), name)

    def step(self, settings: StepSettings, parameters: int) -> dict[str, Run]:
        """The variants of a training step.

        Raises:
            EcrnnError: Keras's network does not have ``parameters`` numbers, so it is another one.
        """
        return self._variants("step", settings.for_keras(), STEPS, parameters)

    def step_memory(self, settings: StepSettings, name: str) -> dict[str, float]:
        """Peak memory of one variant, in a fresh process."""
        return self._fresh_memory("step", settings.for_keras(), name)

    def _variants(
        self, what: str, settings: dict[str, Any], kinds: dict[str, tuple[str, bool]], parameters: int | None = None
    ) -> dict[str, Run]:
        self._ask({"do": "forget"})
        runs = {}
        for name in kinds:
            answer = self._make(what, settings, name)
            if "error" in answer:
                self.failed[name] = answer["error"]
                continue
            if parameters is not None and answer["parameters"] != parameters:
                raise EcrnnError(f"Keras's network has {answer['parameters']:,} parameters instead of {parameters:,}")
            runs[name] = self._run(name)
        if not runs:
            raise EcrnnError(f"Keras cannot compute this: {next(iter(self.failed.values()))}")
        return runs

    def _make(self, what: str, settings: dict[str, Any], name: str, do: str = "make") -> dict[str, Any]:
        policy, jit = STEPS[name]
        return self._ask({"do": do, "what": what, "settings": settings, "name": name, "policy": policy, "jit": jit})

    def _run(self, name: str) -> Callable[[int], float]:
        def run(times: int) -> float:
            answer = self._ask({"do": "time", "name": name, "times": times})
            if "error" in answer:
                raise EcrnnError(f"Keras failed while it was measured ({name}): {answer['error']}")
            return float(answer["seconds"])

        return run

    def _fresh_memory(self, what: str, settings: dict[str, Any], name: str) -> dict[str, float]:
        with Keras(self.python, self.threads) as fresh:
            answer = fresh._make(what, settings, name, do="memory")
            if "error" in answer:
                raise EcrnnError(f"measuring the memory of {name} failed: {answer['error']}")
            return answer

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # what it died of is read below
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            lines = self.errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise EcrnnError(f"the process with Keras ({self.python}) ended: {lines[-1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer
