"""All forms of a report across data sets."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.across import make_studies
from report.chromium import chromium, executable
from report.synthetic import make_study
from rich.console import Console

from ecrnn.core.across_plan import AcrossPlan, write_plan
from ecrnn.core.errors import EcrnnError
from ecrnn.report import AcrossAnalysis, analyse_studies, print_across, write_across_report
from ecrnn.report.render.across_figures import draw_across
from ecrnn.report.render.across_files import across_files
from ecrnn.stats import mean_ranks


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_studies(tmp_path_factory.mktemp("across"), 8, n_validation=60)


@pytest.fixture(scope="module")
def analysis(folders: list[Path]) -> AcrossAnalysis:
    return analyse_studies(folders, moderators=["classes"])


@pytest.fixture(scope="module")
def files(analysis: AcrossAnalysis) -> dict[str, str]:
    return across_files(analysis)


def test_every_form_says_the_finding(analysis: AcrossAnalysis, files: dict[str, str]) -> None:
    out = io.StringIO()
    print_across(analysis, Console(file=out, width=300))
    for text in (files["report.md"], files["report.html"], files["report.tex"], files["report.json"], out.getvalue()):
        assert analysis.headline in text
    for pair in analysis.across.pairs:
        assert pair.sentence.replace("<", "&lt;") in files["report.html"]
        assert f"{100 * pair.effects.mean:+.2f}".replace("-", "−") in files["report.md"]
        assert f"{100 * pair.effects.mean:+.2f}".replace("-", "$-$") in files["report-tables.tex"]


def test_json_and_csv_hold_full_precision(analysis: AcrossAnalysis, files: dict[str, str]) -> None:
    found = json.loads(files["report.json"])
    pair = analysis.across.pairs[0]
    assert found["kind"] == "ecrnn report across"
    assert found["across"]["pairs"][0]["effects"]["new_high"] == pair.effects.new_high
    assert found["data_sets"][3]["models"][0]["scores"] == list(analysis.data_sets[3].comparison.models[0].scores)
    row = next(csv.DictReader(files["report.csv"].splitlines()))
    assert (row["model_a"], float(row["mean"]), float(row["p_holm"])) == (pair.model_a, pair.effects.mean, pair.p_holm)
    results = list(csv.DictReader(files["report-results.csv"].splitlines()))
    assert len(results) == 8 * 3 * 3
    assert list(results[0]) == ["dataset", "model", "repeat", "score", "n_train", "n_test"]


def test_ranks_are_drawn_from_eight_data_sets_on(
    folders: list[Path], analysis: AcrossAnalysis, files: dict[str, str]
) -> None:
    assert "report-ranks.svg" in files
    means = {
        model: [
            sum(own.scores) / len(own.scores)
            for one in analysis.data_sets
            for own in one.comparison.models
            if own.model == model
        ]
        for model in analysis.across.models
    }
    assert analysis.across.ranks == mean_ranks(means)
    for model, rank in zip(analysis.across.ranks.models, analysis.across.ranks.ranks, strict=True):
        assert f"{model}: {rank:.2f}" in files["report-ranks.svg"]
    seven = across_files(analyse_studies(folders[:7]))
    assert "report-ranks.svg" not in seven
    assert "No diagram of mean ranks: 7 data sets are fewer than 8" in seven["report.html"]
    assert "No diagram of mean ranks: 7 data sets are fewer than 8" in seven["report.md"]


def test_a_forest_shows_each_data_set_the_mean_and_a_new_one(analysis: AcrossAnalysis) -> None:
    figures = {figure.key: figure for figure in draw_across(analysis)}
    assert [key for key in figures if key.startswith("forest")] == ["forest-1", "forest-2", "forest-3"]
    for figure, pair in zip(list(figures.values())[:3], analysis.across.pairs, strict=True):
        for one in pair.data_sets:
            assert one.data_set in figure.svg
            assert f"{100 * one.difference:+.2f}".replace("-", "−") in figure.svg
        assert "a new data set" in figure.svg
        assert pair.sentence.replace("<", "&lt;") in figure.svg
    assert {"improvement", "ranks", "profiles"} < set(figures)


@pytest.mark.slow
def test_the_same_studies_give_the_same_bytes(folders: list[Path], files: dict[str, str]) -> None:
    assert across_files(analyse_studies(folders, moderators=["classes"])) == files


def test_names_are_text_everywhere(tmp_path: Path) -> None:
    name = "<b>$x$ & |"
    found = across_files(analyse_studies(make_studies(tmp_path, 2, data=f"sets/{name}", n_validation=30)))
    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: seen.append(tag)  # type: ignore[method-assign]
    parser.feed(found["report.html"])
    assert "b" not in seen
    assert "&lt;b&gt;$x$ &amp; |" in found["report.html"]
    assert r"\textless{}b\textgreater{}\$x\$ \& \textbar{}" in found["report-tables.tex"]
    assert r"\<b\>\$x\$ &amp; \|" in found["report.md"]


def test_where_it_goes(tmp_path: Path) -> None:
    runs = make_studies(tmp_path / "runs", 2, n_validation=30)
    assert write_across_report(runs).folder == tmp_path / "runs" / "report"
    elsewhere = make_study(tmp_path / "other" / "run", fingerprint="ff" * 32, repeats=1, n_validation=30)
    with pytest.raises(EcrnnError, match=r"^the studies lie in several folders; say with --out where the report goes$"):
        write_across_report([runs[0], elsewhere])


def test_a_folder_without_all_data_sets_of_its_plan_is_interim(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folders[0].parent
    monkeypatch.setattr("ecrnn.report.render.across_files.write_across", lambda analysis, *_: analysis)
    for count, unfinished in ((8, 0), (9, 9)):
        write_plan(home, AcrossPlan(data={f"s{d}": f"set-{d}" for d in range(count)}))
        found = write_across_report([home])
        (home / "across.yaml").unlink()
        assert (found.unfinished, found.planned) == (unfinished, 72 + unfinished)
        assert {pair.verdict is None for pair in found.across.pairs} == {unfinished > 0}


@pytest.mark.skipif(executable() is None, reason="chromium is not installed")
def test_the_page_is_silent_and_no_wider_than_a_telephone(files: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(files["report.html"], encoding="utf-8")
    with chromium() as browser:
        browser.call("Emulation.setDeviceMetricsOverride", width=400, height=900, deviceScaleFactor=1, mobile=False)
        browser.open(page)
        assert browser.evaluate("document.documentElement.scrollWidth") == 400
        noisy = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        assert [event for event in browser.events if event["method"] in noisy] == []
    ids = re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8"))
    assert len(ids) == len(set(ids))
