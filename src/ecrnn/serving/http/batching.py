"""One thread that owns the model; images that wait are answered together, and each fails alone.

While the model computes, images gather; whatever has gathered is its next batch, so no time is lost where many ask.
Only a model that has nothing to do waits for a moment, so that requests which come together are answered together.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from ecrnn.serving.http.limits import Limits, Refused

Logits = Callable[[np.ndarray], np.ndarray]  # uint8 (n, H, W, C) -> float32 (n, classes)


@dataclass
class _Item:
    image: np.ndarray
    answer: Future[np.ndarray] = field(default_factory=Future)


class Batcher:
    """Answers images one by one, computes them together.

    Args:
        logits: the model.
        limits: of the batch and the queue.
        on_batch: called with the number of images and the seconds of each batch.
        on_start: called once by the thread, before anything else.
    """

    def __init__(
        self,
        logits: Logits,
        limits: Limits,
        on_batch: Callable[[int, float], None],
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._logits, self._limits, self._on_batch, self._on_start = logits, limits, on_batch, on_start
        self._waiting: queue.Queue[_Item | None] = queue.Queue(limits.queue)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The number of images that wait."""
        return self._waiting.qsize()

    def submit(self, image: np.ndarray) -> Future[np.ndarray]:
        """Let an image uint8 (H, W, C) wait for the model; the future gives its logits float32 (classes,).

        Raises:
            Refused: too many wait (429), or the server stops (503).
        """
        if self._stopped:
            raise Refused(503, "the server is stopping")
        item = _Item(image)
        try:
            self._waiting.put_nowait(item)
        except queue.Full as full:
            raise Refused(429, f"{self._limits.queue} images wait already; try again later") from full
        return item.answer

    def close(self) -> None:
        """Answer all that wait, and end the thread."""
        self._stopped = True
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._on_start()
        while (first := self._waiting.get()) is not None:
            batch, ended = self._gathered(first)
            self._answer([item for item in batch if item.answer.set_running_or_notify_cancel()])
            if ended:
                return

    def _gathered(self, first: _Item) -> tuple[list[_Item], bool]:
        """The next batch, and whether the server ends after it."""
        batch, until = [first], time.monotonic() + self._limits.wait
        while len(batch) < self._limits.batch:
            try:
                item = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return batch, False
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _answer(self, batch: list[_Item]) -> None:
        if not batch:
            return
        begun = time.monotonic()
        try:
            rows = self._logits(np.stack([item.image for item in batch]))
        except Exception as error:  # noqa: BLE001 - goes to those who asked, and the thread goes on
            for item in batch:
                item.answer.set_exception(error)
            return
        self._on_batch(len(batch), time.monotonic() - begun)
        for item, row in zip(batch, rows, strict=True):
            item.answer.set_result(row)
