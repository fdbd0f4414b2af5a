"""The thread that owns the model: batches, refusals, faults that do not end it, an orderly end."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import numpy as np
import pytest

from ecrnn.serving.http.batching import Batcher
from ecrnn.serving.http.limits import Limits, Refused


class Model:
    """Gives each image's first value; computes only when it is let."""

    def __init__(self) -> None:
        self.let, self.begun, self.sizes = threading.Event(), threading.Event(), []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.begun.set()
        assert self.let.wait(10)
        self.sizes.append(len(images))
        if (images == 255).any():
            raise ValueError("a bad image")
        return images[:, 0, 0, :1].astype(np.float32)


def image(value: int) -> np.ndarray:
    return np.full((2, 2, 1), value, np.uint8)


def test_what_gathers_while_the_model_computes_is_one_batch() -> None:
    model, counted = Model(), []
    batcher = Batcher(model, Limits(batch=4, wait=0), lambda images, seconds: counted.append(images))
    first = batcher.submit(image(7))
    assert model.begun.wait(10)
    others = [batcher.submit(image(value)) for value in range(6)]
    assert batcher.waiting == 6
    model.let.set()
    assert [float(one.result(10)[0]) for one in (first, *others)] == [7, 0, 1, 2, 3, 4, 5]
    batcher.close()
    assert model.sizes == counted == [1, 4, 2]


def test_a_full_queue_refuses() -> None:
    model = Model()
    batcher = Batcher(model, Limits(queue=2), lambda *_: None)
    batcher.submit(image(0))
    assert model.begun.wait(10)
    waiting = [batcher.submit(image(1)), batcher.submit(image(2))]
    with pytest.raises(Refused, match="2 images wait already") as refused:
        batcher.submit(image(3))
    assert refused.value.status == 429
    model.let.set()
    assert [float(one.result(10)[0]) for one in waiting] == [1, 2]
    batcher.close()


def test_an_error_goes_to_those_who_asked_and_the_thread_goes_on() -> None:
    model = Model()
    model.let.set()
    batcher = Batcher(model, Limits(), lambda *_: None)
    with pytest.raises(ValueError, match="a bad image"):
        batcher.submit(image(255)).result(10)
    assert float(batcher.submit(image(9)).result(10)[0]) == 9
    batcher.close()


def test_who_no_longer_waits_is_left_out() -> None:
    model = Model()
    batcher = Batcher(model, Limits(), lambda *_: None)
    batcher.submit(image(0))
    assert model.begun.wait(10)
    gone: Future[np.ndarray] = batcher.submit(image(255))
    stays = batcher.submit(image(4))
    assert gone.cancel()
    model.let.set()
    assert float(stays.result(10)[0]) == 4
    batcher.close()
    assert model.sizes == [1, 1]


def test_what_waits_is_answered_before_the_end() -> None:
    model = Model()
    batcher = Batcher(model, Limits(batch=1), lambda *_: None)
    waiting = [batcher.submit(image(value)) for value in range(3)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    model.let.set()
    closing.join(10)
    assert [float(one.result(0)[0]) for one in waiting] == [0, 1, 2]
    with pytest.raises(Refused, match="stopping"):
        batcher.submit(image(1))
