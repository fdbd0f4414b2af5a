"""From names to networks, and the bounds of what can be built."""

import pytest
import torch

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.models.alexnet import AlexNet
from ecrnn.models.build import build
from ecrnn.models.cnn import CNN
from ecrnn.models.crnn import CRNN
from ecrnn.models.ecrnn import ECNN, ECRNN
from ecrnn.models.lenet5 import LeNet5
from ecrnn.models.mlp import MLP
from ecrnn.models.names import parse
from ecrnn.models.spec import MAX_CLASSES, InputSpec, check, usual


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cnn", CNN), ("cnn-5-4", CNN), ("ecnn", ECNN), ("crnn-lstm-4", CRNN), ("ecrnn-bigru-4@rows", ECRNN)],
)
def test_a_name_gives_its_network(name, kind):
    network = build(name, (1, 8, 8), 3)
    assert type(network) is kind
    assert network.training
    assert all(p.dtype == torch.float32 and p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mlp-squared", MLP), ("lenet5", LeNet5), ("lenet5-1998", LeNet5), ("alexnet", AlexNet), ("alexnet-lrn", AlexNet)],
)
def test_a_classics_name_gives_its_network(name, kind):
    with torch.device("meta"):
        assert type(build(name, usual(parse(name)).image, 3)) is kind


def test_images_that_models_were_made_for():
    assert usual(parse("lenet5-1998")).image == (1, 32, 32)
    assert usual(parse("alexnet")).image == (3, 224, 224)
    assert usual(parse("mlp-9")).image == usual(parse("ecnn")).image == (3, 32, 32)


def test_a_cnn_without_hidden_layers_stores_nothing_for_them():
    """Or weights stored before there were hidden layers would not load any more."""
    plain, wide = (set(build(name, (1, 8, 8), 3).state_dict()) for name in ("cnn", "cnn-5"))
    assert {name.split(".")[0] for name in plain} == {"cnn", "head"}
    assert {name.split(".")[0] for name in wide - plain} == {"dense"}


def test_defaults_are_the_papers_images():
    assert build("crnn-lstm-4").eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 8, 1024), (3, 1024, 8)])
@pytest.mark.parametrize("classes", [2, MAX_CLASSES])
def test_sizes_at_the_bounds(image, classes):
    check(InputSpec(image, classes))


@pytest.mark.parametrize(
    ("image", "classes", "line"),
    [
        ((2, 32, 32), 10, "images have 1 or 3 channels, not 2 (image is channels, height, width)"),
        ((32, 32, 3), 10, "images have 1 or 3 channels, not 32 (image is channels, height, width)"),
        ((3, 7, 32), 10, "images must be 8 to 1024 pixels a side, not 7x32"),
        ((3, 32, 1025), 10, "images must be 8 to 1024 pixels a side, not 32x1025"),
        ((3, 0, -5), 10, "images must be 8 to 1024 pixels a side, not 0x-5"),
        ((3, 32, 32), 1, "a classifier needs 2 to 100,000 classes, not 1"),
        ((3, 32, 32), 0, "a classifier needs 2 to 100,000 classes, not 0"),
        ((3, 32, 32), 100_001, "a classifier needs 2 to 100,000 classes, not 100001"),
    ],
)
def test_sizes_out_of_bounds(image, classes, line):
    for call in (lambda *sizes: check(InputSpec(*sizes)), lambda *sizes: build("cnn", *sizes)):
        with pytest.raises(EcrnnError) as error:
            call(image, classes)
        assert str(error.value) == line


def test_a_wrong_name_comes_before_anything_is_built():
    with pytest.raises(UnknownNameError, match="did you mean 'crnn-lstm-16'"):
        build("crnn-lsmt-16", (9, 9, 9))


def test_torchs_own_generator_is_left_alone():
    before = torch.get_rng_state()
    build("ecrnn-lstm-4", (1, 8, 8), 3)
    assert torch.equal(before, torch.get_rng_state())


def test_it_does_not_depend_on_torchs_own_generator():
    torch.manual_seed(1)
    one = build("ecrnn-gru-4", (1, 8, 8), 3, seed=5).state_dict()
    torch.manual_seed(2)
    two = build("ecrnn-gru-4", (1, 8, 8), 3, seed=5).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998", "alexnet", "alexnet-lrn"])
def test_the_smallest_image(name: str) -> None:
    least = 63 if "alex" in name else 16
    with torch.device("meta"):
        assert build(name, (3, least, least + 1), 4)(torch.zeros(1, 3, least, least + 1)).shape == (1, 4)
    line = f"{name} takes images of {least} pixels a side or more, not {least}x{least - 1}; --image-size {least}"
    for call in (
        lambda *sizes: build(name, *sizes),
        lambda *sizes: check(InputSpec(*sizes), parse("cnn"), parse(name)),
    ):
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
