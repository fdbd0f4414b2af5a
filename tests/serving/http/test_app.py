"""The server's answers and refusals, asked in this process; the served answer is that of `predict`."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from ecrnn.core.tasks import TASKS
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.serving.bundle import describe
from ecrnn.serving.http.app import Server
from ecrnn.serving.http.limits import Bodies, Limits, Refused
from ecrnn.tasks.image_classification.predictor import ImagePredictor

CLASSES = ("cat", "<i>dog</i>", "fox")


def a_model() -> ImagePredictor:
    processor = Processor(TASKS["image-classification"], CLASSES, Preprocessing((3, 16, 16), (120.0,), (60.0,)))
    network = build("cnn", image=(3, 16, 16), classes=3, seed=0)
    return ImagePredictor(describe(parse("cnn"), processor), processor, network, {}, "cpu")


MODEL = a_model()


def png(seed: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def asked(**options: Any) -> TestClient:
    limits = Limits(**options.pop("limits", {}))
    return TestClient(Server(options.pop("model", MODEL), limits, threads=1, **options).app())


PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n' + png() + b"\r\n"
TWO_LENGTHS = {"transfer-encoding": "chunked", "content-length": "4"}
TWO_FILES = PART + PART + b"--b--\r\n"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with asked() as client:
        yield client


def probabilities(content: bytes, tmp_path: Path) -> dict[str, float]:
    (tmp_path / "one.png").write_bytes(content)
    (row,) = MODEL.predict_proba([tmp_path / "one.png"])
    return dict(zip(CLASSES, row.tolist(), strict=True))


def test_what_the_model_had_better_not_answer_has_no_class(tmp_path: Path) -> None:
    images = [png(seed) for seed in range(6)]
    sure = [max(probabilities(image, tmp_path).values()) for image in images]
    least = sorted(sure)[3]
    with asked(least=least) as client:
        kind = {"content-type": "image/png"}
        answers = [client.post("/predict", content=image, headers=kind).json() for image in images]
    assert [answer["rejected"] for answer in answers] == [one < least for one in sure]
    assert [answer["class"] is None for answer in answers] == [one < least for one in sure]
    assert all(len(answer["probabilities"]) == 3 for answer in answers)


def test_an_image_as_the_body(client: TestClient, tmp_path: Path) -> None:
    for kind in ("image/png", "application/octet-stream", "Image/JPEG; x=y"):  # told by its content
        answer = client.post("/predict", content=png(), headers={"content-type": kind})
        assert answer.status_code == 200
        found = answer.json()
        assert found["probabilities"] == pytest.approx(probabilities(png(), tmp_path), abs=1e-6)
        assert found["class"] == max(found["probabilities"], key=found["probabilities"].get)
        assert list(found["probabilities"].values()) == sorted(found["probabilities"].values(), reverse=True)
    assert (
        len(client.post("/predict?top=1", content=png(), headers={"content-type": "image/png"}).json()["probabilities"])
        == 1
    )


def test_files_of_a_form_fail_alone(client: TestClient, tmp_path: Path) -> None:
    files = [("file", ("a.png", png(1))), ("file", ("b.png", b"none")), ("other", ("c\n.png", png(2)))]
    answer = client.post("/predict", files=files)
    assert answer.status_code == 200
    a, b, c = answer.json()["images"]
    assert a["probabilities"] == pytest.approx(probabilities(png(1), tmp_path), abs=1e-6)
    assert (a["name"], b["name"], b["status"]) == ("a.png", "b.png", 422)
    assert "not a PNG" in b["error"]
    assert c["probabilities"] == pytest.approx(probabilities(png(2), tmp_path), abs=1e-6)


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"content": b"x", "headers": {"content-type": "text/html"}}, 415, "send an image"),
        ({"content": b"x"}, 415, "send an image"),
        ({"content": b"", "headers": {"content-type": "image/png"}}, 422, "cannot read"),
        ({"content": b"x" * 20_001, "headers": {"content-type": "image/png"}}, 413, "at most 20,000"),
        ({"content": iter([b"x" * 15_000] * 2), "headers": {"content-type": "image/png"}}, 413, "more than 20,000"),
        ({"content": png(size=(60, 60)), "headers": {"content-type": "image/png"}}, 422, "2,000 pixels"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=y"}}, 422, "form"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, 422, "form cannot be read"),
        ({"content": png(), "headers": {"content-type": "image/png", **TWO_LENGTHS}}, 400, "not both"),
        ({"content": TWO_FILES[:-60], "headers": {"content-type": "multipart/form-data; boundary=b"}}, 422, "cut off"),
        ({"data": {"a": "b"}, "files": {}}, 415, "send an image"),
        ({"files": [("f", (f"{i}.png", b"x")) for i in range(4)]}, 422, "form cannot be read"),
        ({"content": png(), "headers": {"content-type": "image/png"}, "params": {"top": "0"}}, 422, "top is a"),
        ({"content": png(), "headers": {"content-type": "image/png"}, "params": {"top": "\u0661"}}, 422, "top"),
    ],
)  # fmt: skip
def test_what_is_refused(request_: dict[str, Any], status: int, words: str) -> None:
    with asked(limits={"body": 20_000, "pixels": 2000, "images": 3}) as client:
        answer = client.post("/predict", **request_)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_an_output_that_is_not_finite_fails_alone() -> None:
    model = a_model()
    bad, logits_at = np.full((16, 16, 3), 255, np.uint8), model.logits_at

    def logits(images: np.ndarray, index: np.ndarray) -> np.ndarray:
        found = logits_at(images, index)
        if any(np.array_equal(image, bad) for image in images[index]):
            from ecrnn.core.errors import NotFiniteError

            raise NotFiniteError(0)
        return found

    model.logits_at = logits  # type: ignore[method-assign]
    buffer = io.BytesIO()
    Image.fromarray(bad).save(buffer, "PNG")
    with asked(model=model) as client:
        answer = client.post("/predict", files=[("f", ("a", png())), ("f", ("b", buffer.getvalue()))])
    good, failed = answer.json()["images"]
    assert "class" in good
    assert failed["status"] == 422
    assert "not finite" in failed["error"]


def test_tokens_and_names() -> None:
    with asked(token="a" * 16, hosts=("localhost", "testserver")) as client:
        assert client.get("/model").status_code == 401
        assert client.get("/model", headers={"Authorization": "Bearer " + "b" * 16}).status_code == 401
        assert client.get("/model", headers={"Authorization": "Bearer " + "a" * 16}).status_code == 200
        assert client.get("/nothing").status_code == 401
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/health", headers={"Host": "localhost:80"}).status_code == 200


def slow_model(let: threading.Event, begun: threading.Event) -> ImagePredictor:
    model = a_model()
    logits_at = model.logits_at

    def waiting(images: np.ndarray, index: np.ndarray) -> np.ndarray:
        begun.set()
        assert let.wait(20)
        return logits_at(images, index)

    model.logits_at = waiting  # type: ignore[method-assign]
    return model


def test_too_late_and_too_many() -> None:
    let, begun = threading.Event(), threading.Event()
    kind = {"content-type": "image/png"}
    with asked(model=slow_model(let, begun), limits={"seconds": 1.0, "queue": 1, "batch": 1}) as client:
        late = client.post("/predict", content=png(), headers=kind)
        assert (late.status_code, late.json()["error"]) == (504, "there was no answer within 1 s")
        assert begun.is_set()
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(client.post, "/predict", content=png(), headers=kind) for _ in range(4)]
            refused = [answer.result() for answer in answers if answer.result().status_code == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        let.set()
        until = time.monotonic() + 20
        while (status := client.get("/ready").status_code) == 429 and time.monotonic() < until:
            time.sleep(0.01)  # the one image that waits
        assert status == 200


def test_all_requests_together_hold_no_more_than_a_bound() -> None:
    """The first bodies that come are held, the next is refused, and what was held is free after the answers."""
    bodies = Bodies(100)
    with bodies.of_request() as take:
        take(60)
        with bodies.of_request() as other:
            other(30)
            with pytest.raises(Refused, match="100 bytes of other requests"):
                other(20)
        assert bodies.held == 60
    assert bodies.held == 0
    server = Server(MODEL, Limits(), threads=1)
    server.bodies.most = len(png()) + 10
    kind = {"content-type": "image/png"}
    with TestClient(server.app()) as client:
        statuses = [client.post("/predict", content=png(), headers=kind).status_code for _ in range(3)]
        assert client.post("/predict", files=[("f", ("a", png()))]).status_code == 429
        assert client.post("/explain", content=png() + b"0" * 99, headers=kind).status_code == 429
    assert (statuses, server.bodies.held) == ([200] * 3, 0)


def test_pages_for_people_and_machines(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}
    model = client.get("/model").json()
    assert model["classes"] == list(CLASSES)
    assert model["image"] == {"channels": 3, "height": 16, "width": 16}
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'path="/health",status="200"' in client.get("/metrics").text
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {"/predict", "/explain", "/model", "/health", "/ready", "/metrics"}
    nothing, wrong = client.get("/nothing"), client.get("/predict")
    assert (nothing.status_code, wrong.status_code, wrong.headers["allow"]) == (404, 405, "POST")
    assert (nothing.json()["error"][:9], wrong.headers["x-content-type-options"]) == ("Not Found", "nosniff")


def test_an_explanation(client: TestClient) -> None:
    kind = {"content-type": "image/png"}
    answer = client.post("/explain?class=cat&against=fox", content=png(), headers=kind).json()
    assert (answer["class"], answer["against"]) == ("cat", "fox")
    assert set(answer["maps"]) == {"cam", "occlusion"}
    assert np.shape(answer["maps"]["cam"]["values"]) == (16, 16)
    expected = MODEL.explain(MODEL.open(png()), target="cat", against="fox", methods=("cam",)).maps[0]
    assert np.abs(np.array(answer["maps"]["cam"]["values"]) - expected.attribution.values).max() < 1e-5
    wrong = client.post("/explain?class=cow", content=png(), headers=kind)
    assert wrong.status_code == 422
    assert "cow" in wrong.json()["error"]


def test_batches_answer_as_one_at_a_time(client: TestClient) -> None:
    images = [png(seed) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda one: client.post("/predict", content=one, headers={"content-type": "image/png"}), images)
        )
    with torch.no_grad():
        expected = MODEL.predict_proba(np.stack([MODEL.open(one) for one in images]))
    for answer, row in zip(answers, expected, strict=True):
        assert answer.json()["probabilities"] == pytest.approx(dict(zip(CLASSES, row.tolist(), strict=True)), abs=1e-6)
    assert json.loads(answers[0].text)["name"] == "image"
