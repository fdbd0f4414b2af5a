"""The server's addresses, as an ASGI application.

    POST /predict   an image as the body, or files of a form: class and probabilities
    POST /explain   an image as the body: the map of pixels that count, with its tests
    GET  /          a page: drop an image on it; works without a network
    GET  /model     what the model is       GET /health  alive       GET /ready  the model answers
    GET  /metrics   for Prometheus          GET /openapi.json

An image is decoded by one of several threads, judged by the one thread that owns the model, and fails alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ecrnn.core.errors import DataError, EcrnnError, NotFiniteError
from ecrnn.models.inference import softmax
from ecrnn.serving.http.batching import Batcher
from ecrnn.serving.http.bodies import Upload, uploads
from ecrnn.serving.http.counters import Counters
from ecrnn.serving.http.front_page import front_page
from ecrnn.serving.http.limits import Bodies, Limits, Refused
from ecrnn.serving.http.openapi import description_of
from ecrnn.serving.predictor import Explains, Predictor

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_OPEN = {"/health", "/ready"}  # without a token
_EXPLANATIONS = 4  # that may wait; each takes seconds


class Server:
    """A model and all that serves it.

    Args:
        model: an image classifier.
        limits: of what is taken.
        threads: of the model, and as many that decode.
        token: that requests must carry; None: none.
        hosts: names under which the server may be asked for, against pages that rebind a name; () takes any.
        language: of the page /, "en" or "ko"; all other answers are English.
        least: probability below which an image is rejected, see `ecrnn.serving.rejection`; None: none is.
    """

    def __init__(
        self,
        model: Predictor,
        limits: Limits,
        *,
        threads: int = 2,
        token: str | None = None,
        hosts: tuple[str, ...] = (),
        language: str = "en",
        least: float | None = None,
    ) -> None:
        self.model, self.limits, self.token, self.hosts, self.least = model, limits, token, hosts, least
        self.counters, self.bodies = Counters(), Bodies(limits.held)
        self._images: Any = model  # its methods are those of `ImagePredictor`
        self.batcher = Batcher(self._logits, limits, self.counters.batch, lambda: torch.set_num_threads(threads))
        self._decoders = ThreadPoolExecutor(threads, "decode")
        self._explainer = ThreadPoolExecutor(1, "explain")
        self._explaining = 0
        self._page = front_page(language)

    def app(self) -> Starlette:
        """The ASGI application; when it ends, what waits is answered first."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            yield
            await asyncio.get_running_loop().run_in_executor(None, self.close)

        routes = [
            Route("/", self._counted(self._front), methods=["GET"]),
            Route("/predict", self._counted(self._predict), methods=["POST"]),
            Route("/explain", self._counted(self._explain), methods=["POST"]),
            Route("/model", self._counted(self._model), methods=["GET"]),
            Route("/health", self._counted(self._health), methods=["GET"]),
            Route("/ready", self._counted(self._ready), methods=["GET"]),
            Route("/metrics", self._counted(self._metrics), methods=["GET"]),
            Route("/openapi.json", self._counted(self._openapi), methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: self._nowhere, 405: self._nowhere})

    def close(self) -> None:
        """Answer what waits, then end all threads."""
        self._decoders.shutdown()
        self.batcher.close()
        self._explainer.shutdown(cancel_futures=True)

    def _logits(self, images: np.ndarray) -> np.ndarray:
        """Logits of each image; rows that are not finite stay so, and fail alone where they are asked for."""
        try:
            found: np.ndarray = self._images.logits_at(images, np.arange(len(images)))
        except NotFiniteError:
            return np.concatenate([self._alone(image) for image in images])
        return found

    def _alone(self, image: np.ndarray) -> np.ndarray:
        try:
            found: np.ndarray = self._images.logits_at(image[None], np.arange(1))
        except NotFiniteError:
            return np.full((1, len(self.model.classes)), np.nan, np.float32)
        return found

    def _counted(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint, its refusals as answers, counted, within the time."""

        async def counted(request: Request) -> Response:
            begun = time.monotonic()
            try:
                self._admit(request)
                async with asyncio.timeout(self.limits.seconds):
                    response = await endpoint(request)
            except Refused as refused:
                response = _refusal(refused.status, refused.reason)
            except TimeoutError:
                response = _refusal(504, f"there was no answer within {self.limits.seconds:g} s")
            except ClientDisconnect:
                response = _refusal(400, "the client went away")
            response.headers.update(_HEADERS)
            self.counters.request(request.url.path, response.status_code, time.monotonic() - begun)
            return response

        return counted

    async def _nowhere(self, request: Request, error: Exception) -> Response:
        """Another address or method: refused as all else is; its path is anybody's, and is not counted."""
        assert isinstance(error, HTTPException)
        try:
            self._admit(request)
            response = _refusal(error.status_code, f"{error.detail}; GET /openapi.json says what there is")
        except Refused as refused:
            response = _refusal(refused.status, refused.reason)
        response.headers.update({**_HEADERS, **(error.headers or {})})
        return response

    def _admit(self, request: Request) -> None:
        host = request.headers.get("host", "").rsplit(":", 1)[0].strip("[]").lower()
        if self.hosts and host not in self.hosts:
            raise Refused(421, "this server is asked for under another name")
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            raise Refused(400, "send Content-Length or Transfer-Encoding, not both: a proxy may see two requests there")
        if self.token is not None and request.url.path not in _OPEN:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(token.encode(), self.token.encode()):
                raise Refused(401, "send the token as Authorization: Bearer TOKEN")

    async def _predict(self, request: Request) -> Response:
        top = _number(request, "top", 5, most=1000)
        with self.bodies.of_request() as take:
            found, listed = await uploads(request, self.limits, take)
            answers = await asyncio.gather(*(self._judged(upload, top) for upload in found))
        if listed:
            return JSONResponse({"images": answers})
        (answer,) = answers
        if "error" in answer:
            raise Refused(answer["status"], answer["error"])
        return JSONResponse(answer)

    async def _judged(self, upload: Upload, top: int) -> dict[str, Any]:
        """The answer to one image, or its error."""
        try:
            image = await self._decoded(upload)
            row = await asyncio.wrap_future(self.batcher.submit(image))
            if not np.isfinite(row).all():
                raise Refused(422, "the model's output for this image is not finite")
        except Refused as refused:
            return {"name": upload.name, "status": refused.status, "error": refused.reason}
        probabilities = softmax(row[None])[0]
        order = np.argsort(-probabilities, kind="stable")[:top]
        classes, rejected = self.model.classes, self.least is not None and probabilities.max() < self.least
        return {
            "name": upload.name,
            "class": None if rejected else classes[order[0]],
            **({} if self.least is None else {"rejected": bool(rejected)}),
            "probabilities": {classes[i]: float(probabilities[i]) for i in order},
        }

    async def _decoded(self, upload: Upload) -> np.ndarray:
        loop = asyncio.get_running_loop()
        try:
            image: np.ndarray = await loop.run_in_executor(
                self._decoders, self._images.open, upload.content, self.limits.pixels
            )
        except DataError as error:
            raise Refused(422, str(error)) from error
        except RuntimeError as error:  # the pool was shut down
            raise Refused(503, "the server is stopping") from error
        return image

    async def _explain(self, request: Request) -> Response:
        if not isinstance(self.model, Explains):
            raise Refused(422, f"models of {self.model.task.name} are not explained")
        target, against = request.query_params.get("class"), request.query_params.get("against")
        with self.bodies.of_request() as take:
            found, listed = await uploads(request, self.limits, take)
            if listed and len(found) != 1:
                raise Refused(422, "one image at a time is explained")
            image = await self._decoded(found[0])
        if self._explaining >= _EXPLANATIONS:
            raise Refused(429, f"{_EXPLANATIONS} images wait to be explained; try again later")
        self._explaining += 1
        try:
            model: Explains = self.model
            explained = await asyncio.get_running_loop().run_in_executor(
                self._explainer,
                lambda: model.explain(image, target=target, against=against, methods=("cam", "occlusion")),
            )
        except EcrnnError as error:
            raise Refused(422, str(error)) from error
        except RuntimeError as error:
            raise Refused(503, "the server is stopping") from error
        finally:
            self._explaining -= 1
        return JSONResponse(_plain(explained))

    async def _front(self, _request: Request) -> Response:
        return HTMLResponse(self._page)

    async def _model(self, _request: Request) -> Response:
        description = self.model.description
        channels, height, width = self.model.image
        return JSONResponse(
            {
                "model": description.model,
                "task": self.model.task.name,
                "classes": list(self.model.classes),
                "image": {"channels": channels, "height": height, "width": width},
                "ecrnn_version": description.ecrnn_version,
                "weights_sha256": description.files.get("model.safetensors"),
            }
        )

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _ready(self, _request: Request) -> Response:
        channels, height, width = self.model.image
        await asyncio.wrap_future(self.batcher.submit(np.zeros((height, width, channels), np.uint8)))
        return JSONResponse({"status": "ready"})

    async def _metrics(self, _request: Request) -> Response:
        return PlainTextResponse(self.counters.text(self.batcher.waiting), media_type="text/plain; version=0.0.4")

    async def _openapi(self, _request: Request) -> Response:
        return JSONResponse(description_of(self.model.description.ecrnn_version, token=self.token is not None))


def _refusal(status: int, reason: str) -> Response:
    headers = {
        400: {"Connection": "close"},
        401: {"WWW-Authenticate": "Bearer"},
        429: {"Retry-After": "1"},
        503: {"Retry-After": "5"},
    }
    return JSONResponse({"error": reason}, status, headers=headers.get(status))


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise Refused(422, f"{name} is a whole number from 1 to {most}, not '{text[:20]}'")
    return int(text)


def _plain(explained: Any) -> dict[str, Any]:
    """What /explain answers of an `ecrnn.explain.explanation.Explanation`."""
    classes = explained.classes
    return {
        "class": classes[explained.target],
        "against": None if explained.against is None else classes[explained.against],
        "probability": float(explained.probabilities[explained.target]),
        "layer": explained.layer,
        "maps": {
            one.key: {
                "title": one.title,
                "values": np.round(one.attribution.values.astype(float), 6).tolist(),
                "faults": list(one.faults),
            }
            for one in explained.maps
        },
    }
