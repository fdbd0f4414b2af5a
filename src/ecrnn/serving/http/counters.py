"""What a server counts, in the text format that Prometheus reads."""

from __future__ import annotations

import threading
from collections import Counter

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Histogram:
    """Values counted by upper bounds; not safe between threads by itself."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[sum(value > bound for bound in self.bounds)] += 1
        self.sum += value

    def lines(self, name: str) -> list[str]:
        """As Prometheus has it: each bucket counts all values up to its bound."""
        total, lines = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{name}_sum {self.sum:.9g}", f"{name}_count {total}"]


class Counters:
    """All that a server counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds, self._batches, self._model = Histogram(_SECONDS), Histogram(_IMAGES), Histogram(_SECONDS)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered or refused."""
        with self._lock:
            self._requests[path, status] += 1
            self._seconds.add(seconds)

    def batch(self, images: int, seconds: float) -> None:
        """Count a batch of the model."""
        with self._lock:
            self._batches.add(images)
            self._model.add(seconds)

    def text(self, waiting: int) -> str:
        """The page that Prometheus reads; ``waiting`` is the number of images that wait now."""
        with self._lock:
            requests = [
                f'ecrnn_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self._requests.items())
            ]
            parts = (
                ("ecrnn_requests_total", "counter", "Requests by path and status.", requests),
                ("ecrnn_request_seconds", "histogram", "Seconds until the answer.", None),
                ("ecrnn_batch_images", "histogram", "Images a batch of the model.", None),
                ("ecrnn_batch_seconds", "histogram", "Seconds of a batch of the model.", None),
                (
                    "ecrnn_waiting_images",
                    "gauge",
                    "Images that wait for the model.",
                    [f"ecrnn_waiting_images {waiting}"],
                ),
            )
            histograms = {
                "ecrnn_request_seconds": self._seconds,
                "ecrnn_batch_images": self._batches,
                "ecrnn_batch_seconds": self._model,
            }
            lines = []
            for name, kind, title, values in parts:
                lines += [f"# HELP {name} {title}", f"# TYPE {name} {kind}"]
                lines += histograms[name].lines(name) if values is None else values
        return "\n".join(lines) + "\n"
