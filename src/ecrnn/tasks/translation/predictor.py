"""A trained translator in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import Example, Scored
from ecrnn.models.generation import translations
from ecrnn.models.scoring import bleu_of_translations
from ecrnn.serving.examples import spread
from ecrnn.serving.predictor import Beside, Judged, check_list, short
from ecrnn.serving.seq2seq import Seq2SeqPredictor
from ecrnn.tasks.translation import sentence_pairs
from ecrnn.tasks.translation.sentence_pairs import PairSet


class TranslationPredictor(Seq2SeqPredictor):
    """A trained translator; its attributes are those of `Predictor`."""

    def examples(self, data: str, data_dir: Path | None = None) -> PairSet:
        return sentence_pairs.load(data, data_dir=data_dir)

    def judge(self, data: PairSet, index: np.ndarray) -> Judged:
        written = self.translate([data.sources[i] for i in index])
        statistics = bleu_of_translations(written, [[data.targets[i]] for i in index])
        return Judged(Scored(index, statistics), written)

    def translate(self, texts: Sequence[str]) -> list[str]:
        """The translation of each text.

        Raises:
            DataError: one text was given, not a list of them.
        """
        check_list(texts, "texts")
        if not texts:
            return []
        sources = [self.processor.encode_source(text) for text in texts]
        with self.naming(lambda row: f"the text '{short(texts[row])}'"):
            written = translations(self.network, sources, self.processor.limit, self.width)
        return [self.processor.decode(tokens) for tokens in written]

    def answers(self, inputs: Sequence[str]) -> list[str]:
        return self.translate(inputs)

    def beside(self, data: PairSet, index: np.ndarray, judged: Judged) -> Beside:
        written = judged.texts
        facts = {"Search": self.how, "sacreBLEU": sacrebleu(written, [data.targets[i] for i in index])}
        places = ((k, index[k]) for k in spread(len(index)))
        return Beside((), facts, (Example(data.sources[i], (data.targets[i],), written[k]) for k, i in places))


def sacrebleu(written: list[str], targets: list[str]) -> str:
    """The figure of the package sacrebleu itself, with the signature that makes it comparable with others' figures.

    It equals ours unless no n-gram of some length matches, where sacreBLEU smooths and we say 0.

    Raises:
        EcrnnError: the package is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise EcrnnError("BLEU of translations needs the package sacrebleu; pip install 'ecrnn[text]'") from error
    bleu = BLEU()
    score = bleu.corpus_score(written, [targets]).score
    return f"{score:.2f} {bleu.get_signature()}"
