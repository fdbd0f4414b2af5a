"""Each task's parts, joined: how its data is read, what is fitted on training examples, what a training learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import DataSettings, StudySettings, TrainingSettings, TrainSettings
from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.core.events import Progress, silent
from ecrnn.core.tasks import (
    CAPTIONING,
    CLIP_CLASSIFICATION,
    IMAGE_CLASSIFICATION,
    LONGEST_CLASS,
    MAX_CLASSES,
    NEXT_TOKEN,
    TEXT_CLASSIFICATION,
    TRANSCRIPTION,
    TRANSLATION,
    Task,
)
from ecrnn.data import captions, catalogue, clips, corpus, folder, images, lines, sentence_pairs, texts, tokens
from ecrnn.data.image_set import ImageSet
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Examples, Split
from ecrnn.data.vocabulary import Vocabulary
from ecrnn.models import ctc
from ecrnn.models.names import common_task
from ecrnn.models.ocr import Reader
from ecrnn.models.prepared import Prepared
from ecrnn.models.scoring import splitter_of_translations
from ecrnn.studies.places import spelt_as_it_exists
from ecrnn.training.blocks import NextToken
from ecrnn.training.images import ClipClassification, ImageClassification
from ecrnn.training.lines import Transcription
from ecrnn.training.objective import Objective
from ecrnn.training.sequences import Captioning, Translation
from ecrnn.training.texts import TextClassification

AnySettings = StudySettings | TrainSettings


@dataclass(frozen=True)
class Parts:
    """What a task is made of.

    Attributes:
        load: from settings, the folder of local copies, and a function that is told of progress, to examples.
        prepare: fits on the training examples of a split.
        objective: what a training learns, from examples, split, what was prepared, settings and seed.
        has_validation: whether a file or folder has a part of its own to validate on; None where none has.
    """

    load: Callable[[DataSettings, Path | None, Progress], Any]
    prepare: Callable[[Any, Split, AnySettings], Prepared]
    objective: Callable[[Any, Split, Prepared, TrainingSettings, int], Objective]
    has_validation: Callable[[Path], bool] | None = None


def task_of(settings: AnySettings) -> Task:
    """The task of the model or models of ``settings``; an EcrnnError where there is no such model, or they differ."""
    return common_task(settings.models if isinstance(settings, StudySettings) else [settings.model])


def load_examples(settings: AnySettings, loading: Progress = silent) -> Examples:
    """The data of a study or a training.

    Raises:
        DataError: missing or damaged data.
    """
    data_dir = Path(spelt_as_it_exists(settings.data_dir)) if settings.data_dir else None
    if not catalogue.task_of(settings.data):
        settings = settings.model_copy(update={"data": spelt_as_it_exists(settings.data)})
    parts = {part: spelt_as_it_exists(place) for part in ("val", "test") if (place := getattr(settings, part))}
    settings = settings.model_copy(update=parts)
    data: Examples = PARTS[task_of(settings).name].load(settings, data_dir, loading)
    _check_classes(data)
    return data


def _check_classes(data: Examples) -> None:
    """Raise a DataError for classes with which no study and no bundle could be read again."""
    classes = getattr(data, "classes", ())
    if len(classes) > MAX_CLASSES:
        raise DataError(f"{data.name} holds {len(classes):,} classes, more than {MAX_CLASSES:,}")
    for name in classes:
        if len(name) > LONGEST_CLASS:
            found = f"'{name[:40]}...' has {len(name):,} characters"
            raise DataError(f"{data.name}: the class {found}; give it a name of at most {LONGEST_CLASS:,}")


def has_validation(data: str, task: Task) -> bool:
    """Whether ``data`` is a file or folder, not a registered name, with a part of its own to validate on."""
    look = PARTS[task.name].has_validation
    return look is not None and data not in catalogue.DATA_SETS[task.name] and look(Path(spelt_as_it_exists(data)))


def prepare(data: Examples, split: Split, settings: AnySettings) -> Prepared:
    """What is fitted on the training examples of ``split``."""
    return PARTS[task_of(settings).name].prepare(data, split, settings)


def objective(data: Examples, split: Split, prepared: Prepared, settings: TrainingSettings, seed: int) -> Objective:
    """What a training learns; ``settings`` are resolved."""
    return PARTS[prepared.task.name].objective(data, split, prepared, settings, seed)


def _load_images(settings: DataSettings, data_dir: Path | None, loading: Progress) -> ImageSet:
    return images.load(
        settings.data,
        val=settings.val,
        test=settings.test,
        data_dir=data_dir,
        image_size=settings.image_size,
        channels=settings.channels,
        progress=loading,
    )


def _prepare_images(data: ImageSet, split: Split, settings: AnySettings) -> Prepared:
    preprocessing = fit_preprocessing(data.images, split.train, settings.training.standardise)
    return Prepared(IMAGE_CLASSIFICATION, data.classes, preprocessing)


def _image_objective(
    data: ImageSet, split: Split, prepared: Prepared, settings: TrainingSettings, seed: int
) -> Objective:
    assert prepared.preprocessing is not None
    return ImageClassification(data, split, prepared.preprocessing, settings, seed)


def _load_clips(settings: DataSettings, data_dir: Path | None, loading: Progress) -> clips.ClipSet:
    assert settings.frames is not None
    return clips.load(
        settings.data,
        val=settings.val,
        test=settings.test,
        frames=settings.frames,
        image_size=settings.image_size,
        channels=settings.channels,
        data_dir=data_dir,
        progress=loading,
    )


def _prepare_clips(data: clips.ClipSet, split: Split, settings: AnySettings) -> Prepared:
    frames = data.clips.shape[1]
    pictures = data.clips.reshape(-1, *data.clips.shape[2:])
    index = (split.train[:, None] * frames + np.arange(frames)).ravel()
    preprocessing = fit_preprocessing(pictures, index, settings.training.standardise)
    return Prepared(CLIP_CLASSIFICATION, data.classes, preprocessing, frames=frames)


def _load_texts(settings: DataSettings, data_dir: Path | None, loading: Progress) -> texts.TextSet:
    return texts.load(settings.data, val=settings.val, test=settings.test, data_dir=data_dir, progress=loading)


def _prepare_texts(data: texts.TextSet, split: Split, settings: AnySettings) -> Prepared:
    assert settings.tokens is not None
    vocabulary = tokens.fit(settings.tokens, [data.texts[i] for i in split.train], settings.vocabulary)
    return Prepared(TEXT_CLASSIFICATION, data.classes, vocabulary=vocabulary, length=settings.length)


def _load_corpus(settings: DataSettings, data_dir: Path | None, loading: Progress) -> corpus.Corpus:
    assert settings.length is not None
    return corpus.load(
        settings.data, length=settings.length, val=settings.val, test=settings.test, data_dir=data_dir, progress=loading
    )


def _prepare_corpus(data: corpus.Corpus, split: Split, settings: AnySettings) -> Prepared:
    if settings.tokens != "characters":
        raise EcrnnError(f"language models read characters, not {settings.tokens}; leave tokens away")
    vocabulary = tokens.fit("characters", [data.block(i) for i in split.train], settings.vocabulary)
    return Prepared(NEXT_TOKEN, vocabulary=vocabulary, length=data.length)


def _refuse_parts(settings: DataSettings) -> None:
    if settings.val is not None or settings.test is not None:
        raise DataError("--val and --test are not for this task, whose data names its parts itself; leave them away")


def _load_pairs(settings: DataSettings, data_dir: Path | None, loading: Progress) -> Any:
    _refuse_parts(settings)
    return sentence_pairs.load(settings.data, data_dir=data_dir, progress=loading)


def _prepare_pairs(data: sentence_pairs.PairSet, split: Split, settings: AnySettings) -> Prepared:
    assert settings.tokens is not None
    splitter_of_translations()  # which validation needs: rather missed now than after an epoch
    source = tokens.fit(settings.tokens, [data.sources[i] for i in split.train], settings.vocabulary)
    target = tokens.fit(settings.tokens, [data.targets[i] for i in split.train], settings.vocabulary)
    return Prepared(TRANSLATION, vocabulary=target, source_vocabulary=source, length=settings.length)


def _load_captions(settings: DataSettings, data_dir: Path | None, loading: Progress) -> Any:
    _refuse_parts(settings)
    return captions.load(settings.data, image_size=settings.image_size, data_dir=data_dir, progress=loading)


def _prepare_captions(data: captions.CaptionSet, split: Split, settings: AnySettings) -> Prepared:
    assert settings.tokens is not None
    written = [text for i in split.train for text in data.captions[i]]
    vocabulary = tokens.fit(settings.tokens, written, settings.vocabulary)
    preprocessing = fit_preprocessing(data.images, split.train, settings.training.standardise)
    return Prepared(CAPTIONING, preprocessing=preprocessing, vocabulary=vocabulary, length=settings.length)


def _load_lines(settings: DataSettings, data_dir: Path | None, loading: Progress) -> lines.LineSet:
    return lines.load(
        settings.data, height=settings.height, val=settings.val, test=settings.test, data_dir=data_dir, progress=loading
    )


def _prepare_lines(data: lines.LineSet, split: Split, settings: AnySettings) -> Prepared:
    vocabulary = tokens.fit("characters", [data.texts[i] for i in split.train], settings.vocabulary)
    _check_widths(data, vocabulary)
    together = np.concatenate([data.images[i] for i in split.train], axis=1)[None, :, :, None]
    preprocessing = fit_preprocessing(together, np.array([0]), "global")
    widest = max(image.shape[1] for image in data.images)
    image = (1, together.shape[1], widest)
    return Prepared(TRANSCRIPTION, preprocessing=replace(preprocessing, image=image), vocabulary=vocabulary)


def _check_widths(data: lines.LineSet, vocabulary: Vocabulary) -> None:
    """CTC gives at most one character a step, and needs one more between two that are equal.

    Raises:
        DataError: pictures whose text is too long for their width; the line names them.
    """
    bad = [
        f"{data.files[i]} ({image.shape[1]} pixels give {Reader.steps(image.shape[1])} steps, '{text}' needs {needed})"
        for i, (image, text) in enumerate(zip(data.images, data.texts, strict=True))
        if (needed := ctc.needed(vocabulary.encode(text))) > Reader.steps(image.shape[1])
    ]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise DataError(f"texts too long for their pictures: {'; '.join(bad[:3])}{more}; widen or remove them")


def _without_seed(kind: Callable[..., Objective]) -> Callable[..., Objective]:
    return lambda data, split, prepared, settings, seed: kind(data, split, prepared, settings)


PARTS: dict[str, Parts] = {
    IMAGE_CLASSIFICATION.name: Parts(_load_images, _prepare_images, _image_objective, folder.has_validation),
    CLIP_CLASSIFICATION.name: Parts(
        _load_clips, _prepare_clips, _without_seed(ClipClassification), clips.has_validation
    ),
    TEXT_CLASSIFICATION.name: Parts(
        _load_texts, _prepare_texts, _without_seed(TextClassification), texts.has_validation
    ),
    NEXT_TOKEN.name: Parts(_load_corpus, _prepare_corpus, _without_seed(NextToken), corpus.has_validation),
    TRANSLATION.name: Parts(_load_pairs, _prepare_pairs, _without_seed(Translation)),
    CAPTIONING.name: Parts(_load_captions, _prepare_captions, Captioning),
    TRANSCRIPTION.name: Parts(_load_lines, _prepare_lines, Transcription, lines.has_validation),
}
