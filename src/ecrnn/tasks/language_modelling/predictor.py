"""A trained language model in use: texts that go on from a prompt, and how well it foretells a text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import Example, Scored
from ecrnn.data.vocabulary import END, Vocabulary
from ecrnn.models.generation import block_nats
from ecrnn.models.inference import check_finite, evaluating
from ecrnn.serving.examples import TEXTS, spread
from ecrnn.serving.predictor import Beside, Judged, Predictor, example_name
from ecrnn.stats import NATS
from ecrnn.tasks.language_modelling import corpus
from ecrnn.tasks.language_modelling.corpus import Corpus

TEMPERATURE = 0.8  # of the texts that are drawn to be shown


class LanguageModelPredictor(Predictor):
    """A trained character model; its attributes are those of `Predictor`."""

    @property
    def vocabulary(self) -> Vocabulary:
        assert self.processor.vocabulary is not None
        return self.processor.vocabulary

    def examples(self, data: str, data_dir: Path | None = None) -> Corpus:
        return corpus.load(data, length=self.processor.limit, data_dir=data_dir)

    def judge(self, data: Corpus, index: np.ndarray) -> Judged:
        blocks = np.array([self.vocabulary.encode(data.block(i)) for i in index], np.int64)
        characters = np.full(len(index), blocks.shape[1] - 1.0)
        with self.naming(example_name(data, index, "block")):
            nats = check_finite(block_nats(self.network, blocks))
        return Judged(Scored(index, np.stack([nats, characters], axis=1)))

    def beside(self, data: Corpus, index: np.ndarray, judged: Judged) -> Beside:
        def examples() -> Iterator[Example]:
            for place in spread(len(index), TEXTS):
                block = data.block(index[place])
                half = len(block) // 2
                drawn = self.generate(block[:half], len(block) - half, temperature=TEMPERATURE, seed=place)
                yield Example(block[:half], (block[half:],), "".join(drawn), self.alone(judged, place))

        facts = {"Examples": f"the second half of a block drawn anew at temperature {TEMPERATURE}"}
        return Beside([(NATS, judged.predictions.statistics)], facts, examples())

    def generate(
        self,
        prompt: str = "\n",
        length: int = 500,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Characters that go on from ``prompt``, one after another as they are drawn.

        Args:
            prompt: what the text begins with; it is not given back.
            length: characters to draw.
            temperature: what logits are divided by; near 0 the likeliest character always comes, above 1 rarer ones
                come more often. 0 takes the likeliest.
            top_k: draw among this many of the likeliest only.
            seed: of the draws; None for another text every time.

        Raises:
            EcrnnError: a setting out of bounds, or a prompt without any character.
        """
        if not 0 <= temperature <= 100:
            raise EcrnnError(f"temperature should lie between 0 and 100, not {temperature:g}")
        if top_k is not None and top_k < 1:
            raise EcrnnError(f"top-k should be at least 1, not {top_k}")
        if length < 0:
            raise EcrnnError(f"length should be at least 0, not {length}")
        if not prompt:
            raise EcrnnError("the prompt is empty; give at least one character")
        return self._drawn(prompt, length, temperature, top_k, np.random.default_rng(seed))

    def _drawn(
        self, prompt: str, length: int, temperature: float, top_k: int | None, draws: np.random.Generator
    ) -> Iterator[str]:
        tokens, state = self.vocabulary.encode(prompt), None
        for _ in range(length):
            with evaluating(self.network) as device:
                logits, state = self.network(torch.tensor([tokens], device=device), state)
            with self.naming(lambda _: "the prompt"):
                choices = check_finite(logits[0, -1:].double().cpu().numpy())[0]
            choices[: END + 1] = -np.inf  # padding and the like are no characters
            tokens = [draw(choices, temperature, top_k, draws)]
            yield self.vocabulary.decode(tokens)


def draw(logits: np.ndarray, temperature: float, top_k: int | None, draws: np.random.Generator) -> int:
    """One token, drawn from float64 logits (V,)."""
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < np.isfinite(logits).sum():
        kept = np.argsort(-logits, kind="stable")[:top_k]
        logits = np.where(np.isin(np.arange(len(logits)), kept), logits, -np.inf)
    with np.errstate(over="ignore"):  # divided by a temperature near 0, what is far from the likeliest is -inf
        powers = np.exp((logits - logits.max()) / temperature)
    sums = np.cumsum(powers)
    return int(np.searchsorted(sums, draws.random() * sums[-1], side="right"))
