"""Convolution over images of several widths: nobody sees the padding, in evaluation and in training."""

from __future__ import annotations

import pytest
import torch
from oracles import compare
from torch import Tensor

from ecrnn.layers.columns import ColumnArea, within

WIDTHS = [4, 21, 30, 37]  # 37 is odd twice over: 37, 18, 9


def area(height: int = 18, dtype: torch.dtype = torch.float64) -> ColumnArea:
    torch.manual_seed(3)
    made = ColumnArea(1, height).to(dtype)
    for name, parameter in made.named_parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 1.0 if name.endswith("2.weight") else 0.0, 0.5)
    return made


def images(widths: list[int], height: int = 18, beyond: float = 0.0) -> Tensor:
    batch = torch.full((len(widths), 1, height, max(widths)), beyond, dtype=torch.float64)
    for row, width in enumerate(widths):
        generator = torch.Generator().manual_seed(row)
        batch[row, :, :, :width] = torch.randn(1, height, width, dtype=torch.float64, generator=generator)
    return batch


def test_within_marks_each_images_columns() -> None:
    marks = within(torch.tensor([3, 0, 4]), torch.zeros(3, 2, 5, 4, dtype=torch.float64))
    assert marks.shape == (3, 1, 1, 4)
    assert marks.dtype == torch.float64
    assert marks[:, 0, 0].tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("beyond", [0.0, 100.0])
def test_a_image_comes_out_as_if_alone(beyond: float) -> None:
    network, batch = area(), images(WIDTHS, beyond=beyond)
    network.train()(images([24, 24]))  # running statistics that are not 0 and 1
    made = network.eval()(batch, torch.tensor(WIDTHS))
    assert made.shape == (4, 37 // 4, 128)
    for row, width in enumerate(WIDTHS):
        alone = network(batch[row : row + 1, :, :, :width])
        compare({"columns": alone[0]}, {"columns": made[row, : width // 4]}, 1e-12)
        assert not made[row, width // 4 :].any()


def test_in_training_padding_does_not_count() -> None:
    """Images of one width, with padding and without: outputs, gradients and running statistics are the same."""
    results = []
    for padding in (0, 13):
        network, batch = area().train(), images([22, 22, 22])
        widths = torch.tensor([22, 22, 22]) if padding else None
        made = network(torch.nn.functional.pad(batch, (0, padding), value=7.0), widths)
        assert made.shape[1] == (22 + padding) // 4
        cotangent = torch.randn(3, 5, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        (made[:, :5] * cotangent).sum().backward()
        results.append(
            {"out": made[:, :5].detach()}
            | {f"d {name}": p.grad for name, p in network.named_parameters()}
            | {name: b.clone() for name, b in network.named_buffers()}
        )
    compare(results[0], results[1], 1e-9)


def test_statistics_are_of_all_columns_that_count() -> None:
    """The first stage's, from the images' own values, one after the other."""
    network, batch = area().train(), images(WIDTHS)
    network(batch, torch.tensor(WIDTHS))
    convolution, _, normalisation, _ = network.stages[0].stage
    values = [convolution(batch[row : row + 1, :, :, :width]).relu() for row, width in enumerate(WIDTHS)]
    together = torch.cat([value.movedim(1, 0).flatten(1) for value in values], dim=1)  # (C, all columns)
    expected = {"mean": together.mean(1), "variance": together.var(1)}
    compare(expected, {"mean": normalisation.running_mean, "variance": normalisation.running_var}, 1e-12)


@pytest.mark.parametrize(("height", "rows"), [(50, 3), (32, 2), (16, 1), (9, 1), (8, 1), (4, 1)])
def test_every_height_leaves_a_row(height: int, rows: int) -> None:
    network = area(height, torch.float32).eval()
    assert network.features == rows * 128
    assert network(torch.zeros(2, 1, height, 11)).shape == (2, 2, rows * 128)
