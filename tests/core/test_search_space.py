"""The space of recipes: values at places of the unit cube, ends, and what is no space."""

from __future__ import annotations

from typing import Any

import pytest
from core.lines import one_line

from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.search_space import DEFAULT, TUNABLE, Dimension, parse_space, read_space, shown


def only(text: str) -> Dimension:
    (dimension,) = read_space(parse_space(text))
    return dimension


@pytest.mark.parametrize(
    ("text", "places", "values"),
    [
        ("lr=1e-4..1e-2:log", (0, 0.25, 0.5, 1), (1e-4, 0.0003162, 0.001, 0.01)),
        ("weight_decay=0..1e-3", (0, 0.12345678, 1), (0.0, 0.0001235, 0.001)),
        ("lr=0.12344..0.2", (0,), (0.12344,)),  # rounding leaves no range
        ("batch_size=32|128", (0, 0.49, 0.5, 0.999, 1), (32, 32, 128, 128, 128)),
        ("epochs=2..5", (0, 0.24, 0.26, 0.76, 0.999, 1), (2, 2, 3, 5, 5, 5)),
        ("batch_size=16..256:log", (0, 0.5, 1), (16, 64, 256)),
        ("optimizer=adam|adamw|sgd", (0.1, 0.5, 0.9), ("adam", "adamw", "sgd")),
    ],
)
def test_values(text: str, places: tuple[float, ...], values: tuple[Any, ...]) -> None:
    dimension = only(text)
    found = tuple(dimension.at(u) for u in places)
    assert found == values
    assert all(type(a) is type(b) for a, b in zip(found, values, strict=True))
    assert all(dimension.holds(value) for value in found)


def test_whole_numbers_are_equally_likely() -> None:
    counts = [only("epochs=2..5").at((i + 0.5) / 400) for i in range(400)]
    assert [counts.count(n) for n in (2, 3, 4, 5)] == [100] * 4


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("lr=1e-4..1e-2:log", (1e-4, 1.5e-4, 0.0064, 1e-2, 0.5, 1e-9), (1.6e-4, 1e-3, 0.0063)),
        ("weight_decay=0..1e-3", (0.00095, 0.1), (0.0, 1e-9, 0.0005)),  # nothing lies below 0
        ("batch_size=32|128", (), (32, 128, 4)),
        ("optimizer=adam|sgd", (), ("adam", "sgd")),
        ("epochs=10..20", (10, 20, 3), (12, 15, 18)),
    ],
)
def test_ends(text: str, near: tuple[Any, ...], far: tuple[Any, ...]) -> None:
    assert [value for value in near if not only(text).near_end(value)] == []
    assert [value for value in far if only(text).near_end(value)] == []


def test_a_mapping_is_a_space_too() -> None:
    assert parse_space({"lr": "1e-4..1e-2:log", "batch_size": [32, 128]}) == {
        "lr": "1e-4..1e-2:log",
        "batch_size": "32|128",
    }
    assert parse_space(" lr = 1e-4..1e-2:log , ") == {"lr": "1e-4..1e-2:log"}
    assert [of.name for of in read_space(parse_space(DEFAULT))] == ["lr", "weight_decay"]


@pytest.mark.parametrize(
    ("space", "parts"),
    [
        ("", ["the space is empty"]),
        ({}, ["the space is empty"]),
        ("lr", ["'lr' wants setting=values"]),
        ("seed=1|2", ["the seed is never tuned", "leave it out"]),
        ("first_repeat=1|2", ["the seed is never tuned"]),
        ("learning_rate=1..2", ["unknown setting 'learning_rate'"]),
        ("wieght_decay=0..1", ["did you mean 'weight_decay'?"]),
        ("threads=1..4", ["threads is not tunable", "lr, weight_decay"]),
        ("precision=float32|bfloat16", ["precision is not tunable"]),
        ("lr=1e-2..1e-4", ["runs backwards"]),
        ("lr=1e-2..1e-2", ["is empty"]),
        ("weight_decay=0..1e-3:log", ["0 has no logarithm"]),
        ("lr=1e-4..1e-2:linear", ["log or nothing, not 'linear'"]),
        ("lr=1e-4..", ["lr lacks a value"]),
        ("lr=", ["lr lacks a value"]),
        ("lr=fast..slow", ["wants a number, not 'fast'"]),
        ("lr=nan..1", ["lr"]),
        ("lr=0..1", ["lr: ", "not 0.0"]),
        ("lr=1e-3..11", ["lr: ", "not 11"]),
        ("batch_size=1|32", ["batch_size: "]),
        ("batch_size=32.5|64", ["whole number, not '32.5'"]),
        ("optimizer=adam..sgd", ["optimizer has no range"]),
        ("optimizer=adam|lion", ["optimizer: ", "'lion'"]),
        ("lr=1e-3", ["has one value"]),
        ("batch_size=32|32", ["names a value twice"]),
        ("lr=1e-4..1e-2,lr=1e-3..1e-2", ["names lr twice"]),
        ("x" * 5000 + "=1..2", ["unknown setting"]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_no_space(space: Any, parts: list[str]) -> None:
    with one_line(EcrnnError, *parts):
        parse_space(space)


def test_what_is_tunable_is_a_setting_of_a_training() -> None:
    assert set(TUNABLE) <= set(TrainingSettings.model_fields)


def test_points_for_people() -> None:
    assert shown({}) == "untuned"
    assert (
        shown({"lr": 0.00316, "batch_size": 32, "schedule": "cosine"}) == "lr 0.00316, batch_size 32, schedule cosine"
    )
