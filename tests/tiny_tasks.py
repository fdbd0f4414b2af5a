"""A tiny data set and a tiny model of every task, and the options that train it in a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ecrnn.core.config import TrainSettings
from ecrnn.data.splits import parse_split
from ecrnn.data.vocabulary import END
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.serving.bundle import describe
from ecrnn.serving.load import in_use
from ecrnn.studies.settings import read_settings
from ecrnn.studies.tasks import load_examples, prepare

WORDS = ("red", "blue", "dog", "cat", "runs", "sits")
TRAINING = {"epochs": 1, "batch_size": 8, "threads": 1}
MOTS = ("rouge", "bleu", "chien", "chat", "court", "assis")


@dataclass(frozen=True)
class Tiny:
    """Of one task: two models, the settings of a training, and what writes its data into an empty folder.

    ``write`` gives what DATA is then.
    """

    model: str
    other: str
    settings: dict[str, object]
    write: Callable[[Path], Path]

    @property
    def options(self) -> list[str]:
        """As the commands take the settings."""
        settings = {**self.settings, **{f"training.{key}": value for key, value in TRAINING.items()}}
        return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]

    def read(self, folder: Path, model: str | None = None, **training: object) -> TrainSettings:
        """Write the data into ``folder``; the settings that train ``model`` with it."""
        asked = {"data": str(self.write(folder)), "model": model or self.model, "training": {**TRAINING, **training}}
        return read_settings(TrainSettings, {**self.settings, **asked})


def write_images(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for number in range(24):
        place = folder / "images" / ("dark", "light")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 100, (8, 8, 3), dtype=np.uint8) + 150 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")
    return folder / "images"


def write_clips(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    labels = np.arange(24) % 2
    clips = draw.integers(0, 60, (24, 4, 8, 8, 1), dtype=np.uint8)
    for clip, label in zip(clips, labels, strict=True):  # a bar that rises or falls
        for step in range(4):
            clip[step, 2 * step if label else 6 - 2 * step] = 255
    np.savez(folder / "clips.npz", clips=clips, labels=labels, classes=np.array(["falls", "rises"]))
    return folder / "clips.npz"


def write_sequences(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for number in range(24):
        place = folder / "sensors" / ("falls", "rises")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        ramp = np.linspace(-2, 2, draw.integers(5, 12)) * (1 if number % 2 else -1)
        np.savetxt(place / f"{number}.csv", np.stack([ramp, draw.normal(size=len(ramp))], 1), "%.4f", ",", header="a,b")
    return folder / "sensors"


def sentences(words: tuple[str, ...], n: int = 30) -> list[str]:
    """Of three words; the same places of two lists of words make sentences that mean the same."""
    return [f"{words[i % 2]} {words[2 + i // 2 % 2]} {words[4 + i // 4 % 2]}" for i in range(n)]


def write_texts(folder: Path) -> Path:
    lines = [f"{('warm', 'cold')[i % 2]}\t{text}" for i, text in enumerate(sentences(WORDS))]
    (folder / "texts.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "texts.tsv"


def write_corpus(folder: Path) -> Path:
    (folder / "book.txt").write_text("\n".join(sentences(WORDS, 60)) + "\n", encoding="utf-8")
    return folder / "book.txt"


def write_pairs(folder: Path) -> Path:
    pairs = zip(sentences(WORDS), sentences(MOTS), strict=True)
    (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    return folder / "pairs.tsv"


def write_captions(folder: Path) -> Path:
    place = folder / "captioned"
    (place / "images").mkdir(parents=True)
    draw, lines = np.random.default_rng(0), ["image\tcaption"]
    for number, text in enumerate(sentences(WORDS, 16)):
        pixels = draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{number}.png")
        lines += [f"{number}.png\tthe {text}", f"{number}.png\ta {text}"]
    (place / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def write_lines(folder: Path) -> Path:
    place = folder / "lines"
    place.mkdir()
    for number in range(20):
        text = f"{number:02}a"
        pixels = np.full((16, 24 + 2 * (number % 3)), 255, np.uint8)
        for k, letter in enumerate(text):
            pixels[:, 8 * k + 1 : 8 * k + 7] = 5 * ord(letter) % 251
        Image.fromarray(pixels).save(place / f"{text}.png")
    return place


TINY = {
    "image-classification": Tiny("mlp-4", "cnn-4", {"image_size": 8}, write_images),
    "clip-classification": Tiny("frames-gru-4", "frames-rnn-4", {"frames": 4, "image_size": 8}, write_clips),
    "text-classification": Tiny("sentiment-gru-4", "sentiment-rnn-4", {"split": 0.7}, write_texts),
    "next-token": Tiny("charlm-gru-8", "charlm-rnn-8", {"length": 16}, write_corpus),
    "translation": Tiny(
        "translate-gru-8", "translate-rnn-8-attention", {"tokens": "words", "split": 0.8, "length": 8}, write_pairs
    ),
    "captioning": Tiny("caption-gru-8", "caption-rnn-8-attention", {"image_size": 16, "length": 6}, write_captions),
    "transcription": Tiny("ocr-gru-8", "ocr-rnn-8", {"height": 16}, write_lines),
    "sequence-classification": Tiny("sequence-gru-4", "sequence-cnn-rnn-4", {}, write_sequences),
}


def untrained(task: str, folder: Path, model: str | None = None, **changes: Any) -> tuple[Any, Any]:
    """A model of ``task`` in use that has learnt nothing, and its data, written into ``folder``.

    What writes is kept from writing nothing. ``changes`` are other settings.
    """
    settings = TINY[task].read(folder, model).model_copy(update=changes)
    name = parse(settings.model)
    data = load_examples(name.task, settings)
    processor = prepare(name.task, data, parse_split(settings.split).split(data, 0, 0), settings)
    network = make(name, processor.sizes, 0)
    if not processor.classes:
        with torch.no_grad():
            network.head.bias[: END + 1] -= 0.3
    return in_use(describe(name, processor), processor, network, {}, "cpu"), data
