"""core/text: what people may see of any text, and JSON that is exact and safe to print."""

from __future__ import annotations

import json

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.text import json_text, one_line, printable

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
AS_IT_IS = (
    "cat.png",
    "한국어 사진.png",
    "e\u0301 ñ ß Ł",
    "日本語 Ωmega Привет עברית العربية",
    "\u2615\ufe0f \U0001f44d\U0001f3fd",
    FAMILY,
    "\U0001f3f4\u200d\u2620\ufe0f",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, whose letters the joiner shapes
    "a\u3000b\xa0c",
    "",
    "C:\\new\\table [red]:smile:",
)
SHOWN = {
    "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
    "a\nb\r\tc": "a\\nb\\r\\tc",
    "\x00\x07\x7f\x9b2J": "\\x00\\x07\\x7f\\x9b2J",
    "gnp.\u202eexe\u202c\u2066\u2069\u200f\u061c": "gnp.\\u202eexe\\u202c\\u2066\\u2069\\u200f\\u061c",
    "a\u200bb\ufeff\u2060\xad": "a\\u200bb\\ufeff\\u2060\\xad",
    "a\u200cb\u200dc": "a\\u200cb\\u200dc",
    "\u2028\u2029": "\\u2028\\u2029",
    "\u3164\u115f\u1160\uffa0\u2800": "\\u3164\\u115f\\u1160\\uffa0\\u2800",
    "caf\udce9.png": "caf\\xe9.png",
    "\ud800": "\\ud800",
    "\U000e0041": "\\U000e0041",
    "a" + "\u0300" * 33: "a" + "\u0300" * 32 + "\\u0300",
}


@pytest.mark.parametrize("text", AS_IT_IS)
def test_what_people_read_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", SHOWN)
def test_what_a_terminal_obeys_or_nobody_sees_is_written_out(text: str) -> None:
    assert printable(text) == SHOWN[text]
    assert printable(printable(text)) == printable(text)
    printable(text).encode()


def test_lines_stay_where_they_may() -> None:
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"
    assert one_line("a \n\n b\tc\u2028d\x1b") == "a b c d\\x1b"


def test_errors_are_for_people() -> None:
    assert str(EcrnnError("no file \x1b[31m\n.png")) == "no file \\x1b[31m\\n.png"


@pytest.mark.parametrize("text", [*SHOWN, *AS_IT_IS])
def test_json_is_exact_and_nothing_in_it_is_obeyed(text: str) -> None:
    made = json_text({text: [text]})
    assert json.loads(made) == {text: [text]}
    assert not set(made) & set("\x00\x07\x1b\x7f\x9b\n\r\t\u2028\u2029\u202e\u202c\u2066\u200b\ufeff\xad")
    made.encode()


def test_json_has_no_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text([float("nan")])
    assert json_text({"한": 0.1 + 0.2}, indent=1) == '{\n "한": 0.30000000000000004\n}'
