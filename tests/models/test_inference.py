"""Images through a network: standardisation, batches, probabilities."""

import weakref

import numpy as np
import pytest
import torch
from oracles import tolerance

from ecrnn.core.errors import DataError
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.build import build
from ecrnn.models.inference import Standardise, predict_logits, softmax

IMAGE = (3, 9, 12)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (11, 9, 12, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    return build("crnn-gru-3@rows", IMAGE, 4)


@pytest.mark.parametrize(("mean", "std"), [((120.0,), (60.5,)), ((1.0, 128.0, 250.0), (0.5, 20.0, 90.0))])
def test_standardisation_is_that_of_the_preprocessing(images, mean, std):
    preprocessing = Preprocessing(IMAGE, mean, std)
    made = Standardise(preprocessing)(torch.from_numpy(images))
    assert made.dtype == torch.float32
    assert made.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(made.numpy(), preprocessing.apply(images), rtol=1e-6, atol=1e-6)


def test_logits_by_hand_in_any_order_and_batch(images, network):
    standardise = Standardise(Preprocessing(IMAGE, (100.0,), (50.0,)))
    index = np.array([7, 0, 0, 10, 3])
    with torch.no_grad():
        expected = network.eval()(standardise(torch.from_numpy(images)))[index].numpy()
    for batch in (1, 2, 5, 512):
        made = predict_logits(network, images, index, standardise, batch=batch)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, expected, rtol=0, atol=tolerance("float32", 9) * np.abs(expected).max())


def test_outputs_of_earlier_batches_are_not_kept(images, network):
    """Between two batches they would hold the freed memory in pieces, of which each next batch then takes new ones."""
    outputs = []

    def look(_module, _inputs, output):
        assert sum(earlier() is not None for earlier in outputs) <= 1  # that of the batch before
        outputs.append(weakref.ref(output))

    hook = network.register_forward_hook(look)
    predict_logits(network, images, np.arange(11), Standardise(Preprocessing(IMAGE, (1.0,), (1.0,))), batch=2)
    hook.remove()
    assert len(outputs) == 6


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back(images, network, training):
    network.train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    predict_logits(network, images, np.arange(3), Standardise(Preprocessing(IMAGE, (1.0,), (1.0,))))
    assert network.training is training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_no_images(images, network):
    made = predict_logits(network, images[:0], np.arange(0), Standardise(Preprocessing(IMAGE, (1.0,), (1.0,))))
    assert made.shape == (0, 4)


def test_images_of_another_size(images, network):
    standardise = Standardise(Preprocessing(IMAGE, (1.0,), (1.0,)))
    with pytest.raises(DataError, match=r"^images are 12x9x3 .*, the model takes 9x12x3$"):
        predict_logits(network, images.transpose(0, 2, 1, 3), np.arange(2), standardise)


def test_softmax():
    logits = np.array([[0.0, np.log(3)], [1e4, -1e4], [-300.0, -300.0]], np.float32)
    made = softmax(logits)
    assert made.dtype == np.float64
    np.testing.assert_allclose(made, [[0.25, 0.75], [1, 0], [0.5, 0.5]], rtol=1e-6)
    assert softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)
