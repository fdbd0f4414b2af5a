"""A thousand mutated images and forms, and everything schemathesis thinks of: no 500, and the server goes on."""

from __future__ import annotations

import io
import random
from collections import Counter

import pytest
from PIL import Image
from serving.http.test_app import MODEL, asked, png

from ecrnn.serving.http.app import Server
from ecrnn.serving.http.limits import Limits

KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")


def in_kind(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png())).save(buffer, kind)
    return buffer.getvalue()


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or put in."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 2, 5, 30))):
        at = draw.randrange(len(data)) if data else 0
        match draw.randrange(4):
            case 0 if data:
                data[at] = draw.randrange(256)
            case 1:
                del data[at : at + draw.randrange(1, 64)]
            case 2:
                data[at:at] = data[at : at + draw.randrange(1, 64)]
            case _:
                data[at:at] = draw.randbytes(draw.randrange(1, 16))
    return bytes(data)


@pytest.mark.slow
def test_a_thousand_mutated_images() -> None:
    draw = random.Random(0)
    originals = [in_kind(kind) for kind in KINDS]
    statuses = []
    with asked(limits={"seconds": 10.0}) as client:
        for number in range(1000):
            content = mutated(draw.choice(originals), draw)
            if number % 3:
                answer = client.post("/predict", content=content, headers={"content-type": "image/png"})
            else:
                answer = client.post("/predict", files=[("f", ("a", content)), ("f", ("b", originals[0]))])
                assert "class" in answer.json()["images"][1]
            statuses.append(answer.status_code)
        assert client.get("/ready").status_code == 200
    assert set(statuses) == {200, 422}
    assert min(statuses.count(200), statuses.count(422)) > 100


@pytest.mark.filterwarnings("ignore:Exception ignored")  # starlette leaves files in memory to the garbage collector
def test_mutated_forms() -> None:
    draw = random.Random(1)
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    whole = part + png() + b"\r\n--b--\r\n"
    with asked(limits={"seconds": 10.0}) as client:
        kind = {"content-type": "multipart/form-data; boundary=b"}
        assert client.post("/predict", content=whole, headers=kind).status_code == 200
        statuses = {client.post("/predict", content=mutated(whole, draw), headers=kind).status_code for _ in range(500)}
        assert client.get("/ready").status_code == 200
    assert statuses <= {200, 422}


@pytest.mark.slow
def test_schemathesis_finds_nothing() -> None:
    """Every answer has a status, a type and a form that /openapi.json names, and none is a 500."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings
    from schemathesis.specs.openapi import checks

    app = Server(MODEL, Limits(seconds=20.0), threads=1).app()
    wanted = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    seen: Counter[tuple[str, int]] = Counter()
    for operation in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():

        @given(case=operation.ok().as_strategy())
        @settings(
            max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        def tried(case: schemathesis.Case) -> None:
            response = case.call()
            seen[case.path, response.status_code] += 1
            case.validate_response(response, checks=wanted)

        tried()
    assert {path for path, _ in seen} == {"/predict", "/explain", "/model", "/health", "/ready", "/metrics"}
    assert {status for path, status in seen if path == "/predict"} >= {200, 422}  # hypothesis decides how many of each
