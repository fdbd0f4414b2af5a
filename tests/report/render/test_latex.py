"""report.tex compiles as it is, in every LaTeX that this machine has, whatever the names of models and classes hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from report.synthetic import make_study

from ecrnn.report import analyse, read_study
from ecrnn.report.render.latex import escape
from ecrnn.report.render.write import report_files


def _engines() -> list[str]:
    """Those that are whole here, with what the document wants."""
    wanted = {"pdflatex": "booktabs.sty", "lualatex": "luaotfload.sty", "xelatex": "fontspec.sty"}
    found = [engine for engine in wanted if shutil.which(engine) and shutil.which("kpsewhich")]
    return [
        engine
        for engine in found
        if not subprocess.run(["kpsewhich", wanted[engine]], check=False, stdout=subprocess.DEVNULL).returncode
    ]


ENGINES = _engines()
NAMES = (
    "cat",
    "한국어",
    "e\u0301 ñ ß Ł ħ",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\\input{/etc/hostname} $x^2$ % comment",
    "two\nlines\tand a tab",
    "\x1b[31mred\x00",
    "\u202eturned",
    "{[}]*--``''?`!`,,<<",
    "x" * 1000,  # the longest name that a class may have
    "日本語 Ωmega Привет",
    "\udcff.png",
    "&<>|\"'~^_#",
    "",
)


def compile_report(engine: str, folder: Path, out: Path) -> None:
    """Set report.tex of ``folder`` in ``out``, once."""
    out.mkdir(exist_ok=True)
    for path in folder.glob("*.tex"):
        shutil.copy(path, out)
    done = subprocess.run(
        [engine, "-halt-on-error", "-interaction=nonstopmode", "report.tex"],
        cwd=out,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (out / "report.pdf").stat().st_size > 1000


def test_letters_that_pdflatex_does_not_have_are_codes() -> None:
    assert escape("한국 a") == r"\ecrnntext{한국}{D55C}{U+D55C U+AD6D} a"
    assert escape("e\u0301") == "é", "composed, as pdfLaTeX sets no accent that stands by itself"
    assert len(escape("x" * 5000).replace(r"\hspace{0pt}", "")) == 2001, "TeX's widths overflow above some thousands"
    assert escape("a\x1b\u202eb") == r"a\textbackslash{}x1b\textbackslash{}u202eb"


@pytest.mark.slow
@pytest.mark.skipif(not ENGINES, reason="no LaTeX is installed")
@pytest.mark.parametrize("engine", ENGINES or ["none"])
@pytest.mark.parametrize("hostile", [False, True])
def test_the_document_compiles(tmp_path: Path, engine: str, hostile: bool) -> None:
    models = {"cnn": 0.6, "\x1b[31mm | $a_b$" if hostile else "ecnn": 0.9}
    options = {"classes": NAMES, "failed": [("cnn", 2)]} if hostile else {}
    study = make_study(tmp_path / "study", models, repeats=3, n_validation=100, epochs=2, **options)
    for name, content in report_files(analyse(read_study([study]))).items():
        if name.endswith(".tex"):
            (tmp_path / name).write_text(content, encoding="utf-8")
    compile_report(engine, tmp_path, tmp_path / "set")
