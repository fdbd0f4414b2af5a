"""The two files of ONNX Runtime Web that run a model in a browser, of one version whose SHA-256 are known.

They come from the package's tarball in npm's registry, which is downloaded once, or from a copy on this machine.
"""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.core.events import Progress, silent
from ecrnn.core.reading import read_bytes
from ecrnn.data.downloads import RemoteFile, default_cache, fetch

VERSION = "1.30.0"
TARBALL = RemoteFile(
    f"onnxruntime-web-{VERSION}.tgz",
    md5="7677e2cac4b2d0a14154aef901cdab13",
    size=33_106_585,
    urls=(f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",),
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
)
SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SHA256 = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    BINARY: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_LARGEST = 64 * 2**20  # bytes of any of these files
_FOLDERS = ("", "dist", "package/dist", "onnxruntime-web/dist", "node_modules/onnxruntime-web/dist")


@dataclass(frozen=True)
class WebRuntime:
    """ONNX Runtime Web for one thread on the processor.

    Attributes:
        script: a JavaScript module with everything but the binary.
        binary: WebAssembly.
    """

    script: bytes
    binary: bytes


def web_runtime(place: Path | None = None, progress: Progress = silent) -> WebRuntime:
    """The files of `VERSION`, each with the SHA-256 that is known.

    Args:
        place: the package's tarball, or a folder in which npm installed or unpacked it; None: the cache, where it is
            downloaded once.
        progress: called with `Downloading` events of `ecrnn.core.events`.

    Raises:
        EcrnnError: the files are not there, cannot be downloaded, or are of another version; one line.
    """
    if place is not None and place.is_dir():
        folders = [place / folder for folder in _FOLDERS]
        folder = next((one for one in folders if (one / SCRIPT).is_file()), None)
        if folder is None:
            raise EcrnnError(f"there is no {SCRIPT} in {place}, nor in its folders dist or node_modules (--runtime)")
        files = {name: read_bytes(folder / name, _LARGEST) for name in SHA256}
    else:
        files = _of_tarball(place or _downloaded(progress))
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise EcrnnError(f"{name} is not that of onnxruntime-web {VERSION}, the version that ecrnn is tested with")
    return WebRuntime(files[SCRIPT], files[BINARY])


def _downloaded(progress: Progress) -> Path:
    otherwise = f"or fetch it by other means (npm pack onnxruntime-web@{VERSION}) and name it with --runtime"
    return fetch(TARBALL, default_cache() / "downloads" / "onnxruntime-web", progress, otherwise)


def _of_tarball(path: Path) -> dict[str, bytes]:
    content = read_bytes(path, _LARGEST)
    if hashlib.sha256(content).hexdigest() != TARBALL.sha256:
        raise DataError(f"{path} is not {TARBALL.name}: its SHA-256 is another one; delete it, or name a whole copy")
    found = {}
    with tarfile.open(fileobj=BytesIO(content), mode="r:gz") as archive:
        for name in SHA256:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None
            found[name] = member.read()
    return found
