"""`ecrnn serve BUNDLE`: a trained image classifier behind HTTP."""

from __future__ import annotations

import contextlib
import logging
import socket
from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say, say_json
from ecrnn.cli.rejecting import least_of
from ecrnn.core.errors import EcrnnError

EXAMPLE = "Example: ecrnn serve my-classifier --port 8000"


def serve(
    bundle: options.Bundle,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all, then with --token-file.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    max_batch: Annotated[
        int, typer.Option(help="Number of images that the model takes at once.", min=1, max=4096)
    ] = 64,
    max_wait_ms: Annotated[
        float, typer.Option(help="Milliseconds that an idle model waits for more images.", min=0, max=1000)
    ] = 5.0,
    queue: Annotated[int, typer.Option(help="Number of images that may wait; more get 429.", min=1, max=100_000)] = 256,
    max_bytes: Annotated[
        int, typer.Option(help="Number of bytes of a request; more get 413.", min=1024, max=2**30)
    ] = 10_000_000,
    max_pixels: Annotated[
        int, typer.Option(help="Number of pixels of an image; more get 422.", min=64, max=50_000_000)
    ] = 50_000_000,
    max_images: Annotated[int, typer.Option(help="Number of images of a request.", min=1, max=10_000)] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds until an answer; later is 504.", min=0.1, max=3600)] = 30.0,
    stop_after: Annotated[
        int, typer.Option(help="Seconds that requests under way have when the server is stopped.", min=1, max=3600)
    ] = 30,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a token that requests must carry. Default: none.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Number of threads of the model, and of decoding.", min=1, max=256)] = 2,
    reject: options.Reject = None,
    device: options.Device = None,
    code: options.Code = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Serve a trained image classifier: POST an image to /predict or /explain, or open / in a browser.

    It listens on this machine alone unless --host says otherwise, and nothing that it is sent is kept. Ctrl-C, or
    SIGTERM, stops it after the requests under way. docs/how-to/serve.md has limits, tokens, a container and a service.
    """
    language = options.language(lang)
    from ecrnn.serving.load import load
    from ecrnn.serving.predictor import Explains, Predictor

    try:
        import uvicorn

        from ecrnn.serving.http.app import Server
        from ecrnn.serving.http.connections import timed
    except ImportError as error:
        raise EcrnnError(f"serve needs {error.name}, which comes with: pip install 'ecrnn[serve]'") from error
    from ecrnn.serving.http.limits import Limits

    model: Predictor = load(bundle, device or "auto")
    if not isinstance(model, Explains):
        raise options.WrongCall(f"serve is for classifiers of images; {bundle} is for {model.task.name}")
    least = None if reject is None else least_of(model, reject)
    limits = Limits(max_batch, max_wait_ms / 1000, queue, max_bytes, max_pixels, max_images, timeout)
    token = None if token_file is None else _token(token_file)
    listening = _listen(host, port)
    address, number = listening.getsockname()[:2]
    local = address in ("127.0.0.1", "::1")
    hosts = ("127.0.0.1", "localhost", "::1") if local else ()
    server = Server(model, limits, threads=threads, token=token, hosts=hosts, language=language, least=least)
    config = uvicorn.Config(
        server.app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        http=timed(timeout),
        ws="none",
        lifespan="on",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=stop_after,
        limit_concurrency=4 * queue,
        h11_max_incomplete_event_size=16 * 1024,
    )
    name = f"[{address}]" if ":" in address else address
    url = f"http://{name}:{number}/"
    if as_json:
        say_json({"url": url, "model": model.description.model, "classes": list(model.classes)}, indent=None)
    else:
        say(f"{model.description.model} serves {len(model.classes)} classes at {url} (Ctrl-C stops)")
        if not local and token is None:
            say("Anybody who reaches this machine can ask it: --token-file asks for a token.")
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it would write a line for each damaged form
    uvicorn.Server(config).run(sockets=[listening])


def _token(path: Path) -> str:
    from ecrnn.core.reading import read_text

    token = read_text(path, 4096).strip()
    if len(token) < 16 or not token.isascii() or not token.isprintable():
        raise EcrnnError(f"{path} should hold a token of at least 16 printable characters")
    return token


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as stack:
            listening = stack.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
            stack.pop_all()  # it stays open
    except OSError as error:
        raise EcrnnError(f"cannot listen at {host}, port {port}: {error.strerror or error}; choose another") from error
    return listening
