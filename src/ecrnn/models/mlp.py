"""MLP: the feed-forward network with one hidden layer, on which error back-propagation is taught.

Hidden units are sigmoid. Of the output units there are two forms: `mlp` has softmax outputs and is trained with
cross-entropy; `mlp-squared` has sigmoid outputs and is trained with the sum-of-squares error, as in the equations
(1) to (14) of docs/equations.md. There the gradient at an output is (y_k - t_k) y_k (1 - y_k), which
is small where a unit is wrong and sure of it; cross-entropy has y_k - t_k, and learns faster.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.layers.scans import Flatten
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register(
    "mlp",
    task="image-classification",
    default="128",
    layers=1,
    layer="hidden layer",
    example="mlp-64",
    suffixes=("squared",),
)
class MLP(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes), by which the softmax is meant.

    The logits of the squared form are log y_k, with y_k the sigmoid outputs. Their softmax is y_k / sum_j y_j: a
    prediction's probabilities are the outputs brought to the sum 1.

    Args:
        name: with the hidden units; the variant "squared" has sigmoid outputs and squared error, not softmax and
            cross-entropy.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        (channels, height, width), classes = spec.take("image", "classes")
        (nodes,) = name.nodes
        self.flatten = Flatten()
        self.hidden = nn.Linear(channels * height * width, nodes)
        self.output = nn.Linear(nodes, classes)
        self.squared = name.variant == "squared"

    def forward(self, images: Tensor) -> Tensor:
        x = self.flatten(images)  # (B, H*W*C)
        a_j = self.hidden(x)  # (B, nodes), eq. 1
        z_j = torch.sigmoid(a_j)  # eq. 2
        a_k = self.output(z_j)  # (B, classes), eq. 3
        return F.logsigmoid(a_k) if self.squared else a_k  # eq. 4: y_k = sigma(a_k), or softmax

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The error that training makes small, an image: cross-entropy, or 1/2 sum_k (y_k - t_k)^2 (eq. 6).

        Args:
            logits: (B, classes), what `forward` gives, float32 or float64.
            targets: (B,), int64, the right classes; t_k is 1 for that one and 0 for the others.

        Returns:
            The mean over the images, a scalar.
        """
        if not self.squared:
            return F.cross_entropy(logits, targets)
        t_k = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
        return 0.5 * (logits.exp() - t_k).square().sum(1).mean()
