"""The processor between examples and a network: sizes, texts, and back from untrusted files."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from core.lines import one_line
from training.small_tasks import LENGTH, MODELS, small

from ecrnn.core.errors import BundleError
from ecrnn.core.tasks import MAX_LENGTH, TASKS
from ecrnn.data.tokens import fit
from ecrnn.data.vocabulary import UNKNOWN, Vocabulary
from ecrnn.models.processor import Processor
from ecrnn.models.spec import MAX_FRAMES, InputSpec


@pytest.mark.parametrize("task", MODELS)
def test_through_files_and_back(task: str) -> None:
    processor = small(task).processor
    plain, files = json.loads(json.dumps(processor.to_plain())), processor.files()
    back = Processor.from_plain(task, processor.classes, plain, files.__getitem__)
    for own in fields(Processor):
        assert getattr(back, own.name) == getattr(processor, own.name), own.name
    assert back.sizes == processor.sizes
    processor.sizes.take(*TASKS[task].inputs)  # or it raises


def test_sizes() -> None:
    found = {task: small(task).processor for task in MODELS}
    assert found["clip-classification"].sizes == InputSpec((1, 8, 8), 2, frames=3)
    translation = found["translation"]
    assert isinstance(translation.vocabulary, Vocabulary)
    assert isinstance(translation.source_vocabulary, Vocabulary)
    assert translation.sizes.tokens == len(translation.vocabulary)
    assert translation.sizes.source_tokens == len(translation.source_vocabulary)
    assert sorted(translation.files()) == ["source-vocabulary.json", "vocabulary.json"]


def test_texts() -> None:
    processor = small("translation").processor
    many = "a dog " * LENGTH
    assert processor.encode_source(many) == processor.encode_source("a dog") * (LENGTH // 2)
    assert processor.limit == len(processor.encode(many.upper())) == LENGTH
    assert processor.encode("") == processor.encode_source("") == []
    assert processor.encode("unheard") == [UNKNOWN]
    assert processor.decode(processor.encode("A DOG sleeps")) == "A DOG"
    assert len(small("transcription").processor.encode("abc" * 100)) == 300, "alphabets have no length"


def test_standardise() -> None:
    processor = small("captioning").processor
    assert processor.preprocessing is not None
    image = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
    module = processor.standardise()
    np.testing.assert_allclose(module(torch.from_numpy(image)), processor.preprocessing.apply(image), rtol=1e-6)


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        ("text-classification", {"length": 8}),
        ("text-classification", {"vocabulary": fit("bytes", []), "length": 8, "frames": 3}),
        ("next-token", {"vocabulary": fit("bytes", [])}),
    ],
)
def test_exactly_a_tasks_parts(task: str, parts: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=f"{task} needs vocabulary, length, not"):
        Processor(TASKS[task], ("a", "b") if TASKS[task].classes else (), **parts)


GOOD = {"vocabulary": "bytes", "length": 8}
BYTES = '{"kind": "bytes"}'


@pytest.mark.parametrize(
    ("task", "classes", "plain", "text", "words"),
    [
        ("painting", (), GOOD, BYTES, ["task 'painting'", "next-token"]),
        ("next-token", (), {"vocabulary": "bytes"}, BYTES, ["needs exactly vocabulary, length", "found vocabulary"]),
        ("next-token", (), {}, BYTES, ["found nothing"]),
        ("next-token", (), GOOD | {"frames": 4}, BYTES, ["found frames, length, vocabulary"]),
        ("next-token", ("a", "b"), GOOD, BYTES, ["next-token has no classes"]),
        ("text-classification", (), GOOD, BYTES, ["has classes, but none are named"]),
        ("next-token", (), GOOD | {"vocabulary": "letters"}, BYTES, ["'letters'", "characters, bytes"]),
        ("next-token", (), GOOD | {"vocabulary": ["bytes"]}, BYTES, ["['bytes']"]),
        ("next-token", (), GOOD | {"vocabulary": "words"}, BYTES, ["vocabulary.json", "'words'"]),
        ("next-token", (), GOOD, "{", ["not valid JSON"]),
        *(
            ("text-classification", ("a", "b"), GOOD | {"length": value}, BYTES, ["length", f"1 to {MAX_LENGTH}"])
            for value in (0, -1, True, 2.0, "8", None, MAX_LENGTH + 1)
        ),
        (
            "clip-classification",
            ("a", "b"),
            {"preprocessing": {"image": [1, 8, 8], "mean": [0], "std": [1]}, "frames": MAX_FRAMES + 1},
            BYTES,
            ["frames", str(MAX_FRAMES)],
        ),
        (
            "clip-classification",
            ("a", "b"),
            {"preprocessing": {"image": [1, 8, 8], "mean": [0], "std": [0]}, "frames": 3},
            BYTES,
            ["standard deviation"],
        ),
    ],
)
def test_files_that_are_not_as_they_should_be(
    task: str, classes: tuple[str, ...], plain: dict[str, Any], text: str, words: list[str]
) -> None:
    with one_line(BundleError, *words):
        Processor.from_plain(task, classes, plain, lambda name: text)


def test_which_files_are_read() -> None:
    read: list[str] = []

    def reader(name: str) -> str:
        read.append(name)
        return BYTES

    Processor.from_plain("translation", (), GOOD | {"source_vocabulary": "bytes"}, reader)
    assert sorted(read) == ["source-vocabulary.json", "vocabulary.json"]


@pytest.mark.parametrize("length", [1, 2**16 + 1, 2**20])
def test_blocks_that_no_corpus_can_be_cut_into(length: int) -> None:
    processor = small("next-token").processor
    plain = {**processor.to_plain(), "length": length}
    with pytest.raises(BundleError, match="length should be a whole number from 2 to 65536"):
        Processor.from_plain("next-token", (), plain, processor.files().__getitem__)
