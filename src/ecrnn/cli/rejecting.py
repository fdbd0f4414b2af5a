"""`--reject SHARE` of `ecrnn predict` and `ecrnn serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecrnn.cli import options
from ecrnn.cli.output import complain

if TYPE_CHECKING:
    from ecrnn.serving.predictor import Predictor


def least_of(model: Predictor, share: float) -> float:
    """The probability below which answers are rejected, for a share of known examples; says what that means."""
    from ecrnn.report import formats
    from ecrnn.serving.rejection import rejection

    if not model.task.classes:
        raise options.WrongCall(f"--reject is for classifiers, not for {model.task.name}")
    with options.wrong_call():
        found = rejection(model.metrics, share)
    what = model.task.examples
    complain(
        f"rejected is what gets less than {100 * found.threshold:.1f} %: at most {100 * found.share:g} % of {what} "
        f"like the {found.n:,} that validated the model; of the {found.kept:,} others among them "
        f"{formats.proportion(found.accuracy)} are right. Of {what} of another kind it promises nothing"
    )
    return found.threshold
