"""What `ecrnn evaluate` says of models without classes: their metric and its relatives, and examples to look at."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer
from numpy.typing import ArrayLike
from PIL import Image

from ecrnn.cli.output import console, say
from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import Scored
from ecrnn.core.tasks import CAPTIONING, NEXT_TOKEN, TRANSCRIPTION, TRANSLATION
from ecrnn.models.scoring import whole_texts, word_edits
from ecrnn.report import (
    Example,
    evaluate_scores,
    metric_evaluation_json,
    print_metric_evaluation,
    write_metric_evaluation,
)
from ecrnn.serving.evaluation import Judgement
from ecrnn.serving.model import Model
from ecrnn.stats import BLEU_1, BLEU_2, BLEU_3, METRICS, NATS, WER, WHOLE, Metric

PICTURES, TEXTS = 24, 6  # that are shown at most, spread evenly over those judged
TEMPERATURE = 0.8  # of the texts that a language model draws to be shown


class _Beside(NamedTuple):
    """What is shown beside a task's metric."""

    figures: Sequence[tuple[Metric, ArrayLike]]
    facts: dict[str, str]
    examples: Iterator[Example]


def report(model: Model, judgement: Judgement, name: str, out: Path | None, json: bool) -> None:
    """Print how well ``model`` did on the data called ``name``, and write a page and JSON into the folder ``out``."""
    scored = judgement.judged.predictions
    assert isinstance(scored, Scored)
    beside = _BESIDE[model.task.name](model, judgement)
    evaluation = evaluate_scores(
        scored.statistics,
        task=model.task.name,
        model=model.description.model,
        data=name,
        n_note=judgement.note,
        trained_on=judgement.trained_on,
        left_out=judgement.left_out,
        files_left_out=getattr(judgement.data, "left_out", None),
        others=beside.figures,
        facts=beside.facts,
        examples=list(beside.examples),
    )
    paths = write_metric_evaluation(evaluation, out) if out else {}
    if json:
        typer.echo(metric_evaluation_json(evaluation), nl=False)
        return
    print_metric_evaluation(evaluation, console())
    if paths:
        say(f"Page: {paths['evaluation.html']}")


def _shown(judgement: Judgement, most: int = PICTURES) -> list[int]:
    """Which of the examples judged are shown, by their places among them."""
    count = len(judgement.index)
    return np.linspace(0, count - 1, min(count, most)).astype(int).tolist()


def _alone(model: Model, judgement: Judgement, place: int) -> float:
    """The metric of one example alone."""
    return METRICS[model.task.metric].value(judgement.judged.predictions.statistics[place : place + 1])


def _search(model: Any) -> str:
    return "greedy" if model.width == 1 else f"beam search with {model.width} hypotheses"


def _written(judgement: Judgement) -> list[str]:
    assert judgement.judged.written is not None
    return judgement.judged.written


def _of_blocks(model: Any, judgement: Judgement) -> _Beside:
    def examples() -> Iterator[Example]:
        for place in _shown(judgement, TEXTS):
            block = judgement.data.block(judgement.index[place])
            half = len(block) // 2
            drawn = model.generate(block[:half], len(block) - half, temperature=TEMPERATURE, seed=place)
            yield Example(block[:half], (block[half:],), "".join(drawn), _alone(model, judgement, place))

    facts = {"Examples": f"the second half of a block drawn anew at temperature {TEMPERATURE}"}
    return _Beside([(NATS, judgement.judged.predictions.statistics)], facts, examples())


def _of_sentences(model: Any, judgement: Judgement) -> _Beside:
    data, index, written = judgement.data, judgement.index, _written(judgement)
    facts = {"Search": _search(model), "sacreBLEU": sacrebleu(written, [data.targets[i] for i in index])}
    examples = (Example(data.sources[index[k]], (data.targets[index[k]],), written[k]) for k in _shown(judgement))
    return _Beside([], facts, examples)


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


def _of_pictures(model: Any, judgement: Judgement) -> _Beside:
    data, index, written = judgement.data, judgement.index, _written(judgement)
    statistics = judgement.judged.predictions.statistics
    facts = {
        "Search": _search(model),
        "BLEU": "words in small letters, no punctuation, against all captions of a picture; no smoothing",
    }
    examples = (
        Example(data.files[index[k]], data.captions[index[k]], written[k], image=_png(data.images[index[k]]))
        for k in _shown(judgement)
    )
    return _Beside([(metric, statistics) for metric in (BLEU_1, BLEU_2, BLEU_3)], facts, examples)


def _of_lines(model: Any, judgement: Judgement) -> _Beside:
    data, index, written = judgement.data, judgement.index, _written(judgement)
    texts = [data.texts[i] for i in index]
    examples = (
        Example(
            data.files[index[k]],
            (texts[k],),
            written[k],
            _alone(model, judgement, k),
            _png(data.images[index[k]]),
        )
        for k in _shown(judgement)
    )
    figures = [(WER, word_edits(written, texts)), (WHOLE, whole_texts(written, texts))]
    return _Beside(figures, {"Search": _search(model)}, examples)


def _png(image: np.ndarray) -> bytes:
    """A picture, uint8 (H, W) or (H, W, 3), as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    return file.getvalue()


_BESIDE: dict[str, Callable[[Any, Judgement], _Beside]] = {
    NEXT_TOKEN.name: _of_blocks,
    TRANSLATION.name: _of_sentences,
    CAPTIONING.name: _of_pictures,
    TRANSCRIPTION.name: _of_lines,
}
