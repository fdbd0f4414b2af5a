"""The base of predictors that write texts."""

from __future__ import annotations

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.predictor import Predictor

MAX_WIDTH = 1000  # hypotheses of a beam search


class Seq2SeqPredictor(Predictor):
    """A trained model that writes. Attributes are those of `Predictor`, and ``width``, of the beam search."""

    width = 1

    def search(self, width: int) -> None:
        if not 1 <= width <= MAX_WIDTH:
            raise EcrnnError(f"the beam should be 1 to {MAX_WIDTH} wide, not {width}")
        self.width = width

    @property
    def how(self) -> str:
        """The search in words."""
        return "greedy" if self.width == 1 else f"beam search with {self.width} hypotheses"
