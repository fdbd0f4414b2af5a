"""Bundles on the Hugging Face hub: `push` uploads one, `pull` brings one back. It needs the package huggingface_hub.

What comes from the hub is as hostile as any file. Of a repository only the files are asked for that a bundle can have;
their sizes are bounded before and while they come; all are of the one commit that the revision was at the beginning.
They lie in a temporary folder until their digests are those of `bundle.json` and the bundle can be read; only then it
gets its name. Nothing is unpickled, and no code is run: `code.py` of a model that is not ecrnn's own is a file to read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ecrnn.core.errors import BundleError, EcrnnError, raised_as
from ecrnn.core.files import disk_errors, make_folder, path_of, write_json
from ecrnn.core.filesystems import lock, same_file
from ecrnn.core.reading import MAX_JSON, MAX_METRICS, check_inside, sha256, there
from ecrnn.data.subwords import TOKENIZER_FILE
from ecrnn.data.vocabulary import VOCABULARY_FILE
from ecrnn.models.family import MAX_SOURCE
from ecrnn.serving.bundle import (
    CARD,
    CODE,
    DESCRIPTION,
    MAX_VOCABULARY,
    METRICS,
    WEIGHTS,
    Description,
    file_names,
    read_bundle,
    read_description,
    read_trained_on,
)
from ecrnn.serving.hub_card import hub_card
from ecrnn.serving.its_card import MAX_CARD, card_fault, read_card
from ecrnn.serving.pretrained import find
from ecrnn.serving.trained_on import FILE as EXAMPLES

ORIGIN = "hub.json"  # beside a pulled bundle: from where it is
_LIMITS = {  # bytes of each file that a bundle can have
    DESCRIPTION: MAX_JSON,
    WEIGHTS: 2**32,
    METRICS: MAX_METRICS,
    CARD: MAX_CARD,
    EXAMPLES: 2**28,
    CODE: MAX_SOURCE,
    **dict.fromkeys((VOCABULARY_FILE, TOKENIZER_FILE), MAX_VOCABULARY),
    **dict.fromkeys((f"source-{VOCABULARY_FILE}", f"source-{TOKENIZER_FILE}"), MAX_VOCABULARY),
}
_REPOSITORY = re.compile(r"(?:hf://)?([\w-][\w.-]{0,95}/[\w-][\w.-]{0,95})(?:@([\w-][\w./-]{0,199}))?", re.ASCII)
_BLOCK = 2**20
_TEMPORARY, _NAME_LENGTH = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.pull", re.DOTALL), 60
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OLD = 24 * 3600.0  # seconds, after which a temporary folder is nobody's where locks cannot tell
_SILENCE = 60.0  # seconds after which a hub that sends nothing is given up


@dataclass(frozen=True)
class Repository:
    """A repository of the hub, "owner/name", and a branch, tag or commit of it; None: its main branch."""

    name: str
    revision: str | None

    @classmethod
    def parse(cls, text: str) -> Repository:
        """What "owner/name", "hf://owner/name" or either with "@REVISION" names."""
        found = _REPOSITORY.fullmatch(text)
        if found is None:
            raise EcrnnError(
                f"a repository is OWNER/NAME, perhaps with @REVISION, as in ada/flowers, not '{text[:100]}'"
            )
        return cls(found[1], found[2])


def push(
    bundle: str | Path,
    repository: str,
    *,
    private: bool = False,
    examples: bool = True,
    endpoint: str | None = None,
) -> str:
    """Upload a bundle in one commit. The repository is made if there is none; files of another bundle in it go.

    Args:
        bundle: its folder; it is read as `ecrnn.load` does, and nothing damaged is uploaded.
        repository: "owner/name".
        private: make a new repository private; one that is there and public is refused.
        examples: whether the hashes of its training examples go too, by which `ecrnn evaluate` leaves them out.
        endpoint: address of the hub; None: https://huggingface.co, or what HF_ENDPOINT says.

    Returns:
        The address of the commit.

    Raises:
        BundleError: there is no such bundle, or it is damaged.
        EcrnnError: huggingface_hub is missing, the hub refuses or is not to be reached, or a wrong name; one line.
    """
    to = Repository.parse(repository)
    folder = find(bundle)
    description, processor, _, metrics = read_bundle(folder)
    hub = _package(endpoint)
    left_out = (set() if examples else {EXAMPLES}) | (set() if description.source else {CODE})
    names = {name for name in file_names(processor) if there(folder / name)} - left_out
    with raised_as(BundleError):
        for name in sorted(names):
            check_inside(folder / name, folder)
        _check_code(folder, description)
    if examples:
        read_trained_on(folder)
    if fault := card_fault(card := read_card(folder), description, metrics):
        raise BundleError(f"{folder}: {fault}; put back its own card, correct that row, or delete the file")
    operations = [hub.CommitOperationAdd(name, str(folder / name)) for name in sorted(names - {CARD, DESCRIPTION})]
    text = f"# {description.model}\n" if card is None else card
    operations.append(hub.CommitOperationAdd(CARD, hub_card(text, description, processor.task, metrics).encode()))
    operations.append(hub.CommitOperationAdd(DESCRIPTION, str(folder / DESCRIPTION)))
    with _one_line(hub, to.name):
        api = hub.HfApi(endpoint=endpoint, library_name="ecrnn")
        api.create_repo(to.name, private=private, exist_ok=True)
        there_now = api.model_info(to.name, revision=to.revision)
        if private and there_now.private is False:
            line = f"{to.name} is on the hub already and everybody can read it"
            raise EcrnnError(f"{line}; make it private there, name another repository, or leave --private out")
        before = {file.rfilename for file in there_now.siblings or ()}
        old = sorted(before & set(_LIMITS) - names - {CARD})
        operations += [hub.CommitOperationDelete(name) for name in old]
        commit = api.create_commit(
            to.name, operations, commit_message=f"{description.model}, with ecrnn", revision=to.revision
        )
    return str(commit.commit_url)


def pull(repository: str, out: str | Path, *, endpoint: str | None = None) -> Path:
    """Bring a bundle from the hub into a folder.

    Args:
        repository: "owner/name", with "@REVISION" a branch, tag or commit of it.
        out: the bundle's folder, new or empty. `hub.json` in it says which commit it is of.
        endpoint: address of the hub; None: https://huggingface.co, or what HF_ENDPOINT says.

    Returns:
        The folder.

    Raises:
        BundleError: the repository holds no bundle, or one that is damaged or too large.
        EcrnnError: huggingface_hub is missing, the hub refuses or is not to be reached, or ``out`` is not empty.
    """
    of, out = Repository.parse(repository), path_of(out, "out")
    with disk_errors(out, "read"):
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise EcrnnError(f"{out} is there already; choose another folder for the bundle")
    hub = _package(endpoint)
    with _one_line(hub, of.name):
        api = hub.HfApi(endpoint=endpoint, library_name="ecrnn")
        try:
            found = api.model_info(of.name, revision=of.revision, files_metadata=True, timeout=_SILENCE)
        except (TypeError, KeyError, AttributeError) as error:  # of JSON that describes no repository
            raise BundleError(f"what the hub says of {of.name} describes no repository") from error
    commit, sizes = str(found.sha), {file.rfilename: file.size for file in found.siblings or ()}
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        raise BundleError(f"the hub names no commit for {of.name}, but '{commit[:60]}'")
    if missing := [name for name in (DESCRIPTION, WEIGHTS) if name not in sizes]:
        raise BundleError(f"{of.name} holds no bundle of ecrnn: {missing[0]} is missing")
    with _beside(out) as folder:
        for name in sorted(set(sizes) & set(_LIMITS)):
            if (sizes[name] or 0) > _LIMITS[name]:
                raise BundleError(f"{name} of {of.name} has {sizes[name]:,} bytes, more than {_LIMITS[name]:,}")
            with _one_line(hub, of.name):
                _download(hub, of.name, commit, name, folder / name, endpoint)
        _check(folder, of.name)
        origin = {"repository": of.name, "revision": of.revision, "commit": commit, "endpoint": endpoint}
        write_json(folder / ORIGIN, origin)
    return out


def _package(endpoint: str | None) -> Any:
    """The package, once the address of the hub is known to be one."""
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise EcrnnError("push and pull need huggingface_hub, which comes with: pip install 'ecrnn[hub]'") from error
    address = huggingface_hub.constants.ENDPOINT if endpoint is None else endpoint
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as of http://[::1
        good = False
    if not good:
        raise EcrnnError(f"the address of the hub is as in https://huggingface.co, not '{address[:100]}'")
    return huggingface_hub


@contextlib.contextmanager
def _one_line(hub: Any, repository: str) -> Iterator[None]:
    """Errors of the hub and of the network as one line."""
    http = hub.errors.HfHubHTTPError
    try:
        yield
    except EcrnnError:
        raise
    except hub.errors.RepositoryNotFoundError as error:
        line = (
            f"there is no repository {repository} on the hub, or it is not open to you; 'hf auth login' keeps a token"
        )
        raise EcrnnError(line) from error
    except hub.errors.RevisionNotFoundError as error:
        raise EcrnnError(f"{repository} has no such revision") from error
    except (http, OSError, ValueError, http.__bases__[0]) as error:  # the last is httpx's, or httpx2's
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = f"it answers {status}" if status else " ".join(str(error).split())[:200] or type(error).__name__
        raise EcrnnError(f"the hub does not give or take {repository}: {reason}") from error


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A temporary folder that gets the name ``out`` when the block ends well, and vanishes when it does not.

    It is locked, so that what a killed process left can be told from it: that is deleted by the next one.
    """
    make_folder(out.parent)
    with disk_errors(out.parent, "read"):
        for name in os.listdir(out.parent):
            if (left := _TEMPORARY.fullmatch(name)) and left["name"] == out.name[:_NAME_LENGTH]:
                _delete_if_left(out.parent / name)
    handle, folder = _locked_folder(out)
    try:
        yield folder
        with disk_errors(out):
            os.replace(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(handle)


def _locked_folder(out: Path) -> tuple[int, Path]:
    """A new folder beside ``out``, its descriptor first; again where another process takes it for one that is left."""
    while True:
        folder = make_folder(out.parent / f".{out.name[:_NAME_LENGTH]}.{secrets.token_hex(4)}.pull")
        with disk_errors(folder), contextlib.suppress(FileNotFoundError):
            handle = os.open(folder, _FOLDER)
            if lock(handle, folder) != "busy" and same_file(handle, folder):
                return handle, folder
            os.close(handle)


def _delete_if_left(folder: Path) -> None:
    """Delete the temporary folder of a process that has gone; one that cannot be deleted does no harm."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, _FOLDER | os.O_NOFOLLOW)
        try:
            state = lock(handle, folder)
            if state == "taken" or (state == "unsupported" and time.time() - os.fstat(handle).st_mtime > _OLD):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _download(hub: Any, repository: str, commit: str, name: str, path: Path, endpoint: str | None) -> None:
    """One file of a commit, in blocks, and no more than it may have."""
    url = hub.hf_hub_url(repository, name, revision=commit, endpoint=endpoint)
    headers, left = hub.utils.build_hf_headers(library_name="ecrnn"), _LIMITS[name]
    session = hub.get_session()
    with session.stream("GET", url, headers=headers, follow_redirects=True, timeout=_SILENCE) as response:
        hub.utils.hf_raise_for_status(response)
        with disk_errors(path), path.open("xb") as file:
            for block in response.iter_bytes(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise BundleError(f"{name} of {repository} is larger than {_LIMITS[name]:,} bytes")
                file.write(block)


def _check(folder: Path, repository: str) -> None:
    """Raise a BundleError unless the files are those that `bundle.json` names; read all of a model of ecrnn's own."""
    try:
        description = read_description(folder)
        for name, digest in _known(description.files).items():
            if name == EXAMPLES and not there(folder / name):  # pushed with --no-examples
                continue
            if not there(folder / name) or sha256(folder / name, _LIMITS[name], folder) != digest:
                raise BundleError(f"{name} is not the file that {DESCRIPTION} names")
        if description.source is None:
            read_bundle(folder)
        _check_code(folder, description)
    except EcrnnError as error:
        line = str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), repository)
        raise BundleError(f"what {repository} holds cannot be used: {line}") from error


def _check_code(folder: Path, description: Description) -> None:
    """Raise a BundleError unless the copy of a model's code, if it is there, is that of the bundle."""
    if description.source is not None and there(folder / CODE) and _sha256_of(folder / CODE) != description.source:
        raise BundleError(f"{folder / CODE} is not the file that {DESCRIPTION} names")


def _known(files: Mapping[str, str]) -> Mapping[str, str]:
    if foreign := sorted(set(files) - set(_LIMITS)):
        raise BundleError(f"{DESCRIPTION} names '{foreign[0][:60]}', which no bundle has")
    return files


def _sha256_of(path: Path) -> str:
    with disk_errors(path, "read"):
        return hashlib.sha256(path.read_bytes()).hexdigest()
