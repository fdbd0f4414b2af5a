"""A small training of each task: 40 examples of which 30 train, one thread, float32.

Texts come in many lengths; among them are an empty one (the first that trains), one beyond the length at which texts
are cut off (the second), and characters and words that no training example has (the last two, which validate).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from training.trainings import make_settings

from ecrnn.core.events import Progress, silent
from ecrnn.core.tasks import TASKS
from ecrnn.data import tokens
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.tasks.captioning.captions import CaptionSet
from ecrnn.tasks.captioning.objective import Captioning
from ecrnn.tasks.clip_classification.clips import ClipSet
from ecrnn.tasks.clip_classification.objective import ClipClassification
from ecrnn.tasks.language_modelling.corpus import make_corpus
from ecrnn.tasks.language_modelling.objective import NextToken
from ecrnn.tasks.sequence_classification.objective import SequenceClassification
from ecrnn.tasks.sequence_classification.scaling import fit as fit_scaling
from ecrnn.tasks.sequence_classification.sequence_set import make_sequence_set
from ecrnn.tasks.text_classification.objective import TextClassification
from ecrnn.tasks.text_classification.texts import TextSet
from ecrnn.tasks.text_recognition.lines import LineSet
from ecrnn.tasks.text_recognition.objective import Transcription
from ecrnn.tasks.translation.objective import Translation
from ecrnn.tasks.translation.sentence_pairs import PairSet
from ecrnn.training import loop, trainer
from ecrnn.training.objective import Objective

N, TRAIN, LENGTH, SEED = 40, 30, 8, 5
MODELS = {
    "clip-classification": "frames-gru-4",
    "text-classification": "sentiment-bilstm-4",
    "next-token": "charlm-lstm-6",
    "translation": "translate-gru-6-attention",
    "captioning": "caption-lstm-6",
    "transcription": "ocr-bigru-4",
    "sequence-classification": "sequence-cnn-bigru-4",
}
WORDS = ("a", "dog", "cat", "runs", "sleeps", "on", "the", "grass")


@dataclass(frozen=True)
class Small:
    """One task's training; ``model`` is its name."""

    data: Any
    split: Split
    processor: Processor
    objective: Objective
    model: str

    def network(self, seed: int = SEED) -> nn.Module:
        return make(parse(self.model), self.processor.sizes, seed)


def small(task: str, *, train: int = TRAIN, validate: int = N, **settings: Any) -> Small:
    """One of `MODELS`; ``train`` examples train, those from there to ``validate`` validate."""
    data, processor, kind, *seed = _MAKERS[task](np.random.default_rng(2))
    split = Split(np.arange(train), np.arange(train, validate), "fraction", "all")
    resolved = make_settings(**settings)
    return Small(data, split, processor, kind(data, split, processor, resolved, *seed), MODELS[task])


def train_small(
    folder: Path | str | None,
    task: str,
    *,
    keep: str = "last",
    score_epochs: int = 1,
    progress: Progress = silent,
    **settings: Any,
) -> tuple[nn.Module, trainer.Trained]:
    """A training from its beginning, or from what it left in ``folder``, to its end."""
    one = small(task, **settings)
    network = one.network()
    trained = loop.fit(
        network,
        one.objective,
        one.objective.settings,
        seed=SEED,
        folder=Path(folder) if folder else None,
        keep=keep,  # type: ignore[arg-type]
        score_epochs=score_epochs,
        progress=progress,
    )
    return network, trained


def sentences(draw: np.random.Generator, words: tuple[str, ...] = WORDS) -> list[str]:
    """`N` sentences of 1 to 6 words."""
    made = [" ".join(draw.choice(words, draw.integers(1, 7))) for _ in range(N)]
    made[0], made[1], made[-1] = "", " ".join([*words, *words]), "unheard sounds"
    return made


def named(name: str) -> dict[str, Any]:
    """What every set has."""
    return {"name": name, "n_train": N, "fingerprint": ""}


def _clips(draw: np.random.Generator) -> tuple[Any, ...]:
    data = ClipSet(
        draw.integers(0, 256, (N, 3, 8, 8, 1), dtype=np.uint8),
        labels=np.arange(N) % 2,
        classes=("fall", "walk"),
        **named("c"),
    )
    preprocessing = Preprocessing((1, 8, 8), (100.0,), (50.0,))
    processor = Processor(TASKS["clip-classification"], data.classes, preprocessing, frames=3)
    return data, processor, ClipClassification


def _texts(draw: np.random.Generator) -> tuple[Any, ...]:
    texts = sentences(draw)
    data = TextSet(tuple(texts), labels=np.arange(N) % 2, classes=("bad", "good"), **named("t"))
    vocabulary = tokens.fit("words", texts[:TRAIN])
    return (
        data,
        Processor(TASKS["text-classification"], data.classes, vocabulary=vocabulary, length=LENGTH),
        TextClassification,
    )


def _blocks(draw: np.random.Generator) -> tuple[Any, ...]:
    letters = "".join(draw.choice(list("abc de"), N * LENGTH - 1)) + "Zz"  # two characters of the last block are new
    data = make_corpus("b", letters, "", LENGTH)
    vocabulary = tokens.fit("characters", [data.block(i) for i in range(TRAIN)])
    return data, Processor(TASKS["next-token"], vocabulary=vocabulary, length=LENGTH), NextToken


def _pairs(draw: np.random.Generator) -> tuple[Any, ...]:
    sources = sentences(draw)
    targets = [text.upper() for text in sources]
    data = PairSet(tuple(sources), tuple(targets), **named("p"))
    own, source = (tokens.fit("words", texts[:TRAIN]) for texts in (targets, sources))
    processor = Processor(TASKS["translation"], vocabulary=own, source_vocabulary=source, length=LENGTH)
    return data, processor, Translation


def _captions(draw: np.random.Generator) -> tuple[Any, ...]:
    images = draw.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
    texts = [sentences(draw) for _ in range(3)]
    captions = tuple(tuple(own[: 1 + i % 3]) for i, own in enumerate(zip(*texts, strict=True)))
    data = CaptionSet(images, captions, **named("c"))
    vocabulary = tokens.fit("words", [text for own in captions[:TRAIN] for text in own])
    preprocessing = Preprocessing((3, 8, 8), (100.0,), (50.0,))
    processor = Processor(TASKS["captioning"], preprocessing=preprocessing, vocabulary=vocabulary, length=LENGTH)
    return data, processor, Captioning, SEED


def _lines(draw: np.random.Generator) -> tuple[Any, ...]:
    texts = ["".join(draw.choice(list("abc"), draw.integers(1, 5))) for _ in range(N)]
    texts[0], texts[-1] = "", "Zz"
    images = tuple(draw.integers(0, 256, (8, width), dtype=np.uint8) for width in draw.integers(32, 49, N))
    data = LineSet(images, tuple(texts), **named("l"))
    preprocessing = Preprocessing((1, 8, 48), (100.0,), (50.0,))
    vocabulary = tokens.fit("characters", texts[:TRAIN])
    return (
        data,
        Processor(TASKS["transcription"], preprocessing=preprocessing, vocabulary=vocabulary),
        Transcription,
        SEED,
    )


def _sequences(draw: np.random.Generator) -> tuple[Any, ...]:
    sequences = [draw.normal(size=(steps, 3)) for steps in draw.integers(1, 9, N)]
    data = make_sequence_set("s", sequences, np.arange(N) % 2, ("falls", "rises"))
    scaling = fit_scaling(data, np.arange(TRAIN))
    processor = Processor(TASKS["sequence-classification"], data.classes, length=8, extra=scaling.to_plain())
    return data, processor, SequenceClassification


_MAKERS = {
    "clip-classification": _clips,
    "text-classification": _texts,
    "next-token": _blocks,
    "translation": _pairs,
    "captioning": _captions,
    "transcription": _lines,
    "sequence-classification": _sequences,
}
