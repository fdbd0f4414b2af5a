"""Korean particles that depend on the last sound of the word before them: 은/는, 이/가, 을/를, 과/와, 으로/로.

The sound is read from the last letter or digit, whatever follows it ("85 %" ends in 퍼센트). Latin words are read by
letters where they have no vowel (CNN, 씨엔엔), else as words; where neither tells, both particles stand there: 은(는).
"""

from __future__ import annotations

import re

_PAIRS = {"은": "는", "이": "가", "을": "를", "과": "와", "으로": "로", "이라": "라", "이며": "며"}
_DIGITS = dict(zip("0123456789", "영일이삼사오육칠팔구", strict=True))  # 10, 100 and so on end in a consonant as 0 does
_LETTER_NAMES = {"l": "엘", "m": "엠", "n": "엔", "r": "알"}  # the names of the others end in a vowel
_RIEUL = 8  # ㄹ, after which 로 stands, not 으로


def with_particle(word: str, particle: str) -> str:
    """``word`` and the right one of two particles.

    Args:
        word: any text.
        particle: the one that follows a consonant, as "은".

    >>> with_particle("crnn-bilstm-16", "은"), with_particle("85 %", "을"), with_particle("모델", "으로")
    ('crnn-bilstm-16은', '85 %를', '모델로')
    """
    other = _PAIRS[particle]
    final = _final(word)
    if final is None:
        return f"{word}{particle}({other})"
    if final == 0 or (final == _RIEUL and particle == "으로"):
        return word + other
    return word + particle


def _final(word: str) -> int | None:
    """The number of the consonant in which the word ends, 0 for a vowel, None where its spelling does not tell."""
    if word.rstrip(" )]'\"").endswith("%"):
        return 0
    ends = re.findall(r"[0-9]+|[A-Za-z]+|[가-힣]", word)
    if not ends:
        return None
    last = ends[-1]
    if last[-1].isdigit():
        return _of_syllable(_DIGITS[last[-1]])
    return _of_latin(last.lower()) if last.isascii() else _of_syllable(last)


def _of_syllable(syllable: str) -> int:
    return (ord(syllable) - ord("가")) % 28


def _of_latin(word: str) -> int | None:
    letter = word[-1]
    if len(word) == 1 or not re.search("[aeiouy]", word):
        return _of_syllable(_LETTER_NAMES.get(letter, "아"))
    if letter in "lmn":
        return _of_syllable(_LETTER_NAMES[letter])
    return None if letter in "bcdegkprt" else 0
