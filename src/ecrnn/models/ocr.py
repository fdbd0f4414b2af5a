"""OCR: text in an image of any width, after Shi, Bai and Yao, An End-to-End Trainable Neural Network for Image-based
Sequence Recognition (2015), who call it CRNN.

A CNN makes the image's columns a sequence, a bidirectional LSTM reads it from both ends, and a dense layer gives
scores of every character and of the blank at every step; CTC, in `ecrnn.models.ctc`, makes them a text and a loss.

| part    | Shi et al.                             | `ocr`                                                          |
|---------|----------------------------------------|----------------------------------------------------------------|
| image   | 32 pixels high, any width, grey        | any height from 8 and width from 4, grey or colour             |
| CNN     | 7 convolutions, 64 to 512 maps         | 4 of 3x3, 32 to 128 maps, batch normalisation after each       |
| pooling | 2x2 twice, then the height alone twice | the same                                                       |
| step    | one column of 512 values               | one column of rows x 128 values                                |
| RNN     | 2 BiLSTM of 256                        | 1 BiLSTM of 128; other cells, nodes and layers by name         |
| output  | a dense layer on the RNN's outputs     | on these and the column itself                                 |

It is made for a thousand images and two cores. CTC's loss stays long where every step says blank. In the few runs
that were tried, the way from the columns past the RNN led out of there sooner, and one layer sooner than two
(docs/log.md).
Images of several widths go together in one batch, padded on the right, and each comes out as if it were alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.areas import RecurrentSequence
from ecrnn.layers.columns import NARROWING, ColumnArea
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register("ocr", task="transcription", default="bilstm-128", cells="any", layers=8, example="ocr-bilstm-64-64")
class Reader(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits of ids at every step, and how many steps count.

    Args:
        name: with cell and nodes of the recurrent layers.
        spec: with image, whose width is only the usual one, and tokens, of which id 0 is CTC's blank.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        (channels, height, _), tokens = spec.take("image", "tokens")
        assert name.cell is not None
        self.cnn = ColumnArea(channels, height)
        self.rnn = RecurrentSequence(name.cell, self.cnn.features, name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features + self.cnn.features, tokens)

    @staticmethod
    def steps(width: int) -> int:
        """Steps, and so the most ids, that an image of ``width`` columns gives; see `ecrnn.models.ctc.needed`."""
        return width // NARROWING

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read images.

        Args:
            images: (B, C, H, W), narrower ones padded on the right with anything.
            widths: (B,), int64, their own widths, from 4 to W; None where all are W wide.

        Returns:
            logits (B, W // 4, tokens), and lengths (B,), int64, on the images' device: the logits of image b at its
            first lengths[b] steps are those of the image alone, in evaluation; the others have no meaning.

        Raises:
            EcrnnError: a width out of bounds.
        """
        widths = _checked(images, widths)
        padded = bool((widths < images.shape[3]).any())
        return self.scores(images, widths, padded)

    def scores(self, images: Tensor, widths: Tensor, padded: bool) -> tuple[Tensor, Tensor]:
        """As `forward`, of widths within their bounds; ``padded`` says whether any is narrower than the images."""
        columns = self.cnn(images, widths if padded else None)  # (B, W / 4, features)
        lengths = widths // NARROWING
        outputs = self.rnn(columns, lengths if padded else None)  # (B, W / 4, nodes), or 2 * nodes
        return self.head(torch.cat([outputs, columns], dim=2)), lengths.to(images.device)


def _checked(images: Tensor, widths: Tensor | None) -> Tensor:
    """The widths as a tensor on the CPU, where they cost no waiting for a GPU."""
    batch, widest = images.shape[0], images.shape[3]
    widths = torch.full((batch,), widest) if widths is None else widths.to("cpu", torch.int64)
    if widths.shape != (batch,) or (batch and (widths.min() < NARROWING or widths.max() > widest)):
        wanted = f"{batch} from {NARROWING} to {widest}"
        raise EcrnnError(f"widths of images must be {wanted} pixels, got {widths.tolist()[:8]} (ocr)")
    return widths
