"""The page of the server in its languages: the same script, other words."""

from __future__ import annotations

import re

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.translation import messages
from ecrnn.serving.http.front_page import _EXPLAINED, front_page

WORDS = re.compile(r">[^<>{}]*?[A-Za-z]{3,}[^<>{}]*<|const words = .*;")


def test_the_korean_page_has_the_same_script_and_no_english_words() -> None:
    english, korean = front_page(), front_page("ko")
    assert "[[" not in english + korean
    assert "Drop an image here, or choose one<" in english
    assert "이미지를 여기에 놓거나 고르십시오<" in korean
    assert "`클래스 ${model.classes.length}개: ${" in korean
    assert "주황은 ${answer.class} 쪽" in korean
    entries = dict(messages("ko"))
    for text in _EXPLAINED:
        assert text in entries
        assert entries[text].replace('"', '\\"') in korean
    code = [re.sub(r"[`\"].*?[`\"]|>[^<]*<|const words.*|lang=.*", "", page) for page in (english, korean)]
    assert code[0] == code[1]


def test_there_are_no_others() -> None:
    with pytest.raises(EcrnnError, match="unknown language 'de'"):
        front_page("de")
