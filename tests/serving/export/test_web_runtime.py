"""ONNX Runtime Web from a tarball, a folder or the registry: only the files that are known."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.export import web_runtime as module
from ecrnn.serving.export.web_runtime import BINARY, SCRIPT, TARBALL, WebRuntime, web_runtime

FILES = {SCRIPT: b"script", BINARY: b"binary"}


def tarball(path: Path) -> bytes:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path.read_bytes()


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tarball that is the known one now."""
    path = tmp_path / TARBALL.name
    content = tarball(path)
    sums = {name: hashlib.sha256(file).hexdigest() for name, file in FILES.items()}
    known = replace(
        TARBALL, md5=hashlib.md5(content).hexdigest(), sha256=hashlib.sha256(content).hexdigest(), size=len(content)
    )
    monkeypatch.setattr(module, "SHA256", sums)
    monkeypatch.setattr(module, "TARBALL", known)
    return path


def test_from_a_tarball_and_from_folders(packed: Path, tmp_path: Path) -> None:
    expected = WebRuntime(b"script", b"binary")
    assert web_runtime(packed) == expected
    for folder in ("", "dist", "node_modules/onnxruntime-web/dist"):
        root = tmp_path / f"in {folder.replace('/', '-')}"
        (root / folder).mkdir(parents=True)
        for name, content in FILES.items():
            (root / folder / name).write_bytes(content)
        assert web_runtime(root) == expected


def test_downloaded_once(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "cache"))
    asked = []

    def download(self: object, url: str, target: io.BytesIO, pooch: object) -> None:
        asked.append(url)
        target.write(packed.read_bytes())

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", download)
    assert web_runtime() == web_runtime() == WebRuntime(b"script", b"binary")
    assert asked == ["https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"]


def test_another_download_is_refused(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path / "cache"))
    content = packed.read_bytes()
    monkeypatch.setattr(module, "TARBALL", replace(module.TARBALL, sha256="0" * 64))
    monkeypatch.setattr(
        "pooch.HTTPDownloader.__call__", lambda self, url, target, pooch: target.write(content) and None
    )
    fault = r"with SHA-256 [0-9a-f]{64}, expected 0{64}\); try again later, or fetch it by other means \(npm pack onnx"
    with pytest.raises(EcrnnError, match=fault):
        web_runtime()
    assert not list((tmp_path / "cache").rglob("*.tgz"))


def test_another_version_a_damaged_file_and_an_empty_folder(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    for name in FILES:
        (tmp_path / "other" / name).write_bytes(b"another version")
    packed.write_bytes(packed.read_bytes()[:-1])
    for place, fault in (
        (tmp_path / "empty", "there is no ort.wasm.bundle.min.mjs in "),
        (tmp_path / "other", "is not that of onnxruntime-web 1.30.0"),
        (packed, "is not onnxruntime-web-1.30.0.tgz: its SHA-256 is another one"),
        (tmp_path / "nowhere", "nowhere: No such file"),
    ):
        with pytest.raises(EcrnnError, match=fault):
            web_runtime(place)
