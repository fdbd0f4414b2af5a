"""The committed studies under results/: whole, small, and their committed reports are what their predictions give."""

from __future__ import annotations

import functools
import json
import math
import re
import shutil
import statistics
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.synthetic import make_study
from scipy.stats import f as fisher
from scipy.stats import f_oneway
from scipy.stats import t as student

from ecrnn.core.config import TrainSettings, read_yaml
from ecrnn.core.packed import PACKED
from ecrnn.core.reading import read_json
from ecrnn.core.runs import METRICS, read_metrics
from ecrnn.models.names import parse
from ecrnn.paper import MODELS, analyse, write_report
from ecrnn.report import Analysis, archive_study, read_study, write_across_report
from ecrnn.report.content.memory_table import memory_table
from ecrnn.report.render.markdown import markdown_table, to_markdown
from ecrnn.report.render.memory_files import read_memory
from ecrnn.report.render.write import to_json

ROOT = Path(__file__).parents[1]
STUDIES = (
    "cells",
    "confirm",
    "paper",
    "pilot",
    "recipes",
    "rnn-cells",
    "why",
)  # folders of results/; each is an archive of a study, or holds several
MOST_BYTES = 10 * 2**20  # of all of them
MOST_FILES = 150  # of results/


def studies(folder: Path) -> list[Path]:
    """The archives at or below a folder of results, relative to the repository."""
    return sorted(path.parent.relative_to(ROOT) for path in folder.rglob("study.yaml"))


def rebuilt(study: Path) -> Analysis:
    return analyse(read_study([study]))


def faults(committed: Path, analysis: Analysis) -> list[str]:
    """In which files of the committed report folder something else stands than ``analysis`` gives."""
    files, found = {"report.md": to_markdown(analysis), "report.json": to_json(analysis)}, []
    for name in ("report.md", "report.json"):
        if not (committed / name).is_file():
            found.append(f"{committed / name} is missing")
            continue
        text = (committed / name).read_text(encoding="utf-8")
        if name == "report.md":
            found += [f"{committed / name} is not what the predictions give"] if text != files[name] else []
        else:
            found += [
                f"{committed / name}: {where}"
                for where in differences_of_values(json.loads(text), json.loads(files[name]))
            ]
    return found


def differences_of_values(mine: Any, theirs: Any, where: str = "") -> list[str]:
    """The places at which two nested values differ; floats may in their last digits, and folders in their names."""
    if where == ".folders":
        return []
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        return [line for key in mine for line in differences_of_values(mine[key], theirs[key], f"{where}.{key}")]
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        pairs = enumerate(zip(mine, theirs, strict=True))
        return [line for i, pair in pairs for line in differences_of_values(*pair, f"{where}[{i}]")]
    if (
        isinstance(mine, float)
        and isinstance(theirs, float)
        and math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-12)
    ):
        return []
    return [] if mine == theirs else [where]


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("name", STUDIES)
def test_committed_reports_are_rebuilt_from_committed_predictions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = studies(ROOT / "results" / name)
    assert found, f"results/{name} holds no study"
    for study in found:
        analysis = rebuilt(study)
        assert [trial for trial in analysis.missing if trial.state == "damaged"] == []
        assert faults(study / "report", analysis) == []


def test_the_report_across_is_rebuilt_from_its_studies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    across = Path("results") / "across"
    files = write_across_report([across], tmp_path).paths
    committed = across / "report"
    assert files["report.md"].read_text() == (committed / "report.md").read_text()
    mine, theirs = (json.loads(path.read_text()) for path in (files["report.json"], committed / "report.json"))
    assert differences_of_values(mine, theirs) == []
    assert theirs["named_before"] is True
    assert [(one["planned"], one["missing"]) for one in theirs["data_sets"]] == [(9, 0)] * 5


def test_the_coverage_over_data_sets_is_that_of_its_table() -> None:
    """The lowest and the highest rate of each row of docs/many-data-sets.md."""
    cells = json.loads((ROOT / "results" / "across" / "coverage.json").read_text())["cells"]
    expected = []
    for kind in dict.fromkeys(cell["noise"] for cell in cells):
        for n in (5, 8, 20):
            rows = [cell for cell in cells if (cell["noise"], cell["data_sets"]) == (kind, n)]
            ends = []
            for name in ("mean", "new", "wilcoxon", "weighted_mean", "weighted_new"):
                rates = [100 * row[name] for row in rows]
                ends.append(f"{min(rates):.1f} to {max(rates):.1f}")
            expected.append(f"| {n} | {' | '.join(ends)} |")
    table = (ROOT / "docs" / "many-data-sets.md").read_text()
    assert re.findall(r"\| \d+ \| [\d.]+ to .* \|$", table, re.MULTILINE) == expected


def test_the_committed_results_are_small_and_few() -> None:
    listed = subprocess.run(["git", "ls-files", "results"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.splitlines()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    assert len(files) < MOST_FILES
    assert not [path for path in files if path.suffix in (".safetensors", ".lock") or path.name == ".lock"]


@pytest.mark.parametrize("page", ["docs/paper.md"])
def test_the_papers_table_holds_the_committed_accuracies(page: str) -> None:
    """Means over the three repeats, as the paper's are."""
    rows = re.findall(r"^\| `(cnn|e?crnn-(?:bi)?lstm)` \| (\d.*) \|$", (ROOT / page).read_text(), re.MULTILINE)
    shown = {}
    for start, cells in rows:
        for nodes, cell in zip(("16", "32", "16-16", "32-32"), cells.split(" | "), strict=False):
            if cell.strip(" |"):
                shown[start if start == "cnn" else f"{start}-{nodes}"] = cell.split()[0]
    assert shown == {model: f"{100 * sum(scores) / len(scores):.2f}" for model, scores in committed().items()}


@functools.cache
def committed() -> dict[str, list[float]]:
    """The accuracies at the last epoch of the paper's models in the committed study."""
    found: dict[str, list[float]] = {model: [] for model in MODELS}
    for trial in read_study([ROOT / "results" / "paper"]).trials:
        found[trial.model].append(trial.metrics[-1]["validation_accuracy"])
    return found


def test_the_papers_study_is_whole() -> None:
    assert {model: len(scores) for model, scores in committed().items()} == dict.fromkeys(MODELS, 3)
    assert read_study([ROOT / "results" / "paper"]).unfinished == ()


def test_our_study_is_whole() -> None:
    study = ROOT / "results" / "why"
    models = read_yaml(study / "study.yaml")["models"]
    assert len(models) == 9
    record = read_study([study])
    assert Counter(trial.model for trial in record.trials) == dict.fromkeys(models, 10)
    assert record.unfinished == ()


def test_our_studys_table_holds_the_committed_figures() -> None:
    """Accuracies and corrected differences to ``cnn`` in docs/paper.md, by model."""
    analysis = json.loads((ROOT / "results" / "why" / "report" / "report.json").read_text())
    expected = {}
    for model in analysis["models"]:
        scores = [100 * score for score in model["scores"]]
        expected[model["model"]] = f"{statistics.mean(scores):.2f} ± {statistics.stdev(scores):.2f}"
    for pair in analysis["comparison"]["pairs"]:
        if pair["model_b"] == "cnn":
            values = (100 * v for v in (pair["difference"], pair["test"]["low"], pair["test"]["high"]))
            expected[pair["model_a"]] += " | {:+.1f} [{:+.1f}, {:+.1f}]".format(*values).replace("-", "−")
    table = (ROOT / "docs" / "paper.md").read_text().split("## The second study")[1]
    rows = re.findall(r"^\| `(\S+)` \| [^|]+ \| [\d,]+ \| ([^|]+(?: \| [^|]+)?) \|", table, re.MULTILINE)
    assert {model: figures.strip(" |") for model, figures in rows} == expected


def test_the_third_study_has_the_figures_of_its_page() -> None:
    """On the validation images from the report; on the test part from the answers of the networks, t by its formula."""
    page = " ".join((ROOT / "docs" / "paper.md").read_text().split("## The third study")[1].split("\n## ")[0].split())
    analysis = json.loads((ROOT / "results" / "confirm" / "report" / "report.json").read_text())
    (pair,) = analysis["comparison"]["pairs"]
    points = [f"{100 * value:.2f}" for value in (pair["difference"], pair["test"]["low"], pair["test"]["high"])]
    assert "CNN by {} points** (repeated 95 % interval {} to {}, ".format(*points) in page
    assert f"sequential p = {pair['p_holm']:.3f})" in page
    means = {model["model"]: 100 * statistics.mean(model["scores"]) for model in analysis["models"]}
    assert f"{means['ecrnn-bilstm-16']:.2f} against {means['cnn']:.2f} %" in page
    trials = {(trial.model, trial.repeat): trial.metrics for trial in read_study([ROOT / "results" / "confirm"]).trials}
    assert len(trials) == 16
    last = {place: [100 * epoch["validation_accuracy"] for epoch in epochs[-3:]] for place, epochs in trials.items()}
    epoch, three = (
        np.array([of(last["ecrnn-bilstm-16", r]) - of(last["cnn", r]) for r in range(10, 18)])
        for of in (lambda values: values[-1], np.mean)
    )
    assert (three > 0).all()
    line = "standard deviation of {:.2f} points after the last epoch (mean {:+.2f}) and of {:.2f} as means of three"
    assert line.format(epoch.std(ddof=1), epoch.mean(), three.std(ddof=1)) in page

    with np.load(ROOT / "results" / "confirm" / "test-part.npz") as file:
        models = ("ecrnn-bilstm-16", "cnn")
        hits = {m: np.array([np.unpackbits(file[f"{m}/repeat-{r}"]) for r in range(10, 18)]) for m in models}
        assert {m: array.shape for m, array in hits.items()} == dict.fromkeys(models, (8, int(file["images"])))
    ecrnn, cnn = (100 * hits[m].mean(axis=1) for m in models)
    assert f"{ecrnn.mean():.2f} and {cnn.mean():.2f} %: ECRNN is {(ecrnn - cnn).mean():.2f} points higher" in page
    assert (ecrnn > cnn).sum() == 7
    differences = hits["ecrnn-bilstm-16"].astype(float) - hits["cnn"]  # (networks, images): one crossed with the other
    r, n = differences.shape
    total, networks, images = differences.mean(), differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - networks[:, None] - images[None] + total
    squares = n * networks.var(ddof=1), r * images.var(ddof=1), (rest**2).sum() / ((r - 1) * (n - 1))
    variance = (squares[0] + squares[1] - squares[2]) / (r * n)
    freedom = (variance * r * n) ** 2 / sum(
        x**2 / k for x, k in zip(squares, (r - 1, n - 1, (r - 1) * (n - 1)), strict=True)
    )
    t, half = total / variance**0.5, 100 * variance**0.5 * student.ppf(0.975, freedom)
    low, high = (f"{100 * total + side * half:.2f}".replace("-", "−") for side in (-1, 1))
    assert f"interval {low} to {high} over networks and images, p = {2 * student.sf(t, freedom):.2f}" in page


def test_the_correlation_of_repeats_is_that_of_its_table() -> None:
    """Of Shrout and Fleiss's formulas, with the mean squares of scipy's analysis of variance."""
    with np.load(ROOT / "results" / "repeat-correlation" / "cifar10.npz") as file:
        correct = np.unpackbits(file["correct"], axis=-1)  # (data sets, repeats, models, epochs, images)
    sets, splits, expected, false = len(correct), 6, [], []
    for name, epochs in (("last epoch", 1), ("mean of the last 3 epochs", 3)):
        cnn, crnn = 100 * correct[:, :, :, -epochs:].mean(axis=(3, 4)).transpose(2, 0, 1)
        scores = {"cnn": cnn, "crnn-gru-24@positions": crnn, "crnn-gru-24@positions - cnn": crnn - cnn}
        for model, values in scores.items():
            f = f_oneway(*values[:, :splits]).statistic
            between, within = sets - 1, sets * (splits - 1)
            ratios = (f, f / fisher.ppf(0.975, between, within), f * fisher.ppf(0.975, within, between))
            value, low, high = (f"{(r - 1) / (r - 1 + splits):+.3f}" for r in ratios)
            sd, seed = (v.var(axis=1, ddof=1).mean() ** 0.5 for v in (values[:, :splits], values[:, [0, 6, 7, 8, 9]]))
            expected.append(f"| {name} | {model} | {value} | {low} to {high} | {sd:.2f} | {seed:.2f} |")
        difference = (crnn - cnn)[:, :splits]
        error = (difference.mean(axis=1) - (crnn - cnn).mean()) / difference.std(axis=1, ddof=1)
        for correction in (0, 0.3 / 0.7):
            t = error / (1 / splits + correction) ** 0.5
            false.append(int((abs(t) > student.ppf(0.975, splits - 1)).sum()))
    page = (ROOT / "docs" / "statistics.md").read_text()
    words = "wrong on {2} of 24 at a level of 5 %, the corrected one on {3}, too (last epoch: {0} and {1})"
    assert words.format(*false) in page
    assert re.findall(r"^\| (?:last epoch|mean of the last 3 epochs) .*$", page, re.MULTILINE) == expected


def test_the_questions_of_the_paper_hold_the_committed_figures() -> None:
    """The mean over the eight configurations, in docs/paper.md as in the report, and by hand."""
    accuracies = {model: 100 * np.array(scores) for model, scores in committed().items()}
    eight = [model for model in MODELS if model.startswith("crnn")]
    groups = {
        "CNN": accuracies["cnn"],
        "CRNN": np.mean([accuracies[model] for model in eight], axis=0),
        "ECRNN": np.mean([accuracies[f"e{model}"] for model in eight], axis=0),
    }
    analysis = json.loads((ROOT / "results" / "paper" / "report" / "report.json").read_text())
    rows = []
    for contrast in analysis["comparison"]["contrasts"]:
        a, b = contrast["name"].split(" − ")
        difference, test = groups[a] - groups[b], contrast["pair"]["test"]
        assert 100 * test["difference"] == pytest.approx(difference.mean())
        error = difference.std(ddof=1) * math.sqrt(1 / 3 + 3 / 7)
        assert test["p"] == pytest.approx(2 * student.sf(abs(difference.mean()) / error, 2))
        ends = (difference.mean() + sign * student.ppf(0.975, 2) * error for sign in (-1, 1))
        p = [f"{p:.4f}" if p < 0.01 else f"{p:.2g}" for p in (test["p"], contrast["pair"]["p_holm"])]
        shown = "| {:+.2f} | [{:+.2f}, {:+.2f}] |".format(difference.mean(), *ends).replace("-", "−")
        rows.append(f"| {a} − {b} {shown} {p[0]} | {p[1]} |")
    page = (ROOT / "docs" / "paper.md").read_text()
    assert len(rows) == 3
    assert [row for row in rows if row not in page] == []


def test_our_cnn_is_the_papers() -> None:
    scores = committed()["cnn"]
    assert 100 * sum(scores) / len(scores) == pytest.approx(73.25, abs=1.5)


@pytest.mark.parametrize("name", ["paper", "cells", "untrained"])
def test_committed_memories_are_what_their_curves_give(name: str) -> None:
    folder = ROOT / "results" / "memory" / name
    table = markdown_table(memory_table(read_memory(folder / "memory.json")))
    assert table in (folder / "memory.md").read_text()


def test_the_systems_can_be_run_again() -> None:
    """Their settings are read, name the file's model, and no path of the machine they ran on."""
    files = sorted((ROOT / "results" / "systems").glob("*.yaml"))
    assert len(files) == 19
    for file in files:
        settings = TrainSettings.read(read_yaml(file))
        assert (settings.model, settings.data_dir) == (file.stem, None)
        assert settings.fingerprint
        figures = file.parent / PACKED / settings.model
        history, metrics = read_metrics(figures / METRICS), read_json(figures / "metrics.json")
        assert len(history) == metrics["epochs"] == settings.training.epochs
        metric = parse(settings.model).task.metric
        assert history[metrics["epoch"] - 1][f"validation_{metric}"] == metrics[metric]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with its report."""
    folder = tmp_path_factory.mktemp("reported")
    run = make_study(folder / "run", {"cnn": 0.7, "ecnn": 0.8}, repeats=3, n_validation=200, epochs=2)
    archive_study(run, folder / "small")
    write_report([folder / "small"])
    return folder / "small"


@pytest.fixture(scope="module")
def analysis(reported: Path) -> Analysis:
    return rebuilt(reported)


@pytest.fixture
def report(reported: Path, tmp_path: Path) -> Path:
    """A copy of the report, to be changed."""
    return shutil.copytree(reported / "report", tmp_path / "report")


def test_the_rule_lets_a_true_report_through(report: Path, analysis: Analysis) -> None:
    assert faults(report, analysis) == []


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("name", ["report.md", "report.json"])
def test_the_rule_sees_a_report_that_is_missing(report: Path, analysis: Analysis, name: str) -> None:
    (report / name).unlink()
    assert faults(report, analysis) == [f"{report / name} is missing"]


def test_the_rule_sees_a_table_that_was_changed(report: Path, analysis: Analysis) -> None:
    path = report / "report.md"
    path.write_text(path.read_text().replace("| ecnn ", "| enn  ", 1))
    assert faults(report, analysis) == [f"{path} is not what the predictions give"]


def test_the_rule_sees_a_figure_that_was_changed(report: Path, analysis: Analysis) -> None:
    path = report / "report.json"
    content = json.loads(path.read_text())
    content["models"][1]["summary"]["mean"] += 1e-6
    path.write_text(json.dumps(content))
    assert faults(report, analysis) == [f"{path}: .models[1].summary.mean"]


@functools.cache
def sequential() -> tuple[Any, list[dict[str, Any]]]:
    """The program of benchmarks/sequential.py, and the lines that it has left."""
    import importlib.util
    import sys

    specification = importlib.util.spec_from_file_location(
        "sequential_benchmark", ROOT / "benchmarks" / "sequential.py"
    )
    assert specification is not None
    assert specification.loader is not None
    program = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = program  # dataclasses look there
    specification.loader.exec_module(program)
    text = (ROOT / "results" / "sequential" / "sequential.jsonl").read_text(encoding="utf-8")
    return program, [json.loads(line) for line in text.splitlines()]


def test_sequential_verdicts_err_at_most_alpha_and_save_trainings() -> None:
    _, lines = sequential()
    simulated = [line for line in lines if line.get("shape") == "normal"]
    assert {line["models"] for line in simulated} == {2, 3, 9}
    for line in simulated:
        noise = 3 * math.sqrt(0.05 * 0.95 / line["studies"])
        assert line["sequential"]["false_difference"] < 0.05 + noise, line
        assert line["sequential"]["false_equivalent"] < 0.05 + noise, line
    for best in (0.0, 4.0):
        two = [line for line in simulated if (line["split"], line["repeats"], line["models"]) == ("70:30", 10, 2)]
        (line,) = (line for line in two if line["best"] == best and line["rope"] == 0)
        assert line["sequential"]["trainings"] < 0.6 * line["fixed"]["trainings"]


def test_the_page_shows_the_simulated_tables() -> None:
    program, lines = sequential()
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    missing = [row for part in program.tables(lines) for row in part.splitlines() if row and row not in page]
    assert missing == []


def test_three_models_are_carried_out_again_as_committed() -> None:
    program, lines = sequential()
    committed = [line for line in lines if "study" in line]
    again = list(program.replay())
    assert [{**line, "pairs": None} for line in again] == [{**line, "pairs": None} for line in committed]
    for line, wanted in zip(again, committed, strict=True):
        for pair, other in zip(line["pairs"], wanted["pairs"], strict=True):
            assert {**pair, "p_holm": 0} == {**other, "p_holm": 0}
            assert pair["p_holm"] == pytest.approx(other["p_holm"], rel=1e-6)
    trainings = {(line["score_epochs"], line["design"]): line["trainings"] for line in committed}
    assert trainings == {(1, "sequential"): 21, (1, "fixed"): 30, (3, "sequential"): 14, (3, "fixed"): 30}
