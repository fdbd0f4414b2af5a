"""What a batch is shown as: each step against another library or its definition, and the same bits in any company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from training.trainings import make_settings, make_task

from ecrnn.core.augmentations import KINDS
from ecrnn.core.devices import threads
from ecrnn.data.augmentation import GREY, augment, colours, holes, rotations, shares
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.inference import Standardise
from ecrnn.training.image_augmentation import ImageAugmentation

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 10, 14, 3), dtype=np.uint8)
INDEX = RNG.permutation(1000)[:12]
PREPROCESSING = Preprocessing((3, 10, 14), (100.0, 120.0, 90.0), (50.0, 60.0, 70.0))
SEED, EPOCH = 3, 7


def shown(name: str, images: np.ndarray = IMAGES, index: np.ndarray = INDEX, epoch: int = EPOCH) -> np.ndarray:
    return ImageAugmentation(name, SEED, Standardise(PREPROCESSING))(images, index, epoch).numpy()


def test_none_and_the_old_kinds() -> None:
    np.testing.assert_array_equal(shown("none"), PREPROCESSING.apply(IMAGES))
    kinds = ("flip", "crop")
    np.testing.assert_array_equal(shown("flip-crop"), PREPROCESSING.apply(augment(IMAGES, INDEX, SEED, EPOCH, kinds)))


def test_colour() -> None:
    colour, grey, offset = (array[:, None, None, None] for array in colours(IMAGES, INDEX, SEED, EPOCH))
    pixels = IMAGES.astype(np.float64)
    expected = np.clip(pixels * colour + (pixels @ GREY)[..., None] * grey + offset, 0, 255)
    assert (expected == 255).any()
    mean, std = np.array(PREPROCESSING.mean), np.array(PREPROCESSING.std)
    np.testing.assert_allclose(shown("colour"), ((expected - mean) / std).transpose(0, 3, 1, 2), atol=1e-4)


def test_rotation_is_scipys() -> None:
    cosine, sine = rotations(INDEX, SEED, EPOCH)
    found, plain = shown("rotate"), shown("none")
    y, x = np.mgrid[-4.5:5.5, -6.5:7.5]
    for image, result, c, s in zip(plain, found, cosine, sine, strict=True):
        place = [c * y - s * x + 4.5, c * x + s * y + 6.5]
        for channel, turned in zip(image, result, strict=True):
            np.testing.assert_allclose(turned, map_coordinates(channel, place, order=1, mode="mirror"), atol=1e-4)


def test_a_hole_is_the_mean_of_the_training_images() -> None:
    inside = np.broadcast_to(holes(INDEX, SEED, EPOCH, 10, 14)[:, None], (12, 3, 10, 14))
    np.testing.assert_array_equal(shown("flip-crop-cutout"), np.where(inside, 0, shown("flip-crop")))


def test_an_image_is_shown_alike_in_any_company_and_by_any_number_of_threads() -> None:
    name = "flip-crop-rotate-colour-cutout"
    together, order = shown(name), RNG.permutation(12)
    assert torch.from_numpy(together).is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(shown(name, IMAGES[order], INDEX[order]), together[order])
    np.testing.assert_array_equal(shown(name, IMAGES[5:6], INDEX[5:6])[0], together[5])
    assert (shown(name, epoch=EPOCH + 1) != together).any()
    with threads(3):
        np.testing.assert_array_equal(shown(name), together)


@pytest.mark.parametrize(("smoothing", "weights"), [(0.0, "none"), (0.1, "balanced")])
def test_mixup(smoothing: float, weights: str) -> None:
    """Images and error are the sums of both by their shares; without mixing the error is the usual one."""
    name = "-".join(kind for kind in KINDS if kind not in ("colour", "mirror", "shift"))
    settings = make_settings(augment=name, label_smoothing=smoothing, class_weights=weights)
    mixing, plain = make_task(settings), make_task(settings.model_copy(update={"augment": name.removesuffix("-mixup")}))
    positions = np.arange(8)
    (inputs, labels), (images, expected) = mixing.batch(positions, 2), plain.batch(positions, 2)
    share = torch.from_numpy(shares(mixing.split.train[positions], mixing.seed, 2).astype(np.float32))
    of_both = share.view(-1, 1, 1, 1) * images + (1 - share.view(-1, 1, 1, 1)) * images[[1, 2, 3, 4, 5, 6, 7, 0]]
    torch.testing.assert_close(inputs, of_both)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert (labels.labels.tolist(), labels.others.tolist()) == (expected.tolist(), expected.roll(-1).tolist())
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    model = Fixed(logits)
    found = mixing.loss(model, inputs, labels)
    each = np.ones(4) if weights == "none" else mixing._class_weights(4).double().numpy()
    targets = share.double().numpy()[:, None] * np.eye(4)[labels.labels]
    targets += (1 - share.double().numpy())[:, None] * np.eye(4)[labels.others]
    smooth = targets * (1 - smoothing) + smoothing / 4
    error = -(smooth * each * logits.double().log_softmax(1).numpy()).sum() / (targets * each).sum()
    assert found.mean.item() == pytest.approx(error, rel=1e-5)
    assert int(found.correct) == int((logits.argmax(1) == expected).sum())
    unmixed = labels._replace(share=torch.ones(8))
    torch.testing.assert_close(mixing.loss(model, inputs, unmixed).mean, mixing.loss(model, inputs, expected).mean)


class Fixed(torch.nn.Module):
    """Gives the same logits whatever it is shown."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits
