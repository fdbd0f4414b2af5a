from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.core.events import Downloading
from ecrnn.data import downloads
from ecrnn.data.downloads import RemoteFile, cached_file, default_cache, fetch, read_checked
from ecrnn.data.sources import SOURCES
from ecrnn.tasks.image_classification import images
from ecrnn.tasks.language_modelling.corpus import TINY_SHAKESPEARE
from ecrnn.tasks.text_classification.texts import RT_POLARITY
from ecrnn.tasks.translation.sentence_pairs import MULTI30K

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def file(server) -> RemoteFile:
    server.files = {"first": CONTENT, "second": CONTENT}
    urls = (f"{server.url}/first", f"{server.url}/second")
    return RemoteFile("data.bin", hashlib.md5(CONTENT).hexdigest(), len(CONTENT), urls)


def left(folder) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_download_is_kept_and_not_repeated(file, server, tmp_path):
    seen = []
    path = fetch(file, tmp_path / "new" / "folder", seen.append)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == Downloading("data.bin", len(CONTENT), len(CONTENT))
    assert [event.done for event in seen] == sorted({event.done for event in seen})
    assert fetch(file, tmp_path / "new" / "folder") == path
    assert server.asked == ["first"]
    assert left(tmp_path) == ["data.bin"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (404, "the server answers 404"),
        (500, "the server answers 500"),
        ("break off", "broken off after 1[0-9]+ of 300000 bytes"),
        ("hang", "no answer within 0.3 seconds|no connection"),
        ("too long", "sends more than the 300000 bytes"),
        ("nonsense", r"\S.*"),
        ("other", "4 bytes with MD5 [0-9a-f]{32}, expected [0-9a-f]{32}"),
    ],
)
def test_a_failure_leaves_nothing_and_the_next_mirror_serves(file, server, tmp_path, monkeypatch, behaviour, reason):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.3)
    if behaviour == "other":
        server.files["first"] = b"else"
    server.behave["first"] = behaviour
    one = replace(file, urls=file.urls[:1])
    with pytest.raises(DataError, match=rf"cannot download data.bin \({server.url}/first: ({reason}).*--data-dir"):
        fetch(one, tmp_path)
    assert left(tmp_path) == []
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["first", "first", "second"]


def test_all_failures_are_in_one_line(file, server, tmp_path):
    server.behave = {"first": 503, "second": 404}
    with pytest.raises(DataError, match=r"first: the server answers 503; .*second: the server answers 404") as caught:
        fetch(file, tmp_path)
    assert "\n" not in str(caught.value)


def test_no_network_names_the_url_and_data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = RemoteFile("data.bin", "0" * 32, 1, ("http://127.0.0.1:9/data.bin",))
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/data.bin: no connection\).*--data-dir"):
        fetch(file, tmp_path)


def test_an_interruption_leaves_nothing(file, tmp_path):
    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, tmp_path, interrupt)
    assert left(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_one_line(file, tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot write .*ECRNN_CACHE"):
        fetch(file, tmp_path / "taken")


def test_a_damaged_file_in_the_cache_is_refused(file, tmp_path):
    path = fetch(file, tmp_path)
    assert read_checked(path, file.md5) == CONTENT
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"data.bin is damaged .* delete it and give the command again"):
        read_checked(path, file.md5)
    with pytest.raises(DataError, match=r"cannot read .*: No such file"):
        read_checked(tmp_path / "gone", file.md5)


def test_cached_file_keeps_the_old_one_on_error(tmp_path):
    (tmp_path / "f").write_bytes(b"old")

    def half():
        with cached_file(tmp_path / "f") as out:
            out.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert left(tmp_path) == ["f"]


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_whole_data_sets_are_downloaded_once(name, request, server, tmp_path, monkeypatch):
    official = request.getfixturevalue(name)
    server.files = official.files

    def served(file):
        return replace(file, urls=(f"{server.url}/{file.name}",))

    if name == "mnist":
        source = replace(official.source, files=tuple(map(served, official.source.files)))
    else:
        source = replace(official.source, archive=served(official.source.archive))
    monkeypatch.setitem(SOURCES, name, source)
    first = images.load(name, cache=tmp_path)
    again = images.load(name, cache=tmp_path)
    np.testing.assert_array_equal(first.images, official.images)
    assert first.fingerprint == again.fingerprint
    assert sorted(server.asked) == sorted(official.files)


def test_the_cache_is_named_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("ECRNN_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("ECRNN_CACHE")
    assert default_cache().name == "ecrnn"


def test_registered_sources_are_complete():
    images = [file for name in ("mnist", "fashion-mnist") for file in SOURCES[name].files]
    images += [f for name in ("cifar10", "cifar100") for f in (SOURCES[name].archive, *SOURCES[name].members)]
    written = [TINY_SHAKESPEARE, *RT_POLARITY, *MULTI30K]
    for file in images + written:
        assert len(file.md5) == 32
        assert all(url.endswith(file.name) for url in file.urls)
        assert (file.unpacked_md5 is not None) == (file.name.endswith(".gz") and "tar" not in file.name)
    assert all(file.urls for file in written)
    digests = [file.md5 for file in images + written]
    assert len(set(digests)) == len(digests) == 4 + 4 + 8 + 4 + 1 + 2 + 6
