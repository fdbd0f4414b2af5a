"""One training step of the paper's networks: ours against the same network as a user of torch writes it.

Paired and alternating: each round times one step of every variant; medians and ratios over the rounds are printed.

    python benchmarks/step.py --models cnn,ecrnn-bilstm-16 --rounds 15 --threads 2
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

from ecrnn.core.devices import autocast, environment, resolve_precision
from ecrnn.models.registry import build


class Step:
    """A network, its optimizer and one batch; calling it trains one step and gives the seconds."""

    def __init__(self, model: str, batch: int, precision: str, channels_last: bool) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = build(model).to(memory_format=layout)
        self.images = torch.randn(batch, 3, 32, 32).to(memory_format=layout)
        self.labels = torch.randint(0, 10, (batch,))
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=channels_last)
        self.precision = precision

    def __call__(self) -> float:
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        with autocast("cpu", self.precision):
            logits = self.network(self.images)
        F.cross_entropy(logits.float(), self.labels).backward()
        self.optimizer.step()
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="cnn,crnn-bilstm-16,ecrnn-bilstm-16")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    ours = resolve_precision("auto", "cpu")
    results = {}
    for model in chosen.models.split(","):
        variants = {
            "stock": Step(model, chosen.batch, "float32", channels_last=False),
            "float32": Step(model, chosen.batch, "float32", channels_last=True),
            "ours": Step(model, chosen.batch, ours, channels_last=True),
        }
        times: dict[str, list[float]] = {name: [] for name in variants}
        for number in range(chosen.rounds + 2):  # the first two warm up
            for name, step in variants.items():
                seconds = step()
                if number >= 2:
                    times[name].append(1e3 * seconds)
        medians = {f"{name}_ms": round(statistics.median(values), 1) for name, values in times.items()}
        ratio = statistics.median(a / b for a, b in zip(times["stock"], times["ours"], strict=True))
        results[model] = {**medians, "ratio_stock": round(ratio, 2)}
    about = {"precision": ours, "batch": chosen.batch, "threads": chosen.threads, "rounds": chosen.rounds}
    print(json.dumps({"steps": results, **about, "environment": environment()}, indent=2))


if __name__ == "__main__":
    main()
