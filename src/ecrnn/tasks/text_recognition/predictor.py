"""A trained reader of lines of text in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecrnn.core.predictions import Example, Scored
from ecrnn.data.image_file import read_line
from ecrnn.models.generation import transcripts
from ecrnn.models.scoring import character_edits, whole_texts, word_edits
from ecrnn.serving.examples import png, spread
from ecrnn.serving.predictor import Beside, Judged, check_list, example_name
from ecrnn.serving.seq2seq import Seq2SeqPredictor
from ecrnn.stats import WER, WHOLE
from ecrnn.tasks.text_recognition import lines
from ecrnn.tasks.text_recognition.lines import LineSet


class TextLinePredictor(Seq2SeqPredictor):
    """A trained reader of lines of text; its attributes are those of `Predictor`, and ``height``."""

    @property
    def height(self) -> int:
        """The height of the images that the network takes, in pixels."""
        return self.image[1]

    def examples(self, data: str, data_dir: Path | None = None) -> LineSet:
        return lines.load(data, height=self.height, data_dir=data_dir)

    def judge(self, data: LineSet, index: np.ndarray) -> Judged:
        with self.naming(example_name(data, index, "image")):
            written = self.read_images([data.images[i] for i in index])
        return Judged(Scored(index, character_edits(written, [data.texts[i] for i in index])), written)

    def read(self, paths: Sequence[str | Path]) -> list[str]:
        """The text on each image file.

        Raises:
            DataError: a file cannot be read as an image.
        """
        check_list(paths, "images")
        if not paths:
            return []
        with self.naming(lambda row: str(paths[row])):
            return self.read_images([self.open(path) for path in paths])

    def open(self, path: str | Path) -> np.ndarray:
        """An image file in the form that the network takes, uint8 (H, W); a DataError where it cannot be read."""
        return read_line(path, self.height)

    def read_images(self, images: Sequence[np.ndarray]) -> list[str]:
        """The texts on images as `open` gives them."""
        read = transcripts(self.network, images, self.standardise, self.width)
        return [self.processor.decode(tokens) for tokens in read]

    def answers(self, inputs: Sequence[np.ndarray]) -> list[str]:
        return self.read_images(inputs)

    def beside(self, data: LineSet, index: np.ndarray, judged: Judged) -> Beside:
        written, texts = judged.texts, [data.texts[i] for i in index]
        places = ((k, index[k]) for k in spread(len(index)))
        examples = (
            Example(data.files[i], (texts[k],), written[k], self.alone(judged, k), png(data.images[i]))
            for k, i in places
        )
        figures = [(WER, word_edits(written, texts)), (WHOLE, whole_texts(written, texts))]
        return Beside(figures, {"Search": self.how}, examples)
