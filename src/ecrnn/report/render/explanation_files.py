"""Explained images as a page, as arrays, as JSON and on a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.text import json_text
from ecrnn.core.translation import Translator
from ecrnn.explain.explanation import Explanation, Map
from ecrnn.explain.steps import COUNTS, Gates, Steps
from ecrnn.report import formats
from ecrnn.report.content.explanation_table import maps_table
from ecrnn.report.figure import Figure
from ecrnn.report.render import pixels
from ecrnn.report.render.drawing import new_canvas
from ecrnn.report.render.page import render
from ecrnn.report.render.svg import GRID, MUTED, ONE, STYLE, TWO, to_svg
from ecrnn.report.render.terminal import rich_table, words

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = 1
_TOP = 5  # classes shown
_RANGES = {"cell": (-1.0, 1.0), "new": (-1.0, 1.0), "state": (-1.0, 1.0)}  # of gates; the others lie in 0 to 1


def headline(explanation: Explanation) -> str:
    """What the model says of the image, and which maps failed a test."""
    share = formats.percent(float(explanation.probabilities[explanation.target]))
    against = f" against {explanation.classes[explanation.against]}" if explanation.against is not None else ""
    line = f"Explained is {explanation.classes[explanation.target]}{against}, which the model gives {share} %."
    failed = [one.title for one in explanation.maps if one.faults]
    if not explanation.maps:
        return f"{line} No map could be made."
    if not failed:
        return f"{line} All maps passed the tests."
    return f"{line} Do not trust {formats.listed(failed)}: see why below."


def write_explanations(
    explanations: Sequence[Explanation], model: str, page: Path, arrays: Path | None = None, language: str = "en"
) -> None:
    """Write the page, in "en" or "ko", and all arrays as .npz where ``arrays`` names a file, atomically.

    Raises:
        EcrnnError: the disk refuses.
    """
    make_folder(page.parent)
    write_atomically(page, explanation_page(explanations, model, language))
    if arrays is None:
        return
    make_folder(arrays.parent)
    buffer = io.BytesIO()
    found = {f"{number}/{name}": a for number, one in enumerate(explanations, 1) for name, a in one.arrays().items()}
    np.savez_compressed(buffer, allow_pickle=False, **found)
    write_atomically(arrays, buffer.getvalue())


def explanations_json(explanations: Sequence[Explanation], model: str) -> str:
    """Probabilities and tests of each image at full precision; the maps themselves stand in the .npz."""
    content = {
        "format": FORMAT,
        "kind": "ecrnn explanation",
        "model": model,
        "images": [_plain(e) for e in explanations],
    }
    return json_text(content, indent=1) + "\n"


def _plain(explanation: Explanation) -> dict[str, Any]:
    steps, against = explanation.steps, explanation.against
    return {
        "file": explanation.name,
        "class": explanation.classes[explanation.target],
        "against": None if against is None else explanation.classes[against],
        "probabilities": dict(zip(explanation.classes, explanation.probabilities.tolist(), strict=True)),
        "layer": explanation.layer,
        "maps": {one.key: _plain_map(one) for one in explanation.maps},
        "steps": None
        if steps is None
        else {"layer": steps.layer, "count": len(steps.gradient), "counting": steps.counting},
    }


def _plain_map(one: Map) -> dict[str, Any]:
    areas = zip(one.randomisation.areas, one.randomisation.correlations, strict=True)
    return {
        "rank_correlation": one.randomisation.all_random,
        "rank_correlation_from_the_head_down": dict(areas),
        "deletion": one.deletion.area,
        "deletion_moved": one.deletion.moved_area,
        "insertion": one.insertion.area,
        "insertion_moved": one.insertion.moved_area,
        "integral_steps": one.attribution.steps,
        "completeness_error": one.attribution.completeness_error,
        "faults": list(one.faults),
    }


def explanation_page(explanations: Sequence[Explanation], model: str, language: str = "en") -> str:
    """One self-contained HTML document, in "en" or "ko"."""
    return render(
        "explanation.html.j2",
        Translator(language, {model, *(name for one in explanations for name in _names(one))}),
        model=model,
        images=[_section(number, one) for number, one in enumerate(explanations, 1)],
        filters=_filters(explanations),
        count=formats.plural(len(explanations), "image"),
    )


def _names(explanation: Explanation) -> set[str]:
    """What is never translated: the image's file, the classes and the network's layers."""
    layers = {stage.layer for stage in explanation.stages} | {gate.layer for gate in explanation.gates}
    read = {explanation.layer, explanation.steps.layer if explanation.steps else None} - {None}
    return {
        Path(explanation.name).name,
        *explanation.classes,
        *layers,
        *map(str, read),
        *(one.key for one in explanation.maps),
    }


def _section(number: int, explanation: Explanation) -> dict[str, Any]:
    order = np.argsort(-explanation.probabilities, kind="stable")[:_TOP]
    image = explanation.image
    return {
        "number": number,
        "name": Path(explanation.name).name,
        "headline": headline(explanation),
        "uri": pixels.uri(pixels.png(image)),
        "bars": [(explanation.classes[i], 100 * float(explanation.probabilities[i])) for i in order],
        "layer": explanation.layer,
        "maps": [
            (one.title, pixels.uri(pixels.png(pixels.overlaid(image, one.attribution.values))))
            for one in explanation.maps
        ],
        "faults": [(one.title, " ".join(one.faults)) for one in explanation.maps if one.faults],
        "table": maps_table(explanation, number) if explanation.maps else None,
        "curves": _shown(_curves(number, explanation)) if explanation.maps else None,
        "stages": [
            {
                "layer": stage.layer,
                "caption": f"{len(stage.shown)} of {stage.channels} maps, {_size(stage.maps)}"
                + (f", from {_size(stage.before)} before pooling" if stage.before is not None else ""),
                "before": None if stage.before is None else pixels.uri(pixels.png(pixels.tiled(stage.before))),
                "after": pixels.uri(pixels.png(pixels.tiled(stage.maps))),
            }
            for stage in explanation.stages
        ],
        "gates": [_gates(one) for one in explanation.gates],
        "steps": _shown(_steps(number, explanation.steps)) if explanation.steps else None,
        "places": pixels.uri(pixels.png(pixels.overlaid(image, explanation.steps.places)))
        if explanation.steps and explanation.steps.places is not None
        else None,
    }


def _shown(figure: Figure) -> dict[str, Any]:
    from markupsafe import Markup

    return {"title": figure.title, "caption": figure.caption, "svg": Markup(figure.svg)}


def _size(maps: np.ndarray) -> str:
    return f"{maps.shape[1]}x{maps.shape[2]}"


def _filters(explanations: Sequence[Explanation]) -> str | None:
    filters = explanations[0].filters if explanations else None
    return None if filters is None else pixels.uri(pixels.png(pixels.filter_sheet(filters)))


def _gates(one: Gates) -> dict[str, Any]:
    rows = []
    for name, values in one.values.items():
        low, high = _RANGES.get(name, (0.0, 1.0))
        rows.append(
            (name, f"{low:g} (black) to {high:g} (white)", pixels.uri(pixels.png(pixels.over_time(values, low, high))))
        )
    return {"title": f"{one.layer}, {one.direction}", "rows": rows}


def _curves(number: int, explanation: Explanation) -> Figure:
    """Deletion and insertion of each map, with the random orders' means."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        canvas, grid = new_canvas(2.3, 1, len(explanation.maps), squeeze=False, sharey=True)
        for axes, one in zip(grid[0], explanation.maps, strict=True):
            for curve, colour, name in ((one.deletion, TWO, "deletion"), (one.insertion, ONE, "insertion")):
                share = np.linspace(0, 100, len(curve.probabilities))
                axes.plot(share, curve.probabilities, color=colour, label=name)
                axes.plot(share, curve.moved, color=colour, lw=1, ls=(0, (3, 2)), label=f"{name}, map moved")
            axes.set_title(one.key, loc="left")
            axes.set_xlabel("pixels changed, %")
            axes.set_ylim(-0.03, 1.03)
            axes.grid()
            axes.set_axisbelow(True)
        grid[0][0].set_ylabel("probability")
        handles, names = grid[0][0].get_legend_handles_labels()
        canvas.legend(handles, names, loc="outside upper left", ncols=4, frameon=False)
        summary = "; ".join(
            f"{one.title}: deletion {one.deletion.area:.2f}, insertion {one.insertion.area:.2f}"
            for one in explanation.maps
        )
        svg = to_svg(canvas, f"fig-curves-{number}", f"Deletion and insertion. {summary}.")
    caption = (
        "Probability of the class while pixels are blurred, or come back into the blurred image, those that count most "
        "first. Dashed: for the map moved elsewhere."
    )
    return Figure(f"curves-{number}", "Deletion and insertion", caption, svg)


def _steps(number: int, steps: Steps) -> Figure:
    """The gradient of each step, on a logarithmic scale; steps that hardly count are shaded."""
    import matplotlib

    gradient = np.maximum(steps.gradient / (steps.gradient.max() or 1), 1e-12)
    with matplotlib.rc_context(STYLE):
        canvas, axes = new_canvas(2.2)
        axes.set_yscale("log")
        axes.axhspan(1e-12, COUNTS, color=GRID, alpha=0.65, lw=0)
        axes.axhline(COUNTS, color=MUTED, lw=1, ls=":")
        axes.plot(np.arange(len(gradient)), gradient, color=ONE, lw=1, marker="o" if len(gradient) < 2 else "")
        axes.set_ylim(1e-12, 2)
        axes.set_yticks([1e-12, 1e-8, 1e-4, 1], ["1e-12", "1e-8", "1e-4", "1"])
        axes.minorticks_off()
        axes.set_xlim(-0.5, len(gradient) - 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("step, in the order of the sequence")
        axes.set_ylabel("part of the largest")
        alt = f"Gradient of each of {len(gradient)} steps; {steps.counting} are above 1 % of the largest."
        svg = to_svg(canvas, f"fig-steps-{number}", alt)
    caption = (
        f"Norm of the score's gradient by the input of each step of {steps.layer}, which is read from both ends where "
        f"it is bidirectional. {steps.counting:,} of {len(gradient):,} steps are above 1 % of the largest; those in "
        "the shaded part hardly count."
    )
    return Figure(f"steps-{number}", "Which steps count", caption, svg)


def print_explanations(explanations: Sequence[Explanation], console: Console) -> None:
    """What the model says of each image, and what the tests say of the maps, on a `rich` ``console``."""
    for explanation in explanations:
        console.print()
        console.print(words(f"{explanation.name}: {headline(explanation)}", "bold"))
        for one in explanation.maps:
            for fault in one.faults:
                console.print(words(f"{one.title}: {fault}"))
        if explanation.maps:
            console.print(rich_table(maps_table(explanation), console.width))
        if explanation.steps is not None:
            counts = f"{explanation.steps.counting:,} of {len(explanation.steps.gradient):,} steps"
            console.print(words(f"The RNN: {counts} are above 1 % of the largest gradient."))
