from __future__ import annotations

import json

import pytest

from ecrnn.core.errors import BundleError, SettingsError, UnknownNameError
from ecrnn.data import vocabulary
from ecrnn.data.tokens import KINDS, fit, from_files
from ecrnn.data.vocabulary import BEGIN, END, PAD, UNKNOWN

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


def changed(**changes: object) -> dict[str, str]:
    """The file of a vocabulary of characters with other entries."""
    value = json.loads(fit("characters", TEXTS).files()["vocabulary.json"])
    return {"vocabulary.json": json.dumps(value | changes)}


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
        from_files("characters", changed(**changes).__getitem__)
    assert "\n" not in str(caught.value)


def test_words_are_words():
    for token in ("two words", " a", "a.", "x" * 257):
        with pytest.raises(BundleError, match="is not one of words"):
            from_files("words", changed(kind="words", tokens=["a", token]).__getitem__)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", "3", '"x"', "NaN", "1" * 5000, "\ud800"])
def test_files_that_are_no_objects(content):
    with pytest.raises(BundleError, match=r"vocabulary.json (is not valid JSON: .*|should hold an object)") as caught:
        from_files("words", {"vocabulary.json": content}.__getitem__)
    assert "\n" not in str(caught.value)


def test_files_too_large(monkeypatch):
    monkeypatch.setattr(vocabulary, "_LARGEST_FILE", 10)
    with pytest.raises(BundleError, match=r"vocabulary.json is larger than any vocabulary"):
        from_files("bytes", fit("bytes", []).files().__getitem__)
