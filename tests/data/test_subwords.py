from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.data.tokens import fit, from_files
from ecrnn.data.vocabulary import SPECIAL

TEXTS = ["The cat and the dog.", "  Le chat et l’été :\n le chien !", "<pad> <end> 猫 and 🐈."] * 3
FILES = fit("subwords", TEXTS, 280).files()


def test_subwords_join_what_is_frequent():
    vocabulary = fit("subwords", ["the cat the cat the cat"], 270)
    assert len(vocabulary.encode("the cat")) == 2
    assert len(vocabulary) <= 270
    assert len(fit("subwords", ["the cat the cat"], 260)) == 260


def changed(**changes: object) -> dict[str, str]:
    """The files of a vocabulary with other entries of the model."""
    value = json.loads(FILES["tokenizer.json"])
    value["model"].update(changes)
    return FILES | {"tokenizer.json": json.dumps(value)}


IDS = json.loads(FILES["tokenizer.json"])["model"]["vocab"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "WordLevel"}, "holds no byte-pair encoding"),
        ({"vocab": []}, "holds no byte-pair encoding"),
        ({"merges": {}}, "holds no byte-pair encoding"),
        ({"vocab": {}}, "should begin with <pad> <unknown> <begin> <end>"),
        ({"vocab": IDS | {"a": 1_000_000}}, "should number its 280 tokens from 0 on, each once"),
        ({"vocab": IDS | {"a": IDS["b"]}}, "should number"),
        ({"vocab": IDS | {"a": -1}}, "should number"),
        ({"vocab": IDS | {"a": float(IDS["a"])}}, "should number"),
        ({"vocab": IDS | {"a": str(IDS["a"])}}, "should number"),
        ({"vocab": IDS | {"<pad>": 1, "<unknown>": 0}}, "should begin with"),
        ({"vocab": dict.fromkeys(SPECIAL) | {t: i for i, t in enumerate(SPECIAL)}}, "lacks bytes"),
        ({"vocab": IDS | {"a b": 280}}, "holds 'a b', which is no piece of text"),
        ({"vocab": IDS | {"a" * 257: 280}}, "holds 'a+, which is no piece of text"),
        ({"merges": ["a b"]}, "merges 'a b', which are not two of its tokens to a third"),
        ({"merges": [["a", "b", "c"]]}, "which are not two"),
        ({"merges": [["a", 1]]}, "which are not two"),
        ({"merges": [["Q", "Q"]]}, "which are not two"),
        ({"vocab": IDS | {"<pad": 280}, "merges": [["<pad", ">"]]}, "which are not two"),
        ({"vocab": IDS | {"<pad>a": 280}, "merges": [["<pad>", "a"]]}, "which are not two"),
        ({"merges": [[]]}, "which are not two"),
    ],
)
def test_hostile_subwords(changes, message):
    with pytest.raises(BundleError, match=rf"tokenizer.json .*{message}") as caught:
        from_files("subwords", changed(**changes).__getitem__)
    assert "\n" not in str(caught.value)


def test_of_a_tokenizer_only_vocabulary_and_merges_are_taken():
    value = json.loads(FILES["tokenizer.json"])
    value["added_tokens"] = [{"id": 0, "content": "cat"}]
    value["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False}
    value["model"]["dropout"] = 0.9
    found = from_files("subwords", {**FILES, "tokenizer.json": json.dumps(value)}.__getitem__)
    assert found.files() == FILES


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", "{}", '{"model": 3}'])
def test_files_that_hold_no_tokenizer(content):
    with pytest.raises(
        BundleError, match=r"tokenizer.json (is not valid JSON|should hold an object|holds no byte-pair)"
    ):
        from_files("subwords", {**FILES, "tokenizer.json": content}.__getitem__)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for make in (lambda: fit("subwords", TEXTS), lambda: from_files("subwords", FILES.__getitem__)):
        with pytest.raises(EcrnnError, match=r'subwords need the package tokenizers: pip install "ecrnn\[text\]"'):
            make()
    assert fit("characters", TEXTS).encode("a")


def test_importing_loads_no_tokenizers_and_forking_is_quiet(monkeypatch):
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    code = """
import os, sys
from ecrnn.data.tokens import fit
assert "tokenizers" not in sys.modules
v = fit("subwords", ["a b"] * 10)
assert "TOKENIZERS_PARALLELISM" not in os.environ
v.encode("a b")
if os.fork() == 0:
    v.encode("a b")
    os._exit(0)
os.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")


def test_real_subwords(real_data):
    from ecrnn.data.textfiles import read_text

    path = real_data / "multi30k" / "val.fr.gz"
    if not path.is_file():
        pytest.skip("no multi30k in the real data")
    text = read_text(path)
    vocabulary = fit("subwords", text.splitlines(), 1000)
    assert len(vocabulary) == 1000
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert len(vocabulary.encode(text)) < len(text) / 3
