"""What is written: every number comes back as `stats` gave it, nothing hostile becomes markup, the bytes
repeat."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from report.synthetic import make_study
from rich.console import Console

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.report import Analysis, analyse, plain, print_report, read_study, write_report
from ecrnn.report.content.tables import report_tables
from ecrnn.report.render.latex import LETTERS, to_latex_tables
from ecrnn.report.render.latex import escape as latex_escape
from ecrnn.report.render.write import report_files

HOSTILE = "<script>alert('x')</script> & 100% a_b #1 {c} \\d | `e` $f$ [g](h) *i*"
VOID = {"meta", "link", "br", "hr", "img", "input"}


@pytest.fixture(scope="module")
def files(analysis: Analysis) -> dict[str, str]:
    return report_files(analysis)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = make_study(
        tmp_path_factory.mktemp("hostile") / "run",
        {HOSTILE: 0.6, "=cmd()": 0.9},
        repeats=3,
        n_validation=100,
        epochs=2,
        classes=(HOSTILE, "=1+1", "한국어"),
        failed=[(HOSTILE, 2)],
    )
    return report_files(analyse(read_study([folder])))


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_holds_the_models_at_full_precision(analysis: Analysis, files: dict[str, str]) -> None:
    for row, scores in zip(_rows(files["report.csv"]), analysis.comparison.models, strict=True):
        summary = scores.summary
        assert summary is not None
        assert row["model"] == scores.model
        assert int(row["repeats"]) == summary.n
        for key in ("mean", "sd", "low", "high", "minimum", "maximum"):
            assert float(row[key]) == getattr(summary, key)


def test_csv_holds_the_pairs_at_full_precision(analysis: Analysis, files: dict[str, str]) -> None:
    pairs = analysis.comparison.pairs
    for row, pair in zip(_rows(files["report-pairs.csv"]), pairs, strict=True):
        assert pair.test is not None
        assert (row["model_a"], row["model_b"], row["verdict"]) == (pair.model_a, pair.model_b, pair.verdict)
        assert float(row["difference"]) == pair.difference
        assert (float(row["low"]), float(row["high"])) == (pair.test.low, pair.test.high)
        assert float(row["p_holm"]) == pair.p_holm
    for row, pair in zip(_rows(files["report-paper.csv"]), pairs, strict=True):
        assert pair.image_test is not None
        assert (float(row["p"]), row["stars"]) == (pair.image_test.p, pair.image_test.stars)
    trials = {(row["model"], int(row["repeat"])): float(row["accuracy"]) for row in _rows(files["report-trials.csv"])}
    expected = {(m.model, r): s for m in analysis.comparison.models for r, s in zip(m.repeats, m.scores, strict=True)}
    assert trials == expected


def test_json_is_the_whole_analysis_without_nan(analysis: Analysis, files: dict[str, str]) -> None:
    def refuse(word: str) -> float:
        raise AssertionError(word)

    content = json.loads(files["report.json"], parse_constant=refuse)
    assert content.pop("format") == 1
    assert content.pop("kind") == "ecrnn report"
    assert content == plain(analysis)
    assert content["comparison"]["pairs"][1]["p_holm"] == analysis.comparison.pairs[1].p_holm


@pytest.mark.usefixtures("undrawn")
def test_json_survives_what_is_not_known_or_not_finite(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", {"cnn": 0.5}, repeats=1, n_validation=50, epochs=1, facts={"seconds": None})
    content = json.loads(report_files(analyse(read_study([folder])))["report.json"])
    assert content["models"][0]["seconds"] is None
    assert plain({"a": (float("nan"), float("inf"), 1.5)}) == {"a": [None, None, 1.5]}


def test_markdown_tables_are_rectangular(analysis: Analysis, files: dict[str, str], hostile: dict[str, str]) -> None:
    for text in (files["report.md"], hostile["report.md"]):
        blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
        assert len(blocks) >= 8
        for block in blocks:
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(cells) == 1, block
    assert "| ecrnn-bilstm-16 |" in files["report.md"]
    assert analysis.paper_warning in files["report.md"]
    assert "<script>" not in hostile["report.md"].replace("\\<script\\>", "").split("## How to repeat")[0]


def test_every_form_shows_the_same_figures(analysis: Analysis, files: dict[str, str]) -> None:
    mean = f"{100 * analysis.models[2].summary.mean:.2f}"
    difference = f"{100 * (analysis.comparison.pairs[1].difference or 0):+.2f}"
    for name in ("report.md", "report-tables.tex", "report.html"):
        assert mean in files[name]
        assert difference in files[name]
    console = Console(file=io.StringIO(), width=200)
    print_report(analysis, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert mean in printed
    assert difference in printed
    assert "not started" in printed
    assert "What this study could show" not in printed
    assert analysis.headline in " ".join(printed.split())


def test_the_terminal_answers_how_many_repeats_a_named_difference_needs(study: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    named = analyse(read_study([study]), difference=4)
    print_report(named, console)
    _, answer = console.file.getvalue().split("What this study could show")  # type: ignore[attr-defined]
    rows = [line.split() for line in answer.splitlines()]
    for pair in named.comparison.pairs:
        (found,) = [row for row in rows if row[:2] == [pair.model_a, pair.model_b]]
        assert found[-1] == str(pair.repeats_needed)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_narrow_terminal_leaves_out_columns_and_breaks_no_figure(analysis: Analysis, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    print_report(analysis, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    for row in analysis.models:
        assert any(row.model in line and f"{100 * row.summary.mean:.2f}" in line for line in lines)
    for pair in analysis.comparison.pairs:
        words = (
            pair.model_a,
            pair.model_b,
            str(pair.verdict),
            f"{100 * (pair.difference or 0):+.2f}".replace("-", "−"),
        )
        assert any(all(word in line for word in words) for line in lines)
    assert ("Repeats" in "".join(lines)) == (width > 80)


def test_latex_is_balanced_and_escaped(files: dict[str, str], hostile: dict[str, str]) -> None:
    for made in (
        *(files[n] for n in files if n.endswith(".tex")),
        *(hostile[n] for n in hostile if n.endswith(".tex")),
    ):
        text = made.replace(LETTERS, "")
        bare = re.sub(r"\\[{}%&#$_\\]", "", re.sub(r"^%.*", "", text, flags=re.MULTILINE))
        assert bare.count("{") == bare.count("}")
        assert not re.search(r"[%#_]", bare.replace("\n%", "\n")), "an unescaped special character"
        opened = re.findall(r"\\begin\{(\w+)\}", text)
        assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", text))
        for tabular in re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL):
            rows = [line for line in tabular.splitlines() if line.endswith(r"\\")]
            assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
    assert latex_escape("crnn-lstm-16 a--b") == "crnn-lstm-16 a-{}-b"
    assert latex_escape(r"a_b & 5% #1 {x} \y ~ ^ $") == (
        r"a\_b \& 5\% \#1 \{x\} \textbackslash{}y \textasciitilde{} \textasciicircum{} \$"
    )


def test_many_rows_become_a_longtable(tmp_path: Path) -> None:
    models = {f"m{i}": 0.5 + 0.01 * i for i in range(11)}
    folder = make_study(tmp_path / "run", models, repeats=3, n_validation=60, epochs=1)
    analysis = analyse(read_study([folder]))
    tex = to_latex_tables(analysis)
    assert r"\begin{longtable}" in tex
    assert tex.count(r"\endhead") == tex.count(r"\begin{longtable}")
    console = Console(file=io.StringIO(), width=120)
    print_report(analysis, console)
    assert "and 43 more pairs" in console.file.getvalue()  # type: ignore[attr-defined]


class _Page(html.parser.HTMLParser):
    """Tags in order, ids, references and the text of a page; complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_whole_and_asks_for_nothing(files: dict[str, str], hostile: dict[str, str]) -> None:
    for text in (files["report.html"], hostile["report.html"]):
        page = _Page(text)
        assert not re.search(r"https?:|//[a-z]|@import|<!--", text)
        names = {tag for tag, _ in page.tags}
        assert not names & {"script", "iframe", "object", "embed", "form", "img", "base"}
        assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)
        assert len(page.ids) == len(set(page.ids))
        referred = [v for _, a in page.tags for k in ("href", "aria-labelledby") if (v := a.get(k)) and v != "data:,"]
        assert {reference.lstrip("#") for reference in referred} <= set(page.ids)
        csp = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
        assert str(csp).startswith("default-src 'none'")


def test_the_page_is_accessible(files: dict[str, str]) -> None:
    page = _Page(files["report.html"])
    count: Callable[[str], int] = lambda name: sum(tag == name for tag, _ in page.tags)  # noqa: E731
    assert count("table") == count("caption") == count("thead")
    assert count("svg") == count("figcaption") == 8
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-labelledby"] in page.ids
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
    assert count("h1") == 1
    assert ("html", {"lang": "en"}) in page.tags


def test_the_page_says_all_that_a_reviewer_asks(analysis: Analysis, files: dict[str, str]) -> None:
    said = " ".join(" ".join(_Page(files["report.html"]).text).split())
    for words in (
        analysis.headline,
        analysis.certainty,
        analysis.paper_warning,
        analysis.command,
        "the loss is not finite at epoch 2",
        "Only 8 repeats",
        "This is not evidence that the two are equal",
        "Nothing was chosen on the validation images",
        "torch 2.13.0",
        "Confusion matrix of cnn",
    ):
        assert words in said, words


def test_figures_use_the_colours_of_the_page_and_leak_no_settings(analysis: Analysis, files: dict[str, str]) -> None:
    import matplotlib as mpl

    from ecrnn.report.render.figures import draw_figures

    before = dict(mpl.rcParams)
    figures = draw_figures(analysis)
    assert dict(mpl.rcParams) == before
    assert [figure.key for figure in figures] == [
        "scores",
        "profiles",
        "differences",
        "improvement",
        "effects",
        "accuracy-curves",
        "loss-curves",
        "cost",
    ]
    for figure in figures:
        colours = set(re.findall(r"#[0-9a-fA-F]{6}\b", figure.svg))
        assert not colours, colours
        assert "<text" in figure.svg
        assert figure.svg in files["report.html"]


def test_hostile_names_are_shown_as_they_are(hostile: dict[str, str]) -> None:
    page = _Page(hostile["report.html"])
    assert any(HOSTILE in text for text in page.text)
    assert any("한국어" in text for text in page.text)
    classes = _rows(hostile["report-classes.csv"])
    assert [row["class"] for row in classes] == [HOSTILE, "'=1+1", "한국어"]


def test_the_same_run_gives_the_same_bytes(study: Path, files: dict[str, str], tmp_path: Path) -> None:
    written = write_report([study], tmp_path / "a")
    assert written.paths.keys() == files.keys()
    for name, path in written.paths.items():
        assert path.read_bytes() == files[name].encode(), name
    assert written.folder == tmp_path / "a"
    assert not list(written.folder.glob(".*")), "temporary files left"


@pytest.mark.usefixtures("undrawn")
def test_the_report_goes_into_the_first_folder_and_a_bad_place_is_one_line(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "run", {"cnn": 0.5}, repeats=1, n_validation=30, epochs=1)
    assert write_report([folder]).paths["report.html"] == folder / "report" / "report.html"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="choose another folder with --out"):
        write_report([folder], tmp_path / "file" / "report")


@pytest.mark.sampled(most=3)
@pytest.mark.parametrize(
    "options",
    [
        {"accuracies": {"cnn": 0.5}, "repeats": 1},
        {"accuracies": {"cnn": 0.5, "ecnn": 0.6}, "repeats": 1},
        {"accuracies": {"cnn": 0.5, "ecnn": 0.6}, "repeats": 2},
        {"accuracies": {"cnn": 0.5, "ecnn": 0.6}, "repeats": 1, "fixed_test": True},
        {"accuracies": {"cnn": 1.0, "ecnn": 0.0}, "repeats": 3, "spread": 0.0},
        {"accuracies": {"cnn": 0.5}, "repeats": 2, "classes": [f"class {i}" for i in range(100)]},
    ],
)
def test_small_and_odd_studies_give_every_form(tmp_path: Path, options) -> None:
    analysis = analyse(read_study([make_study(tmp_path / "run", n_validation=200, epochs=1, **options)]))
    files = report_files(analysis)
    _Page(files["report.html"])
    print_report(analysis, Console(file=io.StringIO()))
    keys = {table.key for table in report_tables(analysis)}
    assert ("pairs" in keys) == (len(options["accuracies"]) > 1)
    assert ("test-set" in keys) == ("fixed_test" in options)
    if len(analysis.classes) > 20:
        assert "Confusion matrix" not in files["report.html"]
        assert "20 hardest of 100 classes" in files["report.html"]
        assert len(_rows(files["report-classes.csv"])) == 100


def test_only_what_is_for_machines_keeps_what_a_terminal_obeys(tmp_path: Path) -> None:
    name = "\x1b[31mm\u202e\n [a](b) www.example.com $x$"
    study = make_study(
        tmp_path / "run", {name: 0.6, "cnn": 0.9}, repeats=3, n_validation=60, epochs=1, classes=(name, "b")
    )
    found = report_files(analyse(read_study([study])))
    for file, text in found.items():
        assert not set(text) & {"\x1b", "\u202e"}, file
    assert json.loads(found["report.json"])["models"][0]["model"] == name
    assert "www\\.example" in found["report.md"]
    console = Console(file=io.StringIO(), width=200)
    print_report(analyse(read_study([study])), console)
    assert "\x1b" not in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("undrawn")
def test_a_report_folder_that_links_out_of_the_study(tmp_path: Path) -> None:
    """It came with the study: nothing is written there unless it is named."""
    study = make_study(tmp_path / "run", {"cnn": 0.5})
    (tmp_path / "elsewhere").mkdir()
    (study / "report").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EcrnnError, match="points out of"):
        write_report([study])
    assert not list((tmp_path / "elsewhere").iterdir())
    assert write_report([study], study / "report").paths["report.html"].is_file()
