"""Draws the charts of docs/speed.md from what `ecrnn bench ... --json` printed.

    python benchmarks/charts.py results/speed/*.json --out docs/images

The files say themselves what they hold. Several files of one kind make one chart; each chart is an SVG file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 8.4  # inches
INK, MUTED, GRID = "#1f2328", "#59636e", "#d8dee4"
COLOURS = {"ecrnn": "#0f6fb8", "stock": "#c4502b", "tuned": "#d99a2b", "keras": "#7a5ea8", "onnx": "#3d8f5f"}
NAMES = {
    "ecrnn": "ecrnn",
    "stock": "torch",
    "tuned": "torch, tuned",
    "tuned-float32-rnn": "torch, tuned, RNN in float32",
    "keras": "Keras on TensorFlow",
    "keras-xla": "Keras on TensorFlow, XLA",
    "keras-bfloat16": "Keras on TensorFlow, bfloat16",
    "onnx": "ONNX Runtime",
    "onnx-1-thread": "ONNX Runtime, one thread",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ecrnn",  # the same figures give the same file
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args()
    found = [json.loads(path.read_text(encoding="utf-8")) for path in chosen.files]
    kinds = {kind: [one for one in found if one["what"] == kind] for kind in sorted({one["what"] for one in found})}
    chosen.out.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        for kind, results in kinds.items():
            draw = {"recurrence": recurrences, "grid": grids, "step": steps, "one-image": images}[kind]
            path = chosen.out / f"speed-{kind}.svg"
            draw(results).savefig(path, format="svg", facecolor="white", metadata={"Date": None})
            print(path)


def recurrences(results: Sequence[dict[str, Any]]) -> Figure:
    """A group of bars a layer; each file is one."""
    groups = [(layer_name(one), one["variants"], one) for one in results]
    return bars(groups, "One call of a recurrent layer, ms (less is better)", results)


def steps(results: Sequence[dict[str, Any]]) -> Figure:
    """A group of bars a model."""
    groups = [(model["model"], model["variants"], model) for one in results for model in one["models"]]
    batch = results[0]["models"][0]["batch"]
    return bars(groups, f"A training step at batch {batch}, ms (less is better)", results)


def images(results: Sequence[dict[str, Any]]) -> Figure:
    """A group of bars a model and number of threads."""
    groups = [
        (f"{model['model']}\n{threads(one)}", model["variants"], model) for one in results for model in one["models"]
    ]
    return bars(groups, "One image through a trained model, ms (less is better)", results)


def bars(
    groups: Sequence[tuple[str, dict[str, Any], dict[str, Any]]], title: str, results: Sequence[dict[str, Any]]
) -> Figure:
    """Medians as bars, quartiles as lines, ratios beside them; the best of each opponent."""
    rows: list[tuple[float, str, dict[str, Any], str]] = []
    labels, top = [], 0.0
    for label, variants, found in groups:
        shown = [name for name in variants if kept(name, found)]
        for name in shown:
            family = name.partition("-")[0]
            ratio = "" if family == "ecrnn" else f"({found[f'ratio_{family}']:.3g}x)"
            rows.append((top, name, variants[name], ratio))
            top += 1
        labels.append((top - (len(shown) + 1) / 2, label))
        top += 0.7
    figure = Figure(figsize=(WIDTH, 1.2 + 0.25 * top), layout="constrained")
    axes: Axes = figure.subplots()
    for place, name, variant, ratio in rows:
        colour = COLOURS[name.partition("-")[0]]
        lower, upper = variant["quartiles_ms"]
        axes.barh(place, variant["median_ms"], 0.8, color=colour, label=NAMES[name])
        axes.plot((lower, upper), (place, place), color=INK, linewidth=1)
        median = variant["median_ms"]
        note = f"{median:,.0f}  {ratio}" if median >= 100 else f"{median:.3g}  {ratio}"
        axes.annotate(note, (upper, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_xlim(0, 1.15 * max(variant["quartiles_ms"][1] for _, _, variant, _ in rows))  # with room for the notes
    axes.set_yticks([place for place, _ in labels], [label for _, label in labels])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    finish(figure, axes, title, results)
    return figure


def kept(name: str, found: dict[str, Any]) -> bool:
    """Whether a variant is drawn: ours, stock, and the best one of each other family."""
    family = name.partition("-")[0]
    return found.get(f"{family}_best", name) == name


def grids(results: Sequence[dict[str, Any]]) -> Figure:
    """How many times faster than torch each shape of the grid is, by nodes; a colour a length."""
    shapes = [shape for one in results for shape in one["shapes"]]
    hiddens = sorted({shape["hidden"] for shape in shapes})
    lengths = sorted({shape["steps"] for shape in shapes})
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes: Axes = figure.subplots()
    colours = matplotlib.colormaps["viridis_r"]
    for number, length in enumerate(lengths):
        chosen = [shape for shape in shapes if shape["steps"] == length]
        shift = 0.7 * ((number + 0.5) / len(lengths) - 0.5)  # side by side, shorter sequences to the left
        places = [hiddens.index(shape["hidden"]) + shift for shape in chosen]
        colour = colours(0.1 + 0.9 * number / max(1, len(lengths) - 1))
        axes.scatter(
            places, [shape["ratio_stock"] for shape in chosen], s=14, color=colour, alpha=0.75, label=f"{length} steps"
        )
    axes.axhline(1, color=INK, linewidth=1)
    axes.set_yscale("log")
    ticks = [0.5, 1, 2, 5, 10, 20, 50]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xticks(range(len(hiddens)), [str(hidden) for hidden in hiddens])
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    cells = ", ".join(sorted({shape["cell"].upper() for shape in shapes}))
    finish(figure, axes, f"{cells}: times as fast as torch.nn, by nodes; each dot a shape ({len(shapes)})", results)
    return figure


def finish(figure: Figure, axes: Axes, title: str, results: Sequence[dict[str, Any]]) -> None:
    """Title, legend, and on what it was measured."""
    axes.set_title(title)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=5, frameon=False, fontsize=8.5)
    environment = results[0]["environment"]
    caption = f"{environment['processor']}, {environment['cores']} cores, {both(threads(one) for one in results)}; "
    caption += f"medians of {both(str(one['rounds']) for one in results)} alternating rounds; "
    caption += f"torch {environment['packages']['torch']}"
    axes.set_xlabel(caption, loc="left", fontsize=8, color=MUTED)


def both(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))


def threads(found: dict[str, Any]) -> str:
    return f"{found['threads']} thread{'s' * (found['threads'] > 1)}"


def layer_name(found: dict[str, Any]) -> str:
    """ "LSTM 16, both directions", and what differs from the usual sizes."""
    name = f"{found['cell'].replace('_', ' ').upper()} {found['hidden']}"
    name += "-" + str(found["hidden"]) if found["layers"] == 2 else ""
    parts = [name, "both directions" if found["directions"] == 2 else "one direction"]
    if (found["steps"], found["batch"], found["input"]) != (1024, 128, 1):
        parts.append(f"T {found['steps']}, batch {found['batch']}, input {found['input']}")
    if found["forward_only"]:
        parts.append("forward only")
    elif found["cutoff"] == 0:
        parts.append("full backward pass")
    return "\n".join([parts[0] + ", " + parts[1], *parts[2:]])


if __name__ == "__main__":
    main()
