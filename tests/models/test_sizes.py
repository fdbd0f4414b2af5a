"""Which sizes a model needs, and their bounds."""

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.models.names import GRAMMAR
from ecrnn.models.registry import build
from ecrnn.models.sizes import (
    MAX_CLASSES,
    MAX_FRAMES,
    MAX_LINE,
    MAX_TOKENS,
    MIN_TOKENS,
    NEEDS,
    Sizes,
    check,
    needed,
    usual,
)

MODELS = [GRAMMAR[start].example or start for start in GRAMMAR]


@pytest.mark.parametrize("model", MODELS)
def test_usual_sizes_are_all_that_a_model_needs_and_right(model):
    check(usual(model), model)
    assert set(needed(usual(model), model)) == {value for value in vars(usual(model)).values() if value is not None}


def test_every_task_says_its_needs():
    assert set(NEEDS) == set(TASKS)


@pytest.mark.parametrize(
    ("sizes", "models"),
    [
        (Sizes((1, 8, 1024), 2), ("cnn", "mlp")),
        (Sizes(tokens=MIN_TOKENS), ("charlm",)),
        (Sizes(tokens=MAX_TOKENS, source_tokens=MAX_TOKENS), ("translate", "charlm")),
        (Sizes((3, 8, 8), MAX_CLASSES, frames=MAX_FRAMES), ("frames",)),
        (Sizes((1, 8, MAX_LINE), tokens=9), ("ocr",)),
        (Sizes((1, 8, 4), tokens=9), ("ocr", "ocr-gru-8")),
    ],
)
def test_sizes_at_the_bounds(sizes, models):
    check(sizes, *models)


LINE = "lines of text must be 8 to 1024 pixels high and 4 to 4096 wide"


@pytest.mark.parametrize(
    ("sizes", "models", "line"),
    [
        (Sizes((3, 32, 32)), ("cnn",), "cnn needs classes, the number of classes"),
        (Sizes(classes=2), ("mlp-9",), "mlp-9 needs image, channels, height and width of the pictures"),
        (Sizes(), ("charlm",), "charlm needs tokens, the number of ids in the vocabulary"),
        (
            Sizes(tokens=9),
            ("translate",),
            "translate needs source_tokens, the number of ids in the vocabulary of the sentences to be translated",
        ),
        (Sizes((1, 8, 8), 2), ("cnn", "frames"), "frames needs frames, the number of frames of a clip"),
        (Sizes((1, 8, 8)), ("ocr",), "ocr needs tokens, the number of ids in the vocabulary"),
        (Sizes(tokens=4), ("charlm",), "a vocabulary has 5 to 100,000 ids, not 4"),
        (Sizes(tokens=9, source_tokens=100_001), ("translate",), "a vocabulary has 5 to 100,000 ids, not 100001"),
        (Sizes((1, 8, 8), 2, frames=1), ("frames",), "a clip has 2 to 1,024 frames, not 1"),
        (Sizes((1, 8, 8), 2, frames=1025), ("frames",), "a clip has 2 to 1,024 frames, not 1025"),
        (Sizes((1, 7, 8), tokens=9), ("ocr",), f"{LINE}, not 7x8 (height x width)"),
        (Sizes((1, 8, 3), tokens=9), ("ocr",), f"{LINE}, not 8x3 (height x width)"),
        (Sizes((1, 8, 4097), tokens=9), ("ocr",), f"{LINE}, not 8x4097 (height x width)"),
        (
            Sizes((2, 8, 8), tokens=9),
            ("ocr",),
            "pictures have 1 or 3 channels, not 2 (image is channels, height, width)",
        ),
        (Sizes((1, 8, 1025), tokens=9), ("caption",), "pictures must be 8 to 1024 pixels a side, not 8x1025"),
        (
            Sizes((1, 8, 1025), tokens=9, classes=2),
            ("ocr", "cnn"),
            "pictures must be 8 to 1024 pixels a side, not 8x1025",
        ),
    ],
)
def test_what_is_missing_or_out_of_bounds(sizes, models, line):
    with pytest.raises(EcrnnError) as error:
        check(sizes, *models)
    assert str(error.value) == line


def test_a_model_that_is_built_without_a_size_says_which():
    with pytest.raises(EcrnnError, match=r"^sentiment-parallel needs tokens, the number of ids in the vocabulary$"):
        build("sentiment-parallel", classes=2)


def test_needs_come_in_order():
    assert needed(Sizes((1, 8, 8), 3, frames=5), "frames") == (5, (1, 8, 8), 3)
    assert needed(Sizes(tokens=8, source_tokens=9), "translate") == (9, 8)
