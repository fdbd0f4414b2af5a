"""Bundles: a round trip to the bit, and for every damaged, foreign or hostile one a single line."""

from __future__ import annotations

import copy
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from serving.older import to_format_1

from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.inference import Standardise, predict_logits
from ecrnn.models.names import parse
from ecrnn.serving import bundle as bundles
from ecrnn.serving.bundle import Description, is_bundle, read_bundle, read_metrics, write_bundle

from .conftest import MODEL

WEIGHTS, DESCRIPTION = "model.safetensors", "bundle.json"


def refused(folder, *parts) -> str:
    """The line with which the bundle is refused: one, printable, not endless, with the path and all ``parts``."""
    with pytest.raises(BundleError) as error:
        read_bundle(folder)
    line = str(error.value)
    assert line.isprintable(), f"control characters in {line!r}"
    assert len(line) < 1100
    assert str(folder) in line
    for part in parts:
        assert part in line, f"{part!r} is not in {line!r}"
    return line


def standardised(**values):
    return {"image": [3, 9, 12], "mean": [120.0], "std": [60.0]} | values


def header_of(path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def write_header(path, header, values: bytes):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


# --- what is right


def test_round_trip(bundle, network, description, processor, images):
    read, parts, loaded, metrics = read_bundle(bundle)
    assert read.model_copy(update={"files": {}, "metrics": None}) == description
    assert list(read.files) == [WEIGHTS]
    assert parts == processor
    assert not loaded.training
    index, standardise = np.arange(6), Standardise(Preprocessing.from_dict(read.preprocessing))
    logits = [predict_logits(n, images, index, standardise) for n in (network, loaded)]
    assert logits[0].tobytes() == logits[1].tobytes()
    assert is_bundle(bundle)
    assert sorted(p.name for p in bundle.iterdir()) == ["README.md", DESCRIPTION, "metrics.json", WEIGHTS]
    assert metrics == read_metrics(bundle) == {"accuracy": 0.5}


def test_the_description_comes_last(tmp_path, monkeypatch, network, description, processor):
    written = []
    for name in ("save_weights", "write_json", "write_atomically"):
        real = getattr(bundles, name)

        def record(*arguments, real=real):
            written.append(next(a.name for a in arguments if isinstance(a, type(tmp_path))))
            return real(*arguments)

        monkeypatch.setattr(bundles, name, record)
    write_bundle(tmp_path / "b", network, parse(description.model), processor, {}, "card")
    assert written[-1] == DESCRIPTION
    assert len(written) == 4


def test_killed_before_the_description_it_is_no_bundle(bundle):
    (bundle / DESCRIPTION).unlink()
    assert not is_bundle(bundle)
    refused(bundle, "is not a bundle: bundle.json is missing")


def test_a_wrong_description_is_not_written(tmp_path, network, description, processor):
    with pytest.raises(BundleError, match="two classes have the same name, 'ant'"):
        write_bundle(
            tmp_path / "b", network, parse(description.model), replace(processor, classes=("ant", "ant")), {}, ""
        )
    assert not (tmp_path / "b").exists()


def test_text_of_the_world_in_class_names(bundle):
    names = ["Käfer", "🐝", 'cat"|`\n']
    to_format_1(bundle, classes=names)
    assert read_bundle(bundle)[0].classes == tuple(names)


# --- the folder


def test_no_folder(tmp_path):
    refused(tmp_path / "none", "there is no folder")


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("{}")
    refused(tmp_path / "file", "there is no folder")


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_a_file_is_missing(bundle, name):
    (bundle / name).unlink()
    refused(bundle, f"is not a bundle: {name} is missing")


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_a_folder_or_a_pipe_instead_of_a_file(bundle, name):
    (bundle / name).unlink()
    (bundle / name).mkdir()
    refused(bundle, f"{name} is a folder, where a file should be")
    (bundle / name).rmdir()
    os.mkfifo(bundle / name)
    refused(bundle, f"{name} is a named pipe, where a file should be")


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
@pytest.mark.parametrize("relative", [False, True])
def test_links_out_of_the_folder(bundle, name, relative):
    outside = bundle.parent / "outside"
    (bundle / name).rename(outside)
    (bundle / name).symlink_to("../outside" if relative else outside)
    refused(bundle, name, "points out of", "a copy of what it points to")


def test_links_to_devices(bundle):
    (bundle / DESCRIPTION).unlink()
    (bundle / DESCRIPTION).symlink_to("/dev/zero")
    refused(bundle, "bundle.json points out of")


def test_links_inside_the_folder_and_of_the_folder_are_fine(bundle):
    (bundle / WEIGHTS).rename(bundle / "real")
    (bundle / WEIGHTS).symlink_to("real")
    (bundle.parent / "alias").symlink_to(bundle)
    read_bundle(bundle.parent / "alias")


def test_control_characters_in_the_path(tmp_path):
    with pytest.raises(BundleError) as error:
        read_bundle(tmp_path / "a\n\x1b[31m")
    assert str(error.value).isprintable()


# --- bundle.json


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is not valid JSON"),
        (b"not json", "is not valid JSON"),
        (b'{"format": 1,', "is not valid JSON"),
        (b"\xff\xfe\x00\xd8", "is not a text file in UTF-8"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"a":' * 100_000, "is not valid JSON"),
        (b"1" * 5000, "is not valid JSON"),
        (b"[]", "should hold an object"),
        (b"null", "should hold an object"),
        (b'"format"', "should hold an object"),
        (b"{}", "'format' is missing"),
    ],
    ids=range(11),
)
def test_description_is_not_json(bundle, content, part):
    (bundle / DESCRIPTION).write_bytes(content)
    refused(bundle, str(bundle / DESCRIPTION), part)


def test_description_is_huge(bundle):
    with (bundle / DESCRIPTION).open("wb") as file:
        file.truncate(2**40)  # sparse
    refused(bundle, "is larger than 16,777,216 bytes")


KEYS = {key: f"configuration key '{key}' is missing" for key in ("format", "task", "model", "ecrnn_version")} | {
    "classes": "image-classification has classes, but none are named",
    "preprocessing": "image-classification needs exactly preprocessing, found nothing",
}


@pytest.mark.parametrize(("key", "line"), KEYS.items(), ids=KEYS)
def test_a_key_is_missing(bundle, key, line):
    to_format_1(bundle, **{key: None})
    refused(bundle, line)


WRONG = {
    "unknown key": ({"modle": "cnn"}, "unknown configuration key 'modle', did you mean 'model'?"),
    "code": ({"__reduce__": "os.system"}, "unknown configuration key '__reduce__'"),
    "format 2": ({"format": 2}, "it does not match its own digest"),
    "format 3": ({"format": 3}, "format: input should be 1 or 2, not 3"),
    "format text": ({"format": "1"}, "format: input should be 1 or 2, not '1'"),
    "format list": ({"format": [1]}, "format: input should be 1 or 2"),
    "task": ({"task": "translations"}, "task 'translations' is not known; known are image-classification, "),
    "another task": ({"task": "translation"}, "translation needs exactly vocabulary, source_vocabulary, length, found"),
    "another model": ({"model": "charlm"}, "charlm is for next-token, not for image-classification"),
    "one part too many": ({"length": 5}, "image-classification needs exactly preprocessing, found length, prepro"),
    "model": ({"model": "ecrnn-blstm-3"}, "unknown model 'ecrnn-blstm-3', did you mean 'ecrnn-bilstm-3'?"),
    "model path": ({"model": "../../../etc/passwd"}, "unknown model '../../../etc/passwd', names are"),
    "model module": ({"model": "os.system"}, "unknown model 'os.system', names are"),
    "model number": ({"model": 7}, "model: input should be a valid string"),
    "model long": ({"model": "crnn" * 1000}, "model: string should have at most 200"),
    "model lines": ({"model": "cnn\nrm -rf /\x1b[2J"}, "unknown model 'cnn\\nrm -rf /\\x1b[2J'"),
    "model nodes": ({"model": "crnn-lstm-99999"}, "nodes must be whole numbers from 1 to 4096"),
    "scan": ({"model": "crnn-lstm-3@spiral\u2028"}, "crnn-lstm-3@spiral"),
    "classes twice": ({"classes": ["a", "b", "a"]}, "two classes have the same name, 'a'"),
    "classes twice lines": ({"classes": ["a\n\r", "a\n\r"]}, "two classes have the same name, 'a\\n\\r'"),
    "classes twice spelt": ({"classes": ["\xe9", "e\u0301"]}, "two classes have the same name, '\xe9'"),
    "classes none": ({"classes": []}, "classes: tuple should have at least 2 items"),
    "classes one": ({"classes": ["a"]}, "classes: tuple should have at least 2 items"),
    "classes empty": ({"classes": ["a", ""]}, "classes.1: string should have at least 1 character"),
    "classes numbers": ({"classes": [1, 2]}, "classes.0: input should be a valid string"),
    "classes null": ({"classes": ["a", {}]}, "classes.1: input should be a valid string"),
    "classes text": ({"classes": "ab"}, "classes: input should be a valid tuple"),
    "classes object": ({"classes": {"a": 0, "b": 1}}, "classes: input should be a valid tuple"),
    "classes long": ({"classes": ["a", "b" * 1001]}, "classes.1: string should have at most 1000 characters"),
    "classes surrogate": ({"classes": ["a", "\ud800"]}, "classes.1: input should be a valid string"),
    "classes many": ({"classes": [str(n) for n in range(100_001)]}, "classes: tuple should have at most 100000 items"),
    "classes millions": ({"classes": [""] * 1_900_000}, "classes.0: string should have at least 1 character"),
    "keys": ({str(n): 1 for n in range(100_000)}, "more than 1,000 keys where settings should be"),
    "files": ({"files": {str(n): "x" for n in range(100_000)}}, "more than 1,000 keys where settings should be"),
    "classes other": ({"classes": ["a", "b"]}, "'head.weight' should be float32 of shape [2, 6]"),
    "preprocessing list": ({"preprocessing": []}, "preprocessing: input should be a valid dictionary"),
    "preprocessing empty": ({"preprocessing": {}}, "should hold exactly image, mean, std and fit"),
    "preprocessing key": ({"preprocessing": standardised(crop=3)}, "should hold exactly image, mean, std and fit"),
    "mean nan": ({"preprocessing": standardised(mean=[float("nan")])}, "NaN is no number of JSON"),
    "mean inf": ({"preprocessing": standardised(mean=[float("inf")])}, "Infinity is no number of JSON"),
    "mean text": ({"preprocessing": standardised(mean=["1"])}, "one number each, or 3"),
    "mean two": ({"preprocessing": standardised(mean=[1.0, 2.0])}, "one number each, or 3"),
    "mean huge": (
        {"preprocessing": standardised(mean=[10**300])},
        "the whole number 10000000000000",
    ),
    "mean large": ({"preprocessing": standardised(mean=[256])}, "a mean does not lie in 0..255"),
    "std nan": ({"preprocessing": standardised(std=[float("nan")])}, "NaN is no number of JSON"),
    "std zero": ({"preprocessing": standardised(std=[0.0])}, "a standard deviation does not lie in"),
    "std tiny": ({"preprocessing": standardised(std=[1e-300])}, "a standard deviation does not lie in"),
    "std below zero": ({"preprocessing": standardised(std=[-1.0])}, "a standard deviation does not lie in"),
    "std true": ({"preprocessing": standardised(std=[True])}, "one number each, or 3"),
    "image huge": ({"preprocessing": standardised(image=[3, 10**9, 10**9])}, "H, W from 1 to 4096"),
    "image large": ({"preprocessing": standardised(image=[3, 4096, 4096])}, "8 to 1024 pixels a side"),
    "image small": ({"preprocessing": standardised(image=[3, 1, 1])}, "8 to 1024 pixels a side, not 1x1"),
    "image channels": ({"preprocessing": standardised(image=[2, 9, 12])}, "image should be [C, H, W] with C 1 or 3"),
    "image floats": ({"preprocessing": standardised(image=[3, 9.0, 12])}, "image should be [C, H, W]"),
    "image below zero": ({"preprocessing": standardised(image=[3, -9, 12])}, "image should be [C, H, W]"),
    "version": ({"ecrnn_version": "1" * 51}, "ecrnn_version: string should have at most 50"),
}


@pytest.mark.parametrize("case", WRONG)
def test_description_is_wrong(bundle, case):
    values, part = WRONG[case]
    to_format_1(bundle, **values)
    line = refused(bundle, part)
    assert "model.safetensors" in line or str(bundle / DESCRIPTION) in line


def test_an_error_of_each_of_many_wrong_values_is_not_made():
    """One of each of 1.9 million class names took 7 s and 2 GB."""
    plain = {"format": 1, "task": "x", "model": "x", "ecrnn_version": "x"}
    for more in ({"classes": [""] * 500_000}, {"files": {str(n): "x" for n in range(100_000)}}):
        tracemalloc.start()
        with pytest.raises(EcrnnError):
            Description.read(plain | more)
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()


def test_a_long_wrong_value_is_cut(bundle):
    to_format_1(bundle, format="x" * 1_000_000)
    refused(bundle, "format: input should be 1")  # which holds the line to a length


# --- model.safetensors


@pytest.mark.parametrize(
    ("name", "make", "part"),
    [
        ("rnn.layers.0.weight_ih_l0", lambda t: t.T, "'rnn.layers.0.weight_ih_l0' should be float32 of shape"),
        ("head.bias", lambda t: t[:2], "'head.bias' should be float32 of shape [3], not float32 of shape [2]"),
        ("head.bias", lambda t: t[:, None], "'head.bias' should be float32 of shape [3], not float32 of shape [3, 1]"),
        ("head.bias", lambda t: t.half(), "'head.bias' should be float32 of shape [3], not float16 of shape [3]"),
        ("head.bias", lambda t: t.double(), "'head.bias' should be float32 of shape [3], not float64 of shape [3]"),
        ("cnn.0.2.num_batches_tracked", lambda t: t.int(), "should be int64 of shape [], not int32 of shape []"),
        ("head.bias", lambda t: t * torch.nan, "values of 'head.bias' are not finite"),
        ("head.weight", lambda t: t / 0, "values of 'head.weight' are not finite"),
        ("cnn.3.2.running_var", lambda t: t * -torch.inf, "values of 'cnn.3.2.running_var' are not finite"),
        ("head.bias", None, "holds weights of another model: 'head.bias' is missing"),
        ("evil\n\x1b[2J", torch.zeros, "'evil\\n\\x1b[2J' is not part of it"),
        ("../../x", torch.zeros, "'../../x' is not part of it"),
    ],
)
def test_tensors_are_wrong(bundle, name, make, part):
    tensors = load_file(bundle / WEIGHTS)
    if make is None:
        del tensors[name]
    else:
        tensors[name] = make(tensors.get(name, 1)).contiguous()
    save_file(tensors, bundle / WEIGHTS)
    to_format_1(bundle)
    refused(bundle, str(bundle / WEIGHTS), part)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, -100_000, -1])
def test_weights_are_cut_short(bundle, keep):
    path = bundle / WEIGHTS
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    refused(bundle, str(path))


def test_a_changed_value_is_seen_by_the_digest(bundle):
    tensors = load_file(bundle / WEIGHTS)
    tensors["head.bias"] += 1  # finite, of the right shape
    save_file(tensors, bundle / WEIGHTS)
    refused(bundle, str(bundle / WEIGHTS), "it is not the file whose digest was noted")


def test_weights_have_something_behind_them(bundle):
    with (bundle / WEIGHTS).open("ab") as file:
        file.write(b"\x00")
    refused(bundle, "is cut short or damaged")


def test_a_sparse_terabyte_behind_a_right_header(bundle):
    with (bundle / WEIGHTS).open("r+b") as file:
        file.truncate(2**40)
    started = time.monotonic()
    refused(bundle, "is larger than")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("size", [0, 1, 2**20 + 1, 2**31, 2**63, 2**64 - 1])
def test_header_lengths(bundle, size):
    path = bundle / WEIGHTS
    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
    refused(bundle, "is not a safetensors file")


@pytest.mark.parametrize(
    "header",
    [b"not json", b"[1, 2]", b"null", b"\xff\xff", b"[" * 1_000_000, b'{"a":' * 200_000, b"1" * 5000, b"  "],
    ids=range(8),
)
def test_header_is_no_table(bundle, header):
    write_header(bundle / WEIGHTS, header, b"")
    refused(bundle, "is not a safetensors file")


def test_header_is_empty(bundle):
    write_header(bundle / WEIGHTS, {}, b"")
    refused(bundle, "holds weights of another model")


@pytest.mark.parametrize("entry", [None, 7, [], "F32", {}, {"dtype": "F32"}, {"dtype": ["F32"], "shape": "x" * 10_000}])
def test_header_entry_is_nonsense(bundle, entry):
    header, values = header_of(bundle / WEIGHTS)
    header["head.bias"] = entry
    write_header(bundle / WEIGHTS, header, values)
    refused(bundle, str(bundle / WEIGHTS), "is not a safetensors file")


@pytest.mark.parametrize(
    "offsets",
    [[0, 12], [12, 0], [-12, 0], [2**62, 2**62 + 12], [0, 13], [0], "ab", None, [0.5, 12.5], [10**400, 10**400]],
    ids=range(10),
)
def test_offsets_overlap_or_lie_outside(bundle, offsets):
    header, values = header_of(bundle / WEIGHTS)
    assert header["head.bias"]["data_offsets"] not in ([0, 12], offsets)
    header["head.bias"]["data_offsets"] = offsets
    write_header(bundle / WEIGHTS, header, values)
    refused(bundle, str(bundle / WEIGHTS))


def test_a_pickle_is_not_even_looked_into(bundle, network):
    class Evil:
        def __reduce__(self):
            return (open, (str(bundle / "pwned"), "w"))

    torch.save({"weights": network.state_dict(), "evil": Evil()}, bundle / WEIGHTS)
    refused(bundle, str(bundle / WEIGHTS), "is not a safetensors file")
    assert not (bundle / "pwned").exists()


HUGE = """
import resource, sys, time
from pathlib import Path
from ecrnn.core.errors import BundleError
from ecrnn.serving.bundle import read_bundle
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
try:
    read_bundle(Path(sys.argv[1]))
except BundleError as error:
    print(error)
more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert more < 200, f"{more} MB"
assert time.monotonic() - started < 20
"""


@pytest.mark.slow
def test_a_giant_fails_by_its_header(bundle):
    """Its weights would take 14 GB."""
    to_format_1(
        bundle,
        model="ecrnn-bilstm-4096-4096-4096-4096-4096-4096",
        preprocessing=standardised(image=[3, 1024, 1024]),
    )
    done = subprocess.run([sys.executable, "-c", HUGE, str(bundle)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "holds weights of another model" in done.stdout or "should be float32 of shape" in done.stdout
    assert done.stdout.count("\n") == 1


# --- metrics.json


def test_metrics_may_be_absent_from_a_bundle_of_format_1(bundle):
    (bundle / "metrics.json").unlink()
    refused(bundle, "metrics.json: No such file")
    to_format_1(bundle)
    assert read_metrics(bundle) == {}


@pytest.mark.parametrize("content", ["", "[]", "null", "{", "[" * 100_000])
def test_metrics_are_damaged(bundle, content):
    (bundle / "metrics.json").write_text(content)
    with pytest.raises(BundleError) as error:
        read_metrics(bundle)
    assert str(bundle / "metrics.json") in str(error.value)


def test_metrics_link_out_of_the_folder(bundle):
    (bundle / "metrics.json").unlink()
    (bundle / "metrics.json").symlink_to("/proc/self/environ")
    with pytest.raises(BundleError, match="points out of"):
        read_metrics(bundle)


def test_description_reads_what_it_writes(description):
    assert Description.read(json.loads(json.dumps(description.model_dump(mode="json")))) == description
    with pytest.raises(EcrnnError, match="unknown configuration key 'surplus'"):
        Description.read(description.model_dump() | {"surplus": 1})


def test_metrics_of_another_bundle(bundle, tmp_path, network, processor):
    """They say how the data was split, so they decide on which images a model is judged."""
    assert "model.safetensors" not in read_bundle(bundle)[3]
    other = copy.deepcopy(network)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    write_bundle(tmp_path / "other", other, parse(MODEL), processor, {"accuracy": 0.9}, "")
    mine = (bundle / "metrics.json").read_bytes()
    shutil.copy(tmp_path / "other" / "metrics.json", bundle)
    with pytest.raises(BundleError, match=r"metrics.json is of another bundle: it does not match bundle.json"):
        read_bundle(bundle)
    with pytest.raises(BundleError, match="of another bundle"):
        read_metrics(bundle)
    (bundle / "metrics.json").write_bytes(mine)
    assert read_metrics(bundle) == {"accuracy": 0.5}


def test_metrics_of_another_time(bundle, tmp_path, network, processor):
    """Of the same weights, as where the best epoch stays the best while a training goes on; seconds are free."""
    history = [{"epoch": 1, "validation_accuracy": 0.5, "seconds": 2.0}]
    for name, figures in (("now", {"accuracy": 0.5}), ("before", {"accuracy": 0.4}), ("again", {"accuracy": 0.5})):
        figures |= {"history": history, "seconds": 1.0 + (name == "again"), "study": name}
        write_bundle(tmp_path / name, network, parse(MODEL), processor, figures, "")
    assert (tmp_path / "now" / DESCRIPTION).read_bytes() == (tmp_path / "again" / DESCRIPTION).read_bytes()
    shutil.copy(tmp_path / "again" / "metrics.json", tmp_path / "now")
    assert read_bundle(tmp_path / "now")[3]["seconds"] == 2.0
    shutil.copy(tmp_path / "before" / "metrics.json", tmp_path / "now")
    with pytest.raises(BundleError, match=r"metrics.json is of another bundle, or of another time: it does not match"):
        read_bundle(tmp_path / "now")
