"""How far back RNNs read, as files with a table and a figure; the file of values is read back, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.reading import read_json
from ecrnn.explain.memory_curve import GRADIENT_PARTS, STATE_PARTS, Memory, from_plain
from ecrnn.report.content.memory_table import TITLE, by_model, memory_table
from ecrnn.report.figure import Figure
from ecrnn.report.render.drawing import WIDTH
from ecrnn.report.render.measurement_files import write_measurement
from ecrnn.report.render.svg import FOUR, MUTED, ONE, STYLE, THREE, TWO, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT = 1
_LOOKS = [(c, m) for m in ("o", "s", "^", "D") for c in (ONE, TWO, THREE, FOUR)]  # of the models in turn
_FEWEST = 16  # steps of a sequence that is drawn
_LOWEST_GRADIENT, _LOWEST_EFFECT = 1e-9, 3e-7  # that is drawn; an effect of 1e-7 is float32's rounding


def write_memory(memories: Sequence[Memory], out: Path, environment: dict[str, Any]) -> dict[str, Path]:
    """Write memory.json (all curves, a line a trial), memory.csv, memory.svg and memory.md, which shows the two.

    Args:
        memories: one per trial, in any order.
        out: the folder.
        environment: machine and versions, as `ecrnn.core.devices.environment` gives them.

    Returns:
        The path of each file by its name.

    Raises:
        EcrnnError: there is nothing to show, trials of one model read sequences of different lengths, or the disk
            refuses.
    """
    if not memories:
        raise EcrnnError("nothing was measured: no finished trial of a model with an RNN")
    table, figure = memory_table(memories), draw_memory(memories)
    head = {"format": FORMAT, "kind": "ecrnn memory", "environment": environment}
    return write_measurement("memory", TITLE, head, "memories", memories, table, figure, out)


def read_memory(path: Path) -> list[Memory]:
    """What `write_memory` wrote to memory.json.

    Raises:
        EcrnnError: the file is missing or something else.
    """
    content = read_json(path)
    ours = isinstance(content, dict) and (content.get("kind"), content.get("format")) == ("ecrnn memory", FORMAT)
    if not ours or not isinstance(content.get("memories"), list):
        raise EcrnnError(f"{path} is not a memory.json of format {FORMAT}, as examples/how_far_back.py writes it")
    return [from_plain(one) for one in content["memories"]]


def draw_memory(memories: Sequence[Memory]) -> Figure | None:
    """Gradient and effects against the distance from the end, a line a model; None where all sequences are short."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    shown = [(model, trials) for model, trials in by_model(memories) if trials[0].steps >= _FEWEST]
    if not shown:
        return None
    classes = any(trials[0].changed is not None for _, trials in shown)
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH, 6.0), layout="constrained")
        panels = canvas.subplots(2, 2).flat
        for axes, quantity in zip(panels, _QUANTITIES[: 3 + classes], strict=False):
            _draw(axes, shown, quantity)
            axes.set_xlim(-0.02 * _furthest(shown), _furthest(shown))
        handles, labels = canvas.axes[0].get_legend_handles_labels()
        if classes:
            canvas.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False)
        else:
            canvas.axes[3].axis("off")
            canvas.axes[3].legend(handles, labels, loc="center left", frameon=False)
        summary = "; ".join(_summary(model, trials) for model, trials in shown)
        svg = to_svg(canvas, "fig-memory", f"{TITLE}. {summary}.")
    caption = (
        "Means over trials and directions, which on this scale are close to the furthest-reading of them. Distance 0 "
        "is the step read last; changes are in spreads of the state between images. Dotted: 10 % and 1 %. Effects "
        "under 3e-7 are rounding and not drawn"
        + ("." if len(shown) == len(by_model(memories)) else f", nor are sequences of under {_FEWEST} steps.")
    )
    return Figure("memory", TITLE, caption, svg)


_QUANTITIES = (  # of a trial: name, what is under the axis, title
    ("gradient", "distance from the end, steps", "gradient, part of the largest"),
    ("alone", "distance from the end, steps", "change when this step alone is replaced"),
    ("older", "last steps kept", "change when all older steps are replaced"),
    ("changed", "last steps kept", "predicted classes that change, %"),
)


def _draw(axes: Axes, shown: Sequence[tuple[str, list[Memory]]], quantity: tuple[str, str, str]) -> None:
    name, below, title = quantity
    for (model, trials), (colour, marker) in zip(shown, _LOOKS * len(shown), strict=False):
        if name == "changed" and trials[0].changed is None:
            continue
        xs = trials[0].distances if name in ("gradient", "alone") else trials[0].kept
        ys = _mean(trials, name)
        axes.plot(xs, ys, color=colour, marker=marker, markersize=4.5, markevery=(4, 10), label=model)
    if name == "changed":
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0e}".replace("e-0", "e-").replace("1e+00", "1"))
        axes.minorticks_off()
        axes.set_ylim(_LOWEST_GRADIENT if name == "gradient" else _LOWEST_EFFECT, 3)
    if name == "older":
        for part in STATE_PARTS:
            axes.axhline(part, color=MUTED, lw=1, ls=":")
    axes.set_title(title, loc="left")
    axes.set_xlabel(below)
    axes.grid()
    axes.set_axisbelow(True)


def _mean(trials: Sequence[Memory], name: str) -> list[float]:
    """Means of a quantity over trials and directions, by distance or number of steps kept; classes in percent."""
    if name == "changed":
        return [100 * fmean(values) for values in zip(*(trial.changed or () for trial in trials), strict=True)]
    curves = [getattr(direction, name) for trial in trials for direction in trial.directions]
    return [fmean(values) for values in zip(*curves, strict=True)]


def _furthest(shown: Sequence[tuple[str, list[Memory]]]) -> int:
    """Where the x-axis ends: all gradients that are drawn lie before it."""
    lowest = max(GRADIENT_PARTS[-1], _LOWEST_GRADIENT)
    ends = [d.gradient_steps[f"{lowest:g}"] for _, trials in shown for trial in trials for d in trial.directions]
    return max(_FEWEST, *ends)


def _summary(model: str, trials: Sequence[Memory]) -> str:
    part = STATE_PARTS[-1]
    steps = median(direction.memory[f"{part:g}"] for trial in trials for direction in trial.directions)
    return f"{model}: of {trials[0].steps:,} steps the last {steps:g} give the last state to {100 * part:g} %"
