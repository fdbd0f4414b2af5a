"""A trained writer of captions in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecrnn.core.predictions import Example, Scored
from ecrnn.data.folder import read_image
from ecrnn.models.generation import captions as write_captions
from ecrnn.models.scoring import bleu_of_captions
from ecrnn.serving.examples import png, spread
from ecrnn.serving.predictor import Beside, Judged, check_list, example_name
from ecrnn.serving.seq2seq import Seq2SeqPredictor
from ecrnn.stats import BLEU_1, BLEU_2, BLEU_3
from ecrnn.tasks.captioning import captions
from ecrnn.tasks.captioning.captions import CaptionSet


class CaptionPredictor(Seq2SeqPredictor):
    """A trained writer of captions; its attributes are those of `Predictor`."""

    def examples(self, data: str, data_dir: Path | None = None) -> CaptionSet:
        _, height, width = self.image
        return captions.load(data, image_size=(height, width), fit=self.fit, data_dir=data_dir)

    def judge(self, data: CaptionSet, index: np.ndarray) -> Judged:
        with self.naming(example_name(data, index, "image")):
            written = self.caption_images(data.images, index)
        return Judged(Scored(index, bleu_of_captions(written, [data.captions[i] for i in index])), written)

    def caption(self, paths: Sequence[str | Path]) -> list[str]:
        """The caption of each image file.

        Raises:
            DataError: a file cannot be read as an image.
        """
        check_list(paths, "images")
        if not paths:
            return []
        images = np.stack([self.open(path) for path in paths])
        with self.naming(lambda row: str(paths[row])):
            return self.caption_images(images, np.arange(len(images)))

    def open(self, path: str | Path) -> np.ndarray:
        """An image file in the form that the network takes, uint8 (H, W, 3); a DataError where it cannot be read."""
        return read_image(path, self.image, self.fit)

    def caption_images(self, images: np.ndarray, index: np.ndarray) -> list[str]:
        """The captions of the images ``images[index]``, uint8 (N, H, W, 3) as `open` gives them."""
        written = write_captions(self.network, images, index, self.standardise, self.processor.limit, self.width)
        return [self.processor.decode(tokens) for tokens in written]

    def answers(self, inputs: Sequence[np.ndarray]) -> list[str]:
        return self.caption_images(np.stack(inputs), np.arange(len(inputs)))

    def beside(self, data: CaptionSet, index: np.ndarray, judged: Judged) -> Beside:
        written, statistics = judged.texts, judged.predictions.statistics
        facts = {
            "Search": self.how,
            "BLEU": "words in small letters, no punctuation, against all captions of an image; no smoothing",
        }
        places = ((k, index[k]) for k in spread(len(index)))
        examples = (Example(data.files[i], data.captions[i], written[k], image=png(data.images[i])) for k, i in places)
        return Beside([(metric, statistics) for metric in (BLEU_1, BLEU_2, BLEU_3)], facts, examples)
