"""Pages in Korean: no English left but names, every other file as it was, and nothing from elsewhere obeyed."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report.across import make_studies
from report.korean import english
from report.synthetic import make_study

import ecrnn
from ecrnn.core.errors import EcrnnError
from ecrnn.report import Analysis, analyse_studies, write_across_report, write_report
from ecrnn.report.render.across_files import across_page
from ecrnn.report.render.figures import draw_figures
from ecrnn.report.render.page import report_page


@pytest.fixture(scope="module")
def korean(analysis: Analysis) -> str:
    return report_page(analysis, draw_figures(analysis), "ko")


def test_nothing_english_is_left_but_names(korean: str, analysis: Analysis) -> None:
    models = [row.model for row in analysis.models]
    fixed = [*analysis.environment.values(), "avx512", "run_directory", *analysis.folders]
    reasons = [trial.reason for trial in analysis.missing]  # messages of errors stay English
    versions = [line.text for line in analysis.fairness if line.what == "Versions"]
    names = [*models, *analysis.classes, *map(str, fixed), *reasons, *versions, "digits", "abababababab"]
    assert english(korean, names) == []
    assert '<html lang="ko">' in korean
    assert "NanumGothic" in korean


def test_it_has_the_form_and_the_figures_of_the_english_page(korean: str, analysis: Analysis) -> None:
    page = report_page(analysis, draw_figures(analysis))
    shape = re.compile(r'<(/?[a-z0-9]+)(?:[^<>]*?\b(?:id|class|href)="([^"]*)")?')
    body = slice(page.index("<body>"), None), slice(korean.index("<body>"), None)
    assert shape.findall(korean[body[1]]) == shape.findall(page[body[0]])
    cell = re.compile(r'<td class="right[^"]*">([^<]*)</td>')
    for one, other in zip(cell.findall(page), cell.findall(korean), strict=True):
        assert re.findall(r"[0-9.,]+", one) == re.findall(r"[0-9.,]+", other)
    assert 'lang="en"' in page
    assert "[가-힣]" not in page
    assert not re.search("[가-힣]", page)


def test_across_data_sets(tmp_path: Path) -> None:
    folders = make_studies(tmp_path / "runs", 3, failed=[("cnn", 1)])
    page = write_across_report(folders, tmp_path / "out", language="ko").paths["report.html"].read_text()
    others = [analyse_studies(folders, exploratory=True), analyse_studies(folders, data_sets=4)]
    for shown in (page, *(across_page(one, (), "ko") for one in others)):
        assert english(shown, [*map(str, folders), *(f"set-{i}" for i in range(3)), "crnn-bilstm-16", "cnn"]) == []


def test_a_check_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("undecided", "고양이 <b>"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    twin = tmp_path / "photos" / "undecided" / "3.png"
    twin.write_bytes((tmp_path / "photos" / "고양이 <b>" / "0.png").read_bytes())
    (tmp_path / "photos" / "undecided" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(EcrnnError, match="unknown language 'xx', pages are in"):  # before anything is read
        ecrnn.check(tmp_path / "nowhere", language="xx")
    ecrnn.check(tmp_path / "photos", out=tmp_path / "out", language="ko", repeats=1)
    page = (tmp_path / "out" / "check.html").read_text(encoding="utf-8")
    assert "같은 이미지가 두 클래스에 있음" in page
    assert '<th scope="row" class="left">undecided</th>' in page, "the name of a class is no word of ours"
    assert "<b>" not in page
    assert (
        english(
            page,
            [
                str(tmp_path / "photos"),
                "undecided",
                "broken.png",
                "png",
                "<b>",
                "PNG",
                "JPEG",
                "BMP",
                "GIF",
                "WebP",
                "TIFF",
                "PPM",
            ],
        )
        == []
    )


def test_hostile_names_are_text_in_korean_too(tmp_path: Path) -> None:
    names = ("<script>alert('x')</script>", "=cmd() is better than {a!t} by 3 points")
    study = make_study(tmp_path / "run", accuracies=dict.fromkeys(names, 0.6), repeats=3, n_validation=100)
    page = write_report([study], tmp_path / "out", language="ko").paths["report.html"].read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(" in page
    assert "=cmd() is better than {a!t} by 3 points" in html.unescape(page)
