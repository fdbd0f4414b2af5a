"""Text for people and JSON for machines: names of files, classes, models and hosts may hold anything.

`printable` stands before everything that is printed or written for people; `json_text` writes the same text exactly, as
JSON escapes it. Neither does what an output format wants beside it: Markdown, HTML and LaTeX escape what is theirs.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# Control characters, format characters (directions, zero widths, tags), halves of surrogate pairs, line separators:
# what a terminal obeys, what turns or hides the text around it, and what UTF-8 cannot hold.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Letters and marks that are blank: fillers of Hangul, a blank of Braille, a joiner of marks, Khmer's inherent vowels,
# and Mongolian's variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_NEVER_JSON = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]")
_PLAIN = re.compile("[ -~\xa1-\xac\xae-\u02ff\uac00-\ud7a3]*")  # what needs no look at each letter
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONGEST = 32  # marks upon one letter, above which they would cover other lines


def printable(text: object, keep: str = "") -> str:
    """``text`` as people can read it, on one line, whatever it holds.

    Letters of all scripts, accents and emoji stay. What a terminal would obey and what cannot be seen (control
    characters, changes of direction, zero widths, line separators, bytes of file names that are not UTF-8) is
    written as in Python: ``\\x1b``, ``\\u202e``.

    Args:
        text: any text; of another object, what str makes of it.
        keep: control characters that stay, such as line ends of a text that has several lines.

    >>> print(printable("photo\\x1b[31m.png"))
    photo\\x1b[31m.png
    """
    text = str(text)
    if _PLAIN.fullmatch(text):
        return text
    shown, marks = [], 0
    for place, character in enumerate(text):
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        bad = unicodedata.category(character) in _HIDDEN or character in _BLANK or marks > _LONGEST
        if bad and character not in keep and not _joins(text, place):
            shown.append(_visible(character))
        else:
            shown.append(character)
    return "".join(shown)


def one_line(text: object) -> str:
    """``text`` for people on one line: each run of blanks and line ends becomes one blank."""
    return printable(" ".join(str(text).split()))


def counted(n: int, nouns: str) -> str:
    """ "1 image", "3 images", "1,000 images"; of "validation images" the last word counts."""
    return f"{n:,} {nouns.removesuffix('s') if n == 1 else nouns}"


def json_text(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON that every program reads and a terminal can show: exact, and safe to print.

    Letters stay as they are; what a terminal would obey and halves of surrogate pairs are JSON's escapes.

    Raises:
        ValueError: a number that is not finite, which JSON does not have.
    """
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    return _NEVER_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python holds it
        return f"\\x{code - 0xDC00:02x}"
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _joins(text: str, place: int) -> bool:
    """Whether the joiner at ``place`` has a use: it joins two emoji into one, or shapes letters of a script from Arabic
    to Sinhala."""
    before, character, after = text[place - 1 : place], text[place], text[place + 1 : place + 2]
    if character not in "\u200c\u200d" or not before or not after:
        return False
    if character == "\u200d" and unicodedata.category(after) == "So":
        return unicodedata.category(before) in ("So", "Sk") or before == "\ufe0f"
    return "\u0600" <= before <= "\u0dff" and "\u0600" <= after <= "\u0dff"
