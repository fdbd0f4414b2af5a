"""Small data sets in their official layouts: files on the disk, archives, and a server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from ecrnn.data.cifar import CifarSource
from ecrnn.data.mnist import IdxSource
from ecrnn.data.sources import SOURCES


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture(name="md5")
def _md5() -> Callable[[bytes], str]:
    return md5


def python_2_pickle(value: object) -> bytes:
    """What Python 2's cPickle writes with protocol 2: 8-bit strings, and arrays by numpy.core.multiarray."""

    def string(data: bytes) -> bytes:
        short = len(data) < 256
        return (b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data))) + data

    def item(v: object) -> bytes:
        match v:
            case bytes():
                return string(v)
            case str():
                return string(v.encode())
            case int():
                return b"K" + bytes([v]) if 0 <= v < 256 else b"J" + struct.pack("<i", v)
            case list():
                return b"](" + b"".join(map(item, v)) + b"e"
            case dict():
                return b"}(" + b"".join(item(k) + item(x) for k, x in v.items()) + b"u"
            case np.ndarray():
                shape = b"(" + b"".join(map(item, v.shape)) + b"t"
                dtype = b"cnumpy\ndtype\n" + item("u1") + b"K\x00K\x01\x87R(K\x03" + item("|")
                dtype += b"NNN" + item(-1) + item(-1) + b"K\x00tb"
                start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + item("b") + b"\x87R"
                return start + b"(K\x01" + shape + dtype + b"\x89" + string(v.tobytes()) + b"tb"
        raise AssertionError(type(v))

    return b"\x80\x02" + item(value) + b"."


@pytest.fixture(name="python_2_pickle")
def _python_2_pickle() -> Callable[[object], bytes]:
    return python_2_pickle


@dataclass
class Official:
    """A small official data set: the files' contents, the source that expects them, what they hold."""

    source: CifarSource | IdxSource
    files: dict[str, bytes]
    unpacked: dict[str, bytes]
    images: np.ndarray
    labels: np.ndarray

    def write(self, folder: Path, unpacked: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in (self.unpacked if unpacked else self.files).items():
            (folder / name).write_bytes(data)
        return folder


def tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(request: pytest.FixtureRequest) -> Official:
    return make_cifar(request.param)


@pytest.fixture
def cifar10() -> Official:
    return make_cifar("cifar10")


def make_cifar(name: str) -> Official:
    source = SOURCES[name]
    assert isinstance(source, CifarSource)
    rng = np.random.default_rng(0)
    batches, images, labels = {}, [], []
    for file in (*source.train, *source.test):
        data = rng.integers(0, 256, (4, 3, 32, 32), np.uint8)
        numbers = rng.integers(0, 10, 4).tolist()
        batch = {"data": data.reshape(4, -1), source.labels_key: numbers, "filenames": ["a.png"] * 4}
        batches[file.name] = python_2_pickle(batch | {"coarse_labels": [0] * 4})
        images.append(data.transpose(0, 2, 3, 1))
        labels += numbers
    batches[source.meta.name] = python_2_pickle({source.names_key: [f"class {i}" for i in range(10)]})
    archive = tar_gz({f"{source.folder}/{n}": d for n, d in {**batches, "readme.html": b"<html>"}.items()})

    def known(file):
        return replace(file, md5=md5(batches[file.name]))

    source = replace(
        source,
        archive=replace(source.archive, md5=md5(archive), size=len(archive), urls=()),
        train=tuple(map(known, source.train)),
        test=tuple(map(known, source.test)),
        meta=known(source.meta),
    )
    return Official(source, {source.archive.name: archive}, batches, np.concatenate(images), np.array(labels))


@pytest.fixture(params=["mnist", "fashion-mnist"])
def idx(request: pytest.FixtureRequest) -> Official:
    return make_idx(request.param)


@pytest.fixture
def mnist() -> Official:
    return make_idx("mnist")


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def make_idx(name: str) -> Official:
    source = SOURCES[name]
    assert isinstance(source, IdxSource)
    rng = np.random.default_rng(1)
    arrays = []
    for n in (7, 3):
        arrays += [rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n).astype(np.uint8)]
    unpacked = {f.name.removesuffix(".gz"): idx_bytes(a) for f, a in zip(source.files, arrays, strict=True)}
    files = {name + ".gz": gzip.compress(data, mtime=0) for name, data in unpacked.items()}
    known = []
    for file in source.files:
        bare = md5(unpacked[file.name.removesuffix(".gz")]) if file.unpacked_md5 else None
        data = files[file.name]
        known.append(replace(file, md5=md5(data), size=len(data), urls=(), unpacked_md5=bare))
    images, labels = np.concatenate(arrays[0::2])[..., None], np.concatenate(arrays[1::2])
    return Official(replace(source, files=tuple(known)), files, unpacked, images, labels)


@dataclass
class Server:
    """Serves ``files`` by path; ``behave`` says, by path, how it misbehaves."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    behave: dict[str, str | int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            state.asked.append(name)
            behaviour, data = state.behave.get(name), state.files.get(name)
            if isinstance(behaviour, int) or data is None:
                self.send_error(behaviour if isinstance(behaviour, int) else 404)
                return
            if behaviour == "hang":
                stop.wait(5)
                return
            self.send_response(200)
            if behaviour != "too long":
                self.send_header("Content-Length", "many" if behaviour == "nonsense" else str(len(data)))
            self.end_headers()
            if behaviour == "break off":
                data = data[: len(data) // 2]
            self.wfile.write(data)
            if behaviour == "too long":
                for _ in range(100):
                    self.wfile.write(bytes(2**16))

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        stop.set()
        running.shutdown()
        thread.join()
