"""A language model in use: how it writes, and how well it foretells."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from core.lines import one_line
from tiny_tasks import untrained

from ecrnn.core.errors import EcrnnError
from ecrnn.data.vocabulary import END
from ecrnn.tasks.language_modelling.predictor import draw


@pytest.fixture(scope="module", params=["charlm-gru-8", "charlm-lstm-8-6"])
def both(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return untrained("next-token", tmp_path_factory.mktemp("language"), request.param)


@pytest.fixture
def model(both: tuple[Any, Any]) -> Any:
    return both[0]


def written(model: Any, *arguments: Any, **settings: Any) -> str:
    return "".join(model.generate(*arguments, **settings))


def test_it_goes_on_over_the_state(model: Any) -> None:
    """The likeliest text is that of a model that reads everything again for each character."""
    text = "red "
    for _ in range(12):
        with torch.inference_mode():
            logits, _ = model.network(torch.tensor([model.vocabulary.encode(text)]))
        text += model.vocabulary.decode([END + 1 + int(logits[0, -1, END + 1 :].argmax())])
    assert written(model, "red ", 12, temperature=0) == text[4:]


def test_each_character_is_read_once_and_given_when_it_is_drawn(model: Any) -> None:
    read: list[int] = []
    hook = model.network.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape[1]))
    try:
        assert len(list(islice(model.generate("red dog", 100), 3))) == 3
    finally:
        hook.remove()
    assert read == [7, 1, 1]


def test_a_seed_repeats_the_text(model: Any) -> None:
    assert written(model, "red", 40, seed=1) == written(model, "red", 40, seed=1) != written(model, "red", 40, seed=2)
    assert written(model, "red", 40) != written(model, "red", 40)


def test_the_likeliest_three_ways(model: Any) -> None:
    likeliest = written(model, "cat", 20, temperature=0)
    assert written(model, "cat", 20, top_k=1) == likeliest
    assert written(model, "cat", 20, temperature=5e-324) == likeliest
    assert written(model, "cat", 20, temperature=0, seed=5) == likeliest


def test_nothing_but_characters_is_drawn(model: Any) -> None:
    text = written(model, "§ unknown", 300, temperature=100, seed=0)
    assert len(text) == 300
    assert set(text) <= set(model.vocabulary.decode(range(len(model.vocabulary))))
    assert len(written(model, "a", 50, temperature=100, top_k=10**9)) == 50


WRONG = [
    ({"temperature": -0.1}, "temperature should lie between 0 and 100, not -0.1"),
    ({"temperature": math.nan}, "temperature should lie between 0 and 100"),
    ({"top_k": 0}, "top-k should be at least 1, not 0"),
    ({"length": -1}, "length should be at least 0, not -1"),
    ({"prompt": ""}, "the prompt is empty; give at least one character"),
]


@pytest.mark.parametrize(("settings", "line"), WRONG)
def test_wrong_settings_are_refused_at_once(model: Any, settings: dict[str, Any], line: str) -> None:
    with one_line(EcrnnError, line):
        model.generate(**settings)


def test_draws_follow_temperature_and_top_k() -> None:
    logits, draws = np.log([0.1, 0.6, 0.3]), np.random.default_rng(0)

    def shares(temperature: float, top_k: int | None) -> np.ndarray:
        return np.bincount([draw(logits, temperature, top_k, draws) for _ in range(4000)], minlength=3) / 4000

    np.testing.assert_allclose(shares(1, None), [0.1, 0.6, 0.3], atol=0.03)
    squares = np.array([0.01, 0.36, 0.09])
    np.testing.assert_allclose(shares(0.5, None), squares / squares.sum(), atol=0.03)
    np.testing.assert_allclose(shares(1, 2), [0, 2 / 3, 1 / 3], atol=0.03)


class _Last:
    """Draws the largest number below 1."""

    def random(self) -> float:
        return float(np.nextafter(1, 0))


@pytest.mark.parametrize("n", [3, 10, 1000])
def test_a_draw_never_falls_behind_the_last(n: int) -> None:
    logits = np.random.default_rng(n).normal(size=n)
    logits[n // 2 :] = -np.inf
    assert draw(logits, 1.0, None, _Last()) < n // 2  # type: ignore[arg-type]


def test_it_is_judged_by_the_nats_of_every_character(both: tuple[Any, Any]) -> None:
    model, data = both
    index = np.array([3, 0])
    scored = model.judge(data, index).predictions
    np.testing.assert_array_equal(scored.index, index)
    for (nats, characters), i in zip(scored.statistics, index, strict=True):
        tokens = torch.tensor([model.vocabulary.encode(data.block(i))])
        with torch.inference_mode():
            logits, _ = model.network(tokens[:, :-1])
        wanted = F.cross_entropy(logits[0].double(), tokens[0, 1:], reduction="sum")
        assert (nats, characters) == (pytest.approx(float(wanted), rel=1e-5), 16)
