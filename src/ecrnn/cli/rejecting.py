"""`--reject SHARE` of `ecrnn predict` and `ecrnn serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecrnn.cli import options
from ecrnn.cli.output import complain

if TYPE_CHECKING:
    from ecrnn.serving.predictor import Predictor


def least_of(model: Predictor, share: float) -> float:
    """The probability below which answers are rejected, for a share of known examples; says what that means."""
    from ecrnn.core.text import one_line
    from ecrnn.report import formats
    from ecrnn.serving.rejection import KEPT, rejection

    if not model.task.classes:
        raise options.WrongCall(f"--reject is for classifiers, not for {model.task.name}")
    with options.wrong_call():
        found = rejection(model.metrics, share)
    what, kept = model.task.examples, model.metrics.get(KEPT)
    judged = isinstance(kept, dict) and one_line(str(kept.get("of"))[:100])
    origin = f"of {judged} that it was judged on" if judged else "that validated the model"
    complain(
        f"rejected is what gets less than {100 * found.threshold:.1f} %: at most {100 * found.share:g} % of {what} "
        f"like the {found.n:,} {origin}; of the {found.kept:,} others among them "
        f"{formats.proportion(found.accuracy)} are right. Of {what} of another kind it promises nothing"
    )
    return found.threshold
