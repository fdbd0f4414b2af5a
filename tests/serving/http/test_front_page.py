"""The page of the server in its languages: the same script, other words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report.chromium import chromium, executable

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


@pytest.mark.skipif(executable() is None, reason="chromium is not installed")
def test_the_likeliest_class_stands_first_and_every_name_can_be_seen(tmp_path: Path) -> None:
    """JavaScript sorts names that are whole numbers by size; names that turn the text around them are written out."""
    answer = {"probabilities": {"7": 0.5, "cat\u202egod": 0.3, "3": 0.125, "10": 0.075}, "classes": [], "model": "cnn"}
    stub = f"<script>fetch = async () => ({{ok: true, json: async () => ({json.dumps(answer)})}});</script>"
    (tmp_path / "page.html").write_text(stub + front_page(), encoding="utf-8")
    with chromium() as browser:
        browser.open(tmp_path / "page.html")
        browser.evaluate("shown = []; classify(new File([], 'x')).then(() => { shown.push('yes'); })")
        while not browser.evaluate("shown.length"):
            pass
        rows = browser.evaluate("[...document.querySelectorAll('#bars li')].map(row => row.innerText).join('|')")
    assert rows.split() == ["7", "50.0", "%|cat\\u202egod", "30.0", "%|3", "12.5", "%|10", "7.5", "%"]


def test_there_are_no_others() -> None:
    with pytest.raises(EcrnnError, match="unknown language 'de'"):
        front_page("de")
