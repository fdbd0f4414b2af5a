"""Which sizes a model needs, and their bounds."""

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.registry import built_in
from ecrnn.models.spec import (
    MAX_CLASSES,
    MAX_FRAMES,
    MAX_LINE,
    MAX_TOKENS,
    MIN_TOKENS,
    InputSpec,
    check,
    usual,
)

MODELS = [row.example or name for name, row in built_in().items()]


@pytest.mark.parametrize("model", MODELS)
def test_usual_sizes_are_all_that_a_model_needs_and_right(model):
    check(usual(parse(model)), parse(model))
    assert {name for name, value in vars(usual(parse(model))).items() if value is not None} == set(
        parse(model).task.inputs
    )


def test_every_task_says_what_its_models_need():
    assert all(facts.inputs and set(facts.usual) == set(facts.inputs) for facts in TASKS.values())


@pytest.mark.parametrize(
    ("sizes", "models"),
    [
        (InputSpec((1, 8, 1024), 2), ("cnn", "mlp")),
        (InputSpec(tokens=MIN_TOKENS), ("charlm",)),
        (InputSpec(tokens=MAX_TOKENS, source_tokens=MAX_TOKENS), ("translate", "charlm")),
        (InputSpec((3, 8, 8), MAX_CLASSES, frames=MAX_FRAMES), ("frames",)),
        (InputSpec((1, 8, MAX_LINE), tokens=9), ("ocr",)),
        (InputSpec((1, 8, 4), tokens=9), ("ocr", "ocr-gru-8")),
    ],
)
def test_sizes_at_the_bounds(sizes, models):
    check(sizes, *map(parse, models))


LINE = "lines of text must be 8 to 1024 pixels high and 4 to 4096 wide"


@pytest.mark.parametrize(
    ("sizes", "models", "line"),
    [
        (InputSpec((3, 32, 32)), ("cnn",), "cnn needs classes, the number of classes"),
        (InputSpec(classes=2), ("mlp-9",), "mlp-9 needs image, channels, height and width of the images"),
        (InputSpec(), ("charlm",), "charlm needs tokens, the number of ids in the vocabulary"),
        (
            InputSpec(tokens=9),
            ("translate",),
            "translate needs source_tokens, the number of ids in the vocabulary of the sentences to be translated",
        ),
        (InputSpec((1, 8, 8), 2), ("cnn", "frames"), "frames needs frames, the number of frames of a clip"),
        (InputSpec((1, 8, 8)), ("ocr",), "ocr needs tokens, the number of ids in the vocabulary"),
        (InputSpec(tokens=4), ("charlm",), "a vocabulary has 5 to 100,000 ids, not 4"),
        (InputSpec(tokens=9, source_tokens=100_001), ("translate",), "a vocabulary has 5 to 100,000 ids, not 100001"),
        (InputSpec((1, 8, 8), 2, frames=1), ("frames",), "a clip has 2 to 1,024 frames, not 1"),
        (InputSpec((1, 8, 8), 2, frames=1025), ("frames",), "a clip has 2 to 1,024 frames, not 1025"),
        (InputSpec((1, 7, 8), tokens=9), ("ocr",), f"{LINE}, not 7x8 (height x width)"),
        (InputSpec((1, 8, 3), tokens=9), ("ocr",), f"{LINE}, not 8x3 (height x width)"),
        (InputSpec((1, 8, 4097), tokens=9), ("ocr",), f"{LINE}, not 8x4097 (height x width)"),
        (
            InputSpec((2, 8, 8), tokens=9),
            ("ocr",),
            "images have 1 or 3 channels, not 2 (image is channels, height, width)",
        ),
        (InputSpec((1, 8, 1025), tokens=9), ("caption",), "images must be 8 to 1024 pixels a side, not 8x1025"),
        (
            InputSpec((1, 8, 1025), tokens=9, classes=2),
            ("ocr", "cnn"),
            "images must be 8 to 1024 pixels a side, not 8x1025",
        ),
    ],
)
def test_what_is_missing_or_out_of_bounds(sizes, models, line):
    with pytest.raises(EcrnnError) as error:
        check(sizes, *map(parse, models))
    assert str(error.value) == line


def test_a_model_that_is_built_without_a_size_says_which():
    with pytest.raises(EcrnnError, match=r"^sentiment-parallel needs tokens, the number of ids in the vocabulary$"):
        build("sentiment-parallel", classes=2)


def test_fields_come_in_the_order_asked_for():
    assert InputSpec((1, 8, 8), 3, frames=5).take("frames", "image", "classes") == (5, (1, 8, 8), 3)
    assert InputSpec(tokens=8, source_tokens=9).take("source_tokens", "tokens") == (9, 8)
