"""Trained models that write in use: translators, captioners, and readers of lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import Scored
from ecrnn.data import captions as caption_data
from ecrnn.data import lines as line_data
from ecrnn.data import sentence_pairs as pair_data
from ecrnn.data.captions import CaptionSet
from ecrnn.data.folder import read_picture
from ecrnn.data.lines import LineSet
from ecrnn.data.pictures import read_line
from ecrnn.data.sentence_pairs import PairSet
from ecrnn.models.answers import captions, transcripts, translations
from ecrnn.models.prepared import Prepared
from ecrnn.models.scoring import bleu_of_captions, bleu_of_translations, character_edits
from ecrnn.serving.bundle import Description
from ecrnn.serving.model import Judged, Model, example_name
from ecrnn.serving.texts import check_list, short

MAX_WIDTH = 1000  # hypotheses of a beam search


class _Writer(Model):
    """What models that write have in common. Attributes are those of `Model`, and ``width``, of the beam search."""

    width = 1

    def search(self, width: int) -> None:
        if not 1 <= width <= MAX_WIDTH:
            raise EcrnnError(f"the beam should be 1 to {MAX_WIDTH} wide, not {width}")
        self.width = width


class Translator(_Writer):
    """A trained translator; its attributes are those of `Model`."""

    def examples(self, data: str, data_dir: Path | None = None) -> PairSet:
        return pair_data.load(data, data_dir=data_dir)

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
        sources = [self.prepared.encode_source(text) for text in texts]
        with self.naming(lambda row: f"the text '{short(texts[row])}'"):
            written = translations(self.network, sources, self.prepared.limit, self.width)
        return [self.prepared.decode(tokens) for tokens in written]


class Captioner(_Writer):
    """A trained writer of captions; its attributes are those of `Model`, and ``image``."""

    def __init__(
        self,
        description: Description,
        prepared: Prepared,
        network: nn.Module,
        metrics: dict[str, Any],
        device: str = "auto",
    ) -> None:
        super().__init__(description, prepared, network, metrics, device)
        assert prepared.preprocessing is not None
        self.image = prepared.preprocessing.image
        self.standardise = prepared.standardise().to(self.device)

    def examples(self, data: str, data_dir: Path | None = None) -> CaptionSet:
        _, height, width = self.image
        return caption_data.load(data, image_size=(height, width), data_dir=data_dir)

    def judge(self, data: CaptionSet, index: np.ndarray) -> Judged:
        with self.naming(example_name(data, index, "image")):
            written = self.caption_images(data.images, index)
        return Judged(Scored(index, bleu_of_captions(written, [data.captions[i] for i in index])), written)

    def caption(self, pictures: Sequence[str | Path]) -> list[str]:
        """The caption of each picture file.

        Raises:
            DataError: a file cannot be read as a picture.
        """
        check_list(pictures, "pictures")
        if not pictures:
            return []
        images = np.stack([self.open(path) for path in pictures])
        with self.naming(lambda row: str(pictures[row])):
            return self.caption_images(images, np.arange(len(images)))

    def open(self, path: str | Path) -> np.ndarray:
        """A picture file in the form that the network takes, uint8 (H, W, 3); a DataError where it cannot be read."""
        return read_picture(path, self.image)

    def caption_images(self, images: np.ndarray, index: np.ndarray) -> list[str]:
        """The captions of the pictures ``images[index]``, uint8 (N, H, W, 3) as `open` gives them."""
        written = captions(self.network, images, index, self.standardise, self.prepared.limit, self.width)
        return [self.prepared.decode(tokens) for tokens in written]


class Reader(_Writer):
    """A trained reader of lines of text; its attributes are those of `Model`, and ``height`` (pixels)."""

    def __init__(
        self,
        description: Description,
        prepared: Prepared,
        network: nn.Module,
        metrics: dict[str, Any],
        device: str = "auto",
    ) -> None:
        super().__init__(description, prepared, network, metrics, device)
        assert prepared.preprocessing is not None
        self.height = prepared.preprocessing.image[1]
        self.standardise = prepared.standardise().to(self.device)

    def examples(self, data: str, data_dir: Path | None = None) -> LineSet:
        return line_data.load(data, height=self.height, data_dir=data_dir)

    def judge(self, data: LineSet, index: np.ndarray) -> Judged:
        with self.naming(example_name(data, index, "image")):
            written = self.read_images([data.images[i] for i in index])
        return Judged(Scored(index, character_edits(written, [data.texts[i] for i in index])), written)

    def read(self, pictures: Sequence[str | Path]) -> list[str]:
        """The text on each picture file.

        Raises:
            DataError: a file cannot be read as a picture.
        """
        check_list(pictures, "pictures")
        if not pictures:
            return []
        with self.naming(lambda row: str(pictures[row])):
            return self.read_images([self.open(path) for path in pictures])

    def open(self, path: str | Path) -> np.ndarray:
        """A picture file in the form that the network takes, uint8 (H, W); a DataError where it cannot be read."""
        return read_line(path, self.height)

    def read_images(self, images: Sequence[np.ndarray]) -> list[str]:
        """The texts on pictures as `open` gives them."""
        read = transcripts(self.network, images, self.standardise, self.width)
        return [self.prepared.decode(tokens) for tokens in read]
