"""The figures of one evaluated model: reliability, and for two classes the ROC and precision-recall curves."""

from __future__ import annotations

import numpy as np

from ecrnn.report import formats
from ecrnn.report.analysis.evaluation import Evaluation, TwoClasses
from ecrnn.report.figure import Figure
from ecrnn.report.render.drawing import new_canvas
from ecrnn.report.render.svg import MUTED, ONE, PAPER, STYLE, TWO, to_svg
from ecrnn.stats import Calibration

_MOST = 400  # points of a curve


def draw_reliability(evaluation: Evaluation) -> Figure:
    """Accuracy in each bin of confidence with its interval, and below how many examples the bins have."""
    import matplotlib

    shown: list[tuple[str, str, str, Calibration]] = [("as it is", ONE, "o", evaluation.calibration)]
    if evaluation.fitted is not None:
        shown.append(("with the fitted temperature", TWO, "s", evaluation.fitted.calibration))
    with matplotlib.rc_context(STYLE):
        canvas, (above, below) = new_canvas(4.4, 2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 100], [0, 100], color=MUTED, lw=1, ls=(0, (3, 2)), label="calibrated")
        for name, colour, marker, found in shown:
            _bins(above, below, found, colour, marker, name)
        above.set_ylabel("accuracy, %")
        above.set_ylim(-3, 103)
        below.set_ylabel(evaluation.examples)
        below.set_xlabel("confidence, %")
        below.set_xlim(-2, 102)
        for axes in (above, below):
            axes.grid()
            axes.set_axisbelow(True)
        canvas.legend(loc="outside upper left", ncols=3, frameon=False)
        errors = "; ".join(f"{name}: ECE {formats.percent(found.ece)} %" for name, _, _, found in shown)
        svg = to_svg(canvas, "fig-reliability", f"Reliability diagram. {errors}.")
    caption = (
        f"Share that is right in each of {len(evaluation.calibration.bins)} bins of confidence, with Wilson's 95 % "
        f"interval, at the mean confidence of the bin; below, the number of {evaluation.examples} in each. Below the "
        "dashed line the model is too sure of itself, above it not sure enough."
    )
    return Figure("reliability", "Reliability", caption, svg)


def _bins(above: object, below: object, found: Calibration, colour: str, marker: str, name: str) -> None:
    from matplotlib.axes import Axes

    assert isinstance(above, Axes)
    assert isinstance(below, Axes)
    label = name
    for one in found.bins:
        if one.accuracy is None or one.confidence is None:
            continue
        at = 100 * one.confidence
        above.plot([at, at], [100 * one.accuracy.low, 100 * one.accuracy.high], color=colour, lw=1.4)
        above.plot([at], [100 * one.accuracy.estimate], marker, color=colour, markeredgecolor=PAPER, label=label)
        label = "_"  # of the first alone
    ends = [100 * found.bins[0].low, *(100 * one.high for one in found.bins)]
    below.stairs([one.n for one in found.bins], ends, color=colour, lw=1.4)


def draw_operating_curves(two: TwoClasses) -> Figure:
    """ROC and precision-recall curve, with the points of the table."""
    import matplotlib

    curve = two.curve
    found, wrong = curve.true_positives, curve.false_positives
    places = _thinned(len(found))
    recall = 100 * found[places] / curve.positives
    false = 100 * wrong[places] / curve.negatives
    precision = 100 * found[places] / (found + wrong)[places]
    with matplotlib.rc_context(STYLE):
        canvas, (left, right) = new_canvas(3.6, 1, 2)
        left.plot([0, 100], [0, 100], color=MUTED, lw=1, ls=(0, (3, 2)))
        left.plot(np.append(0, false), np.append(0, recall), color=ONE)
        left.set_xlabel("false alarms, % of the others")
        left.set_ylabel(f"recall, % of {formats.count(curve.positives)}")
        share = 100 * curve.positives / (curve.positives + curve.negatives)
        right.axhline(share, color=MUTED, lw=1, ls=(0, (3, 2)))
        right.plot(recall, precision, color=ONE, drawstyle="steps-pre")
        right.set_xlabel("recall, %")
        right.set_ylabel("precision, %")
        for point in two.points:
            if point.why == "" and point.threshold != 0.5:
                continue
            style = {"color": TWO if point.why == "chosen" else ONE, "markeredgecolor": PAPER, "markersize": 7}
            left.plot([100 * (1 - point.specificity.estimate)], [100 * point.recall.estimate], "o", **style)
            if point.precision is not None:
                right.plot([100 * point.recall.estimate], [100 * point.precision.estimate], "o", **style)
        for axes in (left, right):
            axes.set_xlim(-3, 103)
            axes.set_ylim(-3, 103)
            axes.grid()
            axes.set_axisbelow(True)
        alt = (
            f"ROC and precision-recall curves of {two.positive}; area under the ROC curve {curve.auc.estimate:.4f}, "
            f"average precision {curve.average_precision.estimate:.4f}."
        )
        svg = to_svg(canvas, "fig-operating", alt)
    caption = (
        f"Every threshold of the probability of {two.positive}. Left the ROC curve, right precision and recall; "
        "dashed: without knowledge. Dots: 0.5, and the thresholds that the table names"
        + (", the chosen one in the second colour." if two.threshold is not None else ".")
    )
    return Figure("operating", "Operating points", caption, svg)


def _thinned(count: int) -> np.ndarray:
    """At most `_MOST` of so many places, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(int))
