"""core/seals: every changed letter of a sealed file is seen, or changes nothing that is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from core.lines import one_line

from ecrnn.core.errors import EcrnnError
from ecrnn.core.reading import parse_json
from ecrnn.core.seals import check_text, is_sealed, seal, seal_text, unsealed

VALUE = {"format": 2, "n": 1257, "score": 0.9123456789, "names": ["a", "가"], "none": None}
TEXT = "data: digits\nmodels:\n- cnn\nseed: 12\n"
PATH = Path("file")


def test_by_hand() -> None:
    """Of {"a":1} and of "a: 1", as sha256sum gives them."""
    assert seal({"a": 1})["digest"] == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    digest = "37b128c59f1f5097f73f82691cb519f1f568667faab5ced1b4ab979d36837eae"
    assert seal_text("a: 1\n") == f"# SHA-256 of the lines below: {digest}\na: 1\n"
    assert yaml.safe_load(seal_text(TEXT)) == yaml.safe_load(TEXT)


def test_an_object_and_its_form() -> None:
    sealed = seal(VALUE)
    for text in (json.dumps(sealed), json.dumps(sealed, indent=4, ensure_ascii=False, sort_keys=True)):
        assert unsealed(json.loads(text), PATH, required=True) == VALUE
    assert unsealed(VALUE, PATH) == VALUE
    with one_line(EcrnnError, "file is damaged", "digest"):
        unsealed(VALUE, PATH, required=True)


@pytest.mark.parametrize("value", [None, 3, [], "text"])
def test_no_object(value: object) -> None:
    with one_line(EcrnnError, "file is damaged: it should hold an object"):
        unsealed(value, PATH)


def test_every_changed_bit_of_an_object_is_seen() -> None:
    good = json.dumps(seal(VALUE), ensure_ascii=False).encode()
    for at in range(8 * len(good)):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        try:
            content = parse_json(data.decode(), PATH)
            assert unsealed(content, PATH, required=content.get("format") == 2) == VALUE
        except (EcrnnError, UnicodeDecodeError):
            continue
        except AssertionError:
            assert content["format"] != 2  # which readers refuse, or which is required to have a digest
            assert not isinstance(content["format"], int) or content["format"] not in (1, 2)


def test_every_changed_bit_and_every_cut_of_a_text_is_seen() -> None:
    good = seal_text(TEXT).encode()
    check_text(good.decode(), PATH)
    check_text(good.decode().replace("\n", "\r\n"), PATH)
    check_text(TEXT, PATH)
    changed = [good[:at] for at in range(30, len(good))]
    for at in range(8 * len(good)):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        changed.append(bytes(data))
    for content in changed:
        try:
            text = content.decode()
            check_text(text, PATH)
            assert yaml.safe_load(text) == yaml.safe_load(TEXT)
        except (EcrnnError, UnicodeDecodeError, yaml.YAMLError):
            continue
        except AssertionError:
            assert not isinstance(yaml.safe_load(text), dict) or "256 of the lines" in next(iter(yaml.safe_load(text)))


def test_whether_a_text_is_sealed() -> None:
    assert is_sealed(seal_text("a: 1\n"))
    assert is_sealed(seal_text("a: 1\n").replace("a: 1", "a: 2"))
    assert not is_sealed("a: 1\n")
