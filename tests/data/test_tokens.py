from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ecrnn.core.errors import BundleError, EcrnnError, SettingsError, UnknownNameError
from ecrnn.data import tokens
from ecrnn.data.tokens import BEGIN, END, KINDS, PAD, SPECIAL, UNKNOWN, fit, from_files

TEXTS = [
    "The cat doesn't see the dog, and the dog doesn't see the cat.",
    "  Le chat ne voit pas le chien :\n l’été à l'école !  ",
    "<pad> <unknown> <begin> <end> <pad> and the end, 猫 and 🐈.",
] * 3


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


def again(vocabulary):
    return from_files(vocabulary.kind, vocabulary.files().__getitem__)


def test_special_ids_are_the_same_in_every_kind(kind):
    vocabulary = fit(kind, TEXTS, 300)
    assert (PAD, UNKNOWN, BEGIN, END) == (0, 1, 2, 3)
    for text in TEXTS:
        ids = vocabulary.encode(text)
        assert min(ids) > END
        assert max(ids) < len(vocabulary)
        with_special = [BEGIN, UNKNOWN, *ids, END, PAD, PAD]
        assert vocabulary.decode(with_special) == vocabulary.decode(ids)
    assert vocabulary.kind == kind
    assert vocabulary.encode("") == []
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize("kind", ["characters", "bytes", "subwords"])
@pytest.mark.parametrize("text", [*TEXTS[:3], "", " ", "\n\t x  y ", "a\u2028b\x85c"])
def test_all_but_words_lose_nothing(kind, text):
    vocabulary = fit(kind, [*TEXTS, text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_what_was_not_seen(kind):
    vocabulary = fit(kind, ["ab ab"])
    ids = vocabulary.encode("ab é")
    if kind in ("bytes", "subwords"):
        assert vocabulary.decode(ids) == "ab é"
        assert UNKNOWN not in ids
    else:
        assert ids[-1] == UNKNOWN
        assert vocabulary.decode(ids).strip() == "ab"


def test_lone_surrogates_are_no_error(kind):
    vocabulary = fit(kind, [*TEXTS, "x\ud800y"])
    for content in vocabulary.files().values():
        content.encode()
    assert vocabulary.decode(vocabulary.encode("cat\ud800")) in ("cat", "cat?")


def test_files_give_the_same_vocabulary(kind):
    vocabulary = fit(kind, TEXTS, 300)
    same = again(vocabulary)
    assert same == vocabulary == fit(kind, iter(TEXTS), 300)
    assert hash(same) == hash(vocabulary)
    assert [same.encode(text) for text in TEXTS] == [vocabulary.encode(text) for text in TEXTS]
    assert same.files() == vocabulary.files()
    names = {"vocabulary.json", "tokenizer.json"} if kind == "subwords" else {"vocabulary.json"}
    assert vocabulary.files().keys() == names
    assert same != fit(kind, ["other words"]) or kind == "bytes"
    assert same != "words"


def test_characters_by_hand():
    vocabulary = fit("characters", ["bca", "ab\n"])
    assert vocabulary.encode("\nabcd") == [4, 5, 6, 7, UNKNOWN]
    assert len(vocabulary) == 8
    assert json.loads(vocabulary.files()["vocabulary.json"]) == {"kind": "characters", "tokens": ["\n", "a", "b", "c"]}


def test_words_by_hand():
    vocabulary = fit("words", ["It's 5 o’clock, it's late ... (late) 'so' late,"])
    assert vocabulary.encode(". late ' ,") == [4, 5, 6, 7]  # thrice, thrice, twice, twice
    found = vocabulary.decode(vocabulary.encode("It's 5 o’clock, it's so late..."))
    assert found == "It's 5 o’clock , it's so late . . ."


def test_words_are_numbered_by_frequency_then_order():
    vocabulary = fit("words", ["b a c b a b d"])
    assert [vocabulary.decode([i]) for i in range(4, 8)] == ["b", "a", "c", "d"]


def test_bytes_by_hand():
    vocabulary = fit("bytes", [])
    assert vocabulary.encode("aé") == [4 + 97, 4 + 0xC3, 4 + 0xA9]
    assert vocabulary.decode([4 + 0xC3, 4 + 97]) == "\ufffda"
    assert len(vocabulary) == 260


def test_subwords_join_what_is_frequent():
    vocabulary = fit("subwords", ["the cat the cat the cat"], 270)
    assert len(vocabulary.encode("the cat")) == 2
    assert len(vocabulary) <= 270
    assert len(fit("subwords", ["the cat the cat"], 260)) == 260


@pytest.mark.parametrize("text", ["<pad>", "<unknown><end>", " <begin> "])
def test_text_like_special_tokens_is_text(kind, text):
    vocabulary = fit(kind, [text] * 10)
    assert not set(vocabulary.encode(text)) & {PAD, UNKNOWN, BEGIN, END}
    assert vocabulary.decode(vocabulary.encode(text)).replace(" ", "") == text.strip()


def test_the_size_is_kept(kind):
    size = {"characters": 10, "words": 10, "bytes": 260, "subwords": 280}[kind]
    assert len(fit(kind, TEXTS, size)) == size


def test_the_rarest_are_left_out():
    assert fit("characters", ["aabbbc"], 6).encode("abc") == [4, 5, UNKNOWN]
    assert fit("characters", ["ba"], 5).encode("ab") == [4, UNKNOWN]
    assert fit("words", ["a b b c c"], least=2).encode("a b c") == [UNKNOWN, 4, 5]
    assert fit("words", ["x" * 257 + " y"]).encode("x" * 257 + " y") == [UNKNOWN, 4]
    joined = fit("subwords", ["ab"] * 3, least=3)
    assert (len(joined), len(fit("subwords", ["ab"] * 3, least=4))) == (261, 260)


@pytest.mark.parametrize(
    ("kind", "size", "least", "message"),
    [
        ("words", 4, 1, "size: is 4, but a vocabulary of words has 5 to 1048576 ids"),
        ("subwords", 259, 1, "size: is 259, but a vocabulary of subwords has 260 to"),
        ("characters", 2**20 + 1, 1, "size: is 1048577"),
        ("words", None, 0, "least: is 0, but should be 1 or more"),
        ("words", None, 100, "texts: hold no words that occur 100 times"),
    ],
)
def test_sizes_out_of_bounds(kind, size, least, message):
    with pytest.raises(SettingsError, match=message):
        fit(kind, TEXTS, size, least=least)


def test_unknown_kinds():
    with pytest.raises(UnknownNameError, match="unknown kind of tokens 'word', did you mean 'words'"):
        fit("word", TEXTS)
    with pytest.raises(BundleError, match="tokens are of the kind 'word', but known are characters, bytes, words, sub"):
        from_files("word", {}.__getitem__)


def changed(kind: str, /, **changes: object) -> dict[str, str]:
    """The files of a vocabulary, with entries of its only or its larger file changed."""
    files = fit(kind, TEXTS, 280).files()
    name, inner = ("tokenizer.json", "model") if kind == "subwords" else ("vocabulary.json", None)
    value = json.loads(files[name])
    (value[inner] if inner else value).update(changes)
    return files | {name: json.dumps(value)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "words"}, "not of the kind 'characters'"),
        ({"kind": ["characters"]}, "not of the kind"),
        ({"tokens": None}, "should hold a list of 1 to 1048572 tokens"),
        ({"tokens": {"a": 1}}, "should hold a list"),
        ({"tokens": []}, "should hold a list"),
        ({"tokens": ["a", 1]}, "holds 1, which is not one of characters"),
        ({"tokens": ["a", ["b"]]}, "which is not one of characters"),
        ({"tokens": ["a", "bc"]}, "holds 'bc', which is not"),
        ({"tokens": ["a", ""]}, "holds '', which is not"),
        ({"tokens": ["\ud800"]}, "which is not one of characters"),
        ({"tokens": ["x" * 10_000]}, "holds 'x{38,39}, which is not"),
        ({"tokens": ["a", "b", "a"]}, "holds 'a' twice"),
    ],
)
def test_hostile_lists_of_tokens(changes, message):
    with pytest.raises(BundleError, match=f"vocabulary.json .*{message}") as caught:
        from_files("characters", changed("characters", **changes).__getitem__)
    assert "\n" not in str(caught.value)


def test_words_are_words():
    for token in ("two words", " a", "a.", "x" * 257):
        with pytest.raises(BundleError, match="is not one of words"):
            from_files("words", changed("words", tokens=["a", token]).__getitem__)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", "3", '"x"', "NaN", "1" * 5000, "\ud800"])
@pytest.mark.parametrize("name", ["vocabulary.json", "tokenizer.json"])
def test_files_that_are_no_objects(content, name):
    files = fit("subwords", TEXTS, 280).files() | {name: content}
    with pytest.raises(BundleError, match=rf"{name} (is not valid JSON: .*|should hold an object)") as caught:
        from_files("subwords", files.__getitem__)
    assert "\n" not in str(caught.value)


def test_files_too_large(monkeypatch):
    monkeypatch.setattr(tokens, "_LARGEST_FILE", 10)
    with pytest.raises(BundleError, match=r"vocabulary.json is larger than any vocabulary"):
        from_files("bytes", fit("bytes", []).files().__getitem__)


IDS = json.loads(fit("subwords", TEXTS, 280).files()["tokenizer.json"])["model"]["vocab"]


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
        from_files("subwords", changed("subwords", **changes).__getitem__)
    assert "\n" not in str(caught.value)


def test_of_a_tokenizer_only_vocabulary_and_merges_are_taken():
    files = fit("subwords", TEXTS, 280).files()
    value = json.loads(files["tokenizer.json"])
    value["added_tokens"] = [{"id": 0, "content": "cat"}]
    value["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False}
    value["model"]["dropout"] = 0.9
    found = from_files("subwords", {**files, "tokenizer.json": json.dumps(value)}.__getitem__)
    assert found.files() == files


def test_a_missing_package_is_named(monkeypatch):
    files = fit("subwords", TEXTS, 280).files()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for make in (lambda: fit("subwords", TEXTS), lambda: from_files("subwords", files.__getitem__)):
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
