"""What the gradient of W weights costs: back-propagation, O(W), and central differences, O(W^2) (docs/gradients.md).

    python benchmarks/gradient_cost.py --out results/gradients --images docs/images

A network with one hidden layer in NumPy float64 (`ecrnn.explain.manual_backprop.delta_rule`), squared error, on one
thread. One error costs O(W), and central differences take two for each weight. All W differences are measured up to
`--most` weights; beyond, `--places` of them, multiplied up, marked so in the file and the figure. Times are of the
processor, which other processes disturb less than the clock; the least of `--rounds`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from charts import COLOURS, INK, MUTED, STYLE
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from ecrnn.core.devices import environment
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.explain.manual_backprop import delta_rule, network_error

INPUTS, OUTPUTS, BATCH = 64, 10, 32
HIDDEN = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
STEP = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/gradients"))
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    parser.add_argument("--most", type=int, default=5000, help="weights up to which every difference is measured")
    parser.add_argument("--places", type=int, default=200, help="differences measured beyond")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hidden", type=int, nargs="+", default=HIDDEN, help="sizes of the hidden layer")
    chosen = parser.parse_args()
    with threadpool_limits(1):
        sizes = [measure(hidden, chosen.most, chosen.places, chosen.rounds) for hidden in chosen.hidden]
    found = {
        "what": "gradient-cost",
        "batch": BATCH,
        "rounds": chosen.rounds,
        "clock": "processor time of the process, one thread, least of the rounds",
        "slope_back_propagation": slope(sizes, "back_propagation_ms"),
        "slope_central_differences": slope(sizes, "central_differences_ms"),
        "sizes": sizes,
        "environment": environment(),
    }
    make_folder(chosen.out)
    write_atomically(chosen.out / "cost.json", json.dumps(found, indent=1) + "\n")
    make_folder(chosen.images)
    with matplotlib.rc_context(STYLE):
        path = chosen.images / "gradient-cost.svg"
        draw(found).savefig(path, format="svg", facecolor="white", metadata={"Date": None})
    print(chosen.out / "cost.json", path, sep="\n")


def measure(hidden: int, most: int, places: int, rounds: int) -> dict[str, Any]:
    """Both ways to the gradient at one size, in milliseconds of processor time."""
    rng = np.random.default_rng(0)
    shapes = {"hidden.weight": (hidden, INPUTS), "hidden.bias": (hidden,)}
    shapes |= {"output.weight": (OUTPUTS, hidden), "output.bias": (OUTPUTS,)}
    weights = {name: 0.1 * rng.standard_normal(shape) for name, shape in shapes.items()}
    x, labels = rng.standard_normal((BATCH, INPUTS)), rng.integers(OUTPUTS, size=BATCH)
    W = sum(w.size for w in weights.values())
    flat = [(w.reshape(-1), k) for w in weights.values() for k in range(w.size)]
    measured = flat if most >= W else [flat[k] for k in rng.choice(W, places, replace=False)]

    def error() -> float:
        return network_error(x, labels, weights, "sigmoid")[0]

    def differences() -> None:
        for values, k in measured:
            kept = values[k]
            values[k] = kept + STEP
            above = error()
            values[k] = kept - STEP
            assert np.isfinite((above - error()) / (2 * STEP))
            values[k] = kept

    repeats = max(1, 100_000 // W)  # the clock ticks in microseconds
    backward = least(lambda: [delta_rule(x, labels, weights, "sigmoid") for _ in range(repeats)], rounds) / repeats
    numeric = least(differences, 1 if W > 1000 else rounds) * W / len(measured)
    return {
        "weights": W,
        "hidden": hidden,
        "back_propagation_ms": 1e3 * backward,
        "central_differences_ms": 1e3 * numeric,
        "differences_measured": len(measured),
    }


def least(call: Callable[[], object], rounds: int) -> float:
    """Seconds of processor time."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def slope(sizes: list[dict[str, Any]], name: str) -> float:
    """The power of W with which the larger half of the sizes grows; small ones are all overhead."""
    large = sizes[len(sizes) // 2 :]
    if len(large) < 2:
        return float("nan")
    logs = np.log([[one["weights"], one[name]] for one in large])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def draw(found: dict[str, Any]) -> Figure:
    """Both on logarithmic axes; hollow where only a part of the differences was measured."""
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    weights = [one["weights"] for one in found["sizes"]]
    looks = (("central_differences", "central differences", "stock"), ("back_propagation", "back-propagation", "ecrnn"))
    for name, label, colour in looks:
        times = [one[f"{name}_ms"] for one in found["sizes"]]
        whole = [name == "back_propagation" or one["differences_measured"] == one["weights"] for one in found["sizes"]]
        axes.plot(
            weights, times, color=COLOURS[colour], lw=1.8, label=f"{label}, grows as W^{found['slope_' + name]:.2f}"
        )
        for x, y, full in zip(weights, times, whole, strict=True):
            axes.plot(x, y, "o", ms=5, color=COLOURS[colour], mfc=COLOURS[colour] if full else "white")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid()
    axes.set_axisbelow(True)
    axes.set_title("All gradients of a network with W weights, ms of processor time")
    axes.legend(frameon=False, loc="upper left", labelcolor=INK)
    machine = found["environment"]["processor"]
    places = found["sizes"][-1]["differences_measured"]
    caption = f"W; {machine}, one thread; hollow: {places:,} differences, multiplied up; powers over the larger half"
    axes.set_xlabel(caption, loc="left", fontsize=8, color=MUTED)
    return figure


if __name__ == "__main__":
    main()
