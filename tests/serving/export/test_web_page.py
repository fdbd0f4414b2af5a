"""The page as a text: what is inside, what is escaped, what it lets run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from serving.export import small_bundles

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.export.web_page import check_page, page
from ecrnn.serving.export.web_runtime import WebRuntime
from ecrnn.serving.load import load


def form_of(tmp_path: Path, name: str, **more: Any) -> Any:
    model = load(small_bundles.write(tmp_path / "bundle", name, (1, 16, 20), **more), "cpu")
    return model.task.code("export")(model)


def block(text: str, name: str) -> str:
    (content,) = re.findall(rf'<script type="application/[a-z-]+" id="{name}">([^<]*)</script>', text)
    return content


@pytest.fixture
def text(tmp_path: Path) -> str:
    form = form_of(tmp_path, "mlp-4", metrics={"data": "<script>alert(1)</script>\x1b[31m"})
    return page(form, b"model", WebRuntime(b"script", b"binary"), {"Terms": "<img src=x onerror=alert(1)>"})


def test_everything_is_inside(text: str) -> None:
    for name, content in (("model", b"model"), ("runtime", b"script"), ("binary", b"binary")):
        assert gzip.decompress(base64.b64decode(block(text, name))) == content
    settings = json.loads(block(text, "settings"))
    assert settings["names"] == list(small_bundles.CLASSES)
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert "http" not in re.sub(r'id="(?:model|runtime|binary)">[^<]*', "", text).replace("http-equiv", "")


def test_nothing_from_a_bundle_is_markup(text: str) -> None:
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "<b>" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m</title>" in text


def test_names_that_turn_the_text_around_them_are_written_out(tmp_path: Path) -> None:
    classes = ("cat\u202egod", "a\nb\x1b[31m", "\ud55c\uae00", "e\u0301")
    text = page(form_of(tmp_path, "mlp-4", classes=classes), b"", WebRuntime(b"", b""), {})
    assert json.loads(block(text, "settings"))["names"] == ["cat\\u202egod", "a\\nb\\x1b[31m", *classes[2:]]


def test_only_its_own_script_and_style_may_run(text: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].replace("&#39;", "'").split("; "))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() + "'" for part in (script, style)
    ]
    assert rules == {
        "default-src": "'none'",
        "script-src": f"{hashes[0]} blob: 'wasm-unsafe-eval'",
        "style-src": hashes[1],
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_text_recognition_has_its_characters(tmp_path: Path) -> None:
    form = form_of(tmp_path, "ocr-gru-4")
    text = page(form, b"", WebRuntime(b"", b""), {})
    settings = json.loads(block(text, "settings"))
    assert settings["kind"] == "text"
    assert settings["names"][:4] == [""] * 4
    assert "".join(settings["names"][4:]) == "".join(sorted(set("".join(small_bundles.TEXTS))))
    assert 'id="text"' in text


def test_tasks_without_a_page_are_one_line(tmp_path: Path) -> None:
    fault = "^there is no page for sequence-classification, only --to onnx; a page is for image-classification, transcr"
    with pytest.raises(EcrnnError, match=fault):
        check_page(form_of(tmp_path, "sequence-gru-4"))
