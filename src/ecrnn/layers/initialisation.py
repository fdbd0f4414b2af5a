"""Initialisation, in one place: Keras's defaults, drawn from one seed.

| tensor                                  | values                                                          |
|-----------------------------------------|-----------------------------------------------------------------|
| convolution and dense weight            | Glorot uniform: +-sqrt(6 / (fan_in + fan_out))                  |
| passing convolution: first filters      | the identity                                                    |
| silent dense weight                     | 0                                                               |
| embedding                               | uniform, +-0.05                                                 |
| table convolution: weight               | Glorot uniform, fans from the mean number of connected maps     |
| subsampling: coefficient                | 1/4, so that it begins as the average                           |
| recurrent layer: input weight           | Glorot uniform over (input, gates * nodes)                      |
| recurrent layer: recurrent weight       | orthogonal                                                      |
| LSTM: bias                              | 0, but 1 for the forget gate (torch's order i, f, g, o)         |
| all other biases                        | 0                                                               |
| batch normalisation                     | scale 1, shift 0, running mean 0, running variance 1            |
"""

from __future__ import annotations

import torch
from torch import nn

from ecrnn.core.devices import threads
from ecrnn.layers.lenet5_layers import Subsampling, TableConvolution
from ecrnn.layers.residual import PassingConvolution, SilentLinear


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Set every weight of ``model`` in place, from ``seed`` alone; torch's global generator is not touched."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        match module:
            case nn.Conv1d() | nn.Conv2d() | nn.Linear():
                nn.init.xavier_uniform_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                if isinstance(module, PassingConvolution):
                    module.pass_on()
                elif isinstance(module, SilentLinear):
                    nn.init.zeros_(module.weight)
            case nn.Embedding():
                nn.init.uniform_(module.weight, -0.05, 0.05, generator=generator)
            case TableConvolution():
                connections, (maps_out, maps_in, height, width) = len(module.weight), module.shape
                fans = connections * height * width * (1 / maps_out + 1 / maps_in)
                module.weight.uniform_(-((6 / fans) ** 0.5), (6 / fans) ** 0.5, generator=generator)
                nn.init.zeros_(module.bias)
            case Subsampling():
                nn.init.constant_(module.coefficient, 0.25)
                nn.init.zeros_(module.bias)
            case nn.RNNBase():
                _initialise_recurrence(module, generator)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                module.reset_parameters()


def _initialise_recurrence(layer: nn.RNNBase, generator: torch.Generator) -> None:
    for name, weight in layer.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight, generator=generator)
        elif name.startswith("weight_hh"):
            wide = weight.to(torch.promote_types(weight.dtype, torch.float32))  # torch has no QR of half types
            with threads(1):  # the decomposition's last bits depend on their number, from 32 nodes on
                weight.copy_(nn.init.orthogonal_(wide, generator=generator))
        else:
            nn.init.zeros_(weight)
            if layer.mode == "LSTM" and name.startswith("bias_ih"):
                weight[layer.hidden_size : 2 * layer.hidden_size] = 1
