"""mlp, LeNet-5 and AlexNet against independent figures and against torch's own layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import central_differences, compare
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.models import alexnet, lenet5
from ecrnn.models.registry import build, check_sizes, usual_image
from ecrnn.models.summary import summarise

PUBLISHED = {
    # name, classes, parameters of the layers, total. LeNet-5: section II-B of LeCun et al. 1998, where 60,000 are below
    # the output; 61,706 is the figure of the form with a whole C3. AlexNet: the figure of the grouped form.
    "lenet5": (10, (156, 2416, 48120, 10164, 850), 61_706),
    "lenet5-1998": (10, (156, 12, 1516, 32, 48120, 10164, 850), 60_000 + 850),
    "alexnet": (1000, (34944, 307456, 885120, 663936, 442624, 37752832, 16781312, 4097000), 60_965_224),
    "mlp": (10, ((3 * 32 * 32 + 1) * 128, 129 * 10), 3073 * 128 + 1290),
}
MULTIPLY_ADDS = {
    "lenet5": 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 840,
    "lenet5-1998": 28 * 28 * 25 * 6 + 14 * 14 * 6 + 10 * 10 * 25 * 60 + 25 * 16 + 400 * 120 + 120 * 84 + 840,
    "alexnet": 724_406_816,  # the known 724 million of the grouped form
    "mlp": 3072 * 128 + 1280,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    classes, layers, total = PUBLISHED[name]
    image = usual_image(name)
    summary = summarise(build(name, image, classes), image)
    assert tuple(row.parameters for row in summary.rows if row.parameters) == layers
    assert summary.parameters == summary.trainable == total
    assert summary.multiply_adds == MULTIPLY_ADDS[name]


def test_the_layers_of_1998_in_the_table() -> None:
    rows = summarise(build("lenet5-1998", (1, 32, 32)), (1, 32, 32)).rows
    assert [(row.area, row.layer, row.output) for row in rows] == [
        ("CNN", "Input", (32, 32, 1)),
        ("CNN", "Conv2D", (28, 28, 6)),
        ("CNN", "Subsampling", (14, 14, 6)),
        ("CNN", "Conv2D (table)", (10, 10, 16)),
        ("CNN", "Subsampling_1", (5, 5, 16)),
        ("CNN", "Flatten", (400,)),
        ("dense", "Dense", (120,)),
        ("dense", "Dense_1", (84,)),
        ("dense", "Dense_2", (10,)),
        ("dense", "Softmax", (10,)),
    ]


@pytest.mark.parametrize(("name", "last"), [("mlp", "Softmax"), ("mlp-squared", "Sigmoid")])
def test_the_table_of_an_mlp(name: str, last: str) -> None:
    rows = summarise(build(name, (1, 8, 8), 3), (1, 8, 8)).rows
    assert [(row.area, row.layer) for row in rows] == [
        ("dense", kind) for kind in ("Input", "Flatten", "Dense", "Dense_1", last)
    ]


def stock(ours: nn.Module, kinds: tuple[type[nn.Module], ...], *layers: nn.Module) -> nn.Sequential:
    """torch's layers one after the other with the weights of ``ours``, layer by layer."""
    sources = [module for module in ours.modules() if isinstance(module, kinds)]
    targets = [layer for layer in layers if isinstance(layer, kinds)]
    for source, target in zip(sources, targets, strict=True):
        target.load_state_dict(source.state_dict())
    return nn.Sequential(*layers)


class HeightWidthChannel(nn.Module):
    """The order in which the dense layers read a map."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.movedim(1, -1).reshape(len(maps), -1)


def test_lenet5_is_what_torchs_layers_give() -> None:
    ours, pictures = build("lenet5", (1, 32, 32), 10), torch.randn(3, 1, 32, 32)
    other = stock(
        ours,
        (nn.Conv2d, nn.Linear),
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(HeightWidthChannel(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    torch.testing.assert_close(ours(pictures), other(pictures))


def test_lenet5_of_1998_is_what_torchs_layers_give() -> None:
    """Its parts in torch's words: average pooling times 4, a kernel with holes, tanh."""
    ours, x = build("lenet5-1998", (1, 32, 32), 10), torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if "coefficient" in name or "bias" in name:
                parameter.copy_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(len(name))))
    w = dict(ours.named_parameters())
    expected = 1.7159 * torch.tanh(F.conv2d(x, w["cnn.c1.weight"], w["cnn.c1.bias"]) * 2 / 3)
    for stage, convolution in (("s2", "c3"), ("s4", "")):
        pooled = 4 * F.avg_pool2d(expected, 2) * w[f"cnn.{stage}.0.coefficient"].view(-1, 1, 1)
        expected = 1.7159 * torch.tanh((pooled + w[f"cnn.{stage}.0.bias"].view(-1, 1, 1)) * 2 / 3)
        if convolution:
            kernel, weights = torch.zeros(16, 6, 5, 5), iter(w["cnn.c3.weight"])
            for out in range(16):
                for source in lenet5.C3_TABLE[out]:
                    kernel[out, source] = next(weights)
            expected = 1.7159 * torch.tanh(F.conv2d(expected, kernel, w["cnn.c3.bias"]) * 2 / 3)
    expected = HeightWidthChannel()(expected)
    for layer in ("dense.c5", "dense.f6"):
        expected = 1.7159 * torch.tanh(F.linear(expected, w[f"{layer}.weight"], w[f"{layer}.bias"]) * 2 / 3)
    torch.testing.assert_close(ours(x), F.linear(expected, w["head.weight"], w["head.bias"]))


@pytest.mark.parametrize("name", ["alexnet", "alexnet-lrn"])
def test_alexnet_is_what_torchs_layers_give(name: str) -> None:
    ours, pictures = build(name, (3, 71, 64), 5).eval(), torch.randn(2, 3, 71, 64)
    norm = [nn.LocalResponseNorm(5, 5 * 1e-4, 0.75, 2)] if name.endswith("lrn") else []
    other = stock(
        ours,
        (nn.Conv2d, nn.Linear),
        *(nn.Conv2d(3, 96, 11, 4, 2), nn.ReLU(), *norm, nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU(), *norm, nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), HeightWidthChannel()),
        *(nn.Linear(256, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 5)),
    )
    torch.testing.assert_close(ours(pictures), other(pictures))


def test_response_normalisation_is_the_sources_formula() -> None:
    """b_i = a_i / (k + alpha sum_j a_j^2)^beta over the n = 5 channels around i; alpha is not divided by n."""
    (layer,) = alexnet._response_normalisation(True)
    a = 30 * torch.randn(1, 9, 2, 2, dtype=torch.float64)
    around = [a[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(9)]
    expected = a / (2 + 1e-4 * torch.stack(around, 1)) ** 0.75
    torch.testing.assert_close(layer(a), expected)


def test_alexnet_drops_out_in_training_only() -> None:
    network, pictures = build("alexnet", (1, 63, 63), 3), torch.randn(2, 1, 63, 63)
    assert not torch.equal(network(pictures), network(pictures))
    network.eval()
    assert torch.equal(network(pictures), network(pictures))


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998", "alexnet", "alexnet-lrn"])
def test_the_smallest_picture(name: str) -> None:
    least = alexnet.MIN_SIDE if "alex" in name else lenet5.MIN_SIDE
    with torch.device("meta"):
        assert build(name, (3, least, least + 1), 4)(torch.zeros(1, 3, least, least + 1)).shape == (1, 4)
    line = f"{name} takes pictures of {least} pixels a side or more, not {least}x{least - 1}; --image-size {least}"
    for call in (lambda *sizes: build(name, *sizes), lambda *sizes: check_sizes(*sizes, "cnn", name)):
        with pytest.raises(EcrnnError) as error:
            call((3, least, least - 1), 4)
        assert str(error.value) == f"{line} resizes them"


def test_least_sides_are_what_the_layers_need() -> None:
    """One pixel less and a map is empty."""
    network = build("alexnet", (1, 63, 63), 2).eval()
    with pytest.raises(RuntimeError, match="too small"):
        network.cnn(torch.zeros(1, 1, 63, 62))
    network = build("lenet5", (1, 16, 16), 2)
    with pytest.raises(RuntimeError, match="too small"):
        network.cnn(torch.zeros(1, 1, 16, 15))


def feed_forward(x: np.ndarray, t: np.ndarray, w: dict[str, np.ndarray], squared: bool) -> float:
    """The error of one pattern by the survey's equations 1 to 6, or cross-entropy of the softmax."""
    sigma = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    z = sigma(w["hidden.weight"] @ x + w["hidden.bias"])
    a = w["output.weight"] @ z + w["output.bias"]
    if squared:
        return float(0.5 * ((sigma(a) - t) ** 2).sum())
    return float(-(t * (a - np.log(np.exp(a).sum()))).sum())


@pytest.mark.parametrize("name", ["mlp-5", "mlp-5-squared"])
def test_mlp_by_the_equations(name: str) -> None:
    """Error of three patterns, and its gradient by central differences (eq. 15)."""
    network, pictures = build(name, (1, 8, 8), 4).double(), torch.randn(3, 1, 8, 8, dtype=torch.float64)
    targets = torch.tensor([2, 0, 3])
    loss = network.loss(network(pictures), targets)
    loss.backward()
    arrays = {key: parameter.detach().numpy().copy() for key, parameter in network.named_parameters()}

    def error() -> float:
        patterns = zip(pictures.flatten(1).numpy(), np.eye(4)[targets], strict=True)
        return sum(feed_forward(x, t, arrays, name.endswith("squared")) for x, t in patterns) / 3

    assert loss.item() == pytest.approx(error(), rel=1e-12)
    gradients = {key: parameter.grad for key, parameter in network.named_parameters()}
    compare(central_differences(error, arrays), gradients, 1e-6)


def test_probabilities_of_sigmoid_outputs() -> None:
    """The softmax that every user of the logits takes gives the outputs, brought to the sum 1."""
    network, pictures = build("mlp-squared", (1, 8, 8), 4).eval(), torch.randn(5, 1, 8, 8)
    outputs = torch.sigmoid(network.output(torch.sigmoid(network.hidden(pictures.permute(0, 2, 3, 1).flatten(1)))))
    torch.testing.assert_close(network(pictures).softmax(1), outputs / outputs.sum(1, keepdim=True))


@pytest.mark.parametrize("name", ["mlp", "mlp-squared"])
def test_a_sure_and_wrong_unit_keeps_the_loss_finite(name: str) -> None:
    network = build(name, (1, 8, 8), 3)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.copy_(torch.tensor([200.0, -200.0, 0.0]))
    loss = network.loss(network(torch.zeros(1, 1, 8, 8)), torch.tensor([1]))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in network.parameters())
