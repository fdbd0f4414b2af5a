"""The field study, benchmarks/field and docs/field.md: its plan, its data, and what is computed from its results."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer
from report.across import IMAGE
from report.synthetic import make_study
from scipy import stats
from test_results import differences_of_values

from ecrnn.core.across_plan import AcrossPlan, check_of_plan, is_across, read_plan, write_plan
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.models.own_code import load_code
from ecrnn.models.spec import InputSpec
from ecrnn.report import analyse, read_study
from ecrnn.stats import corrected_resampled_t, holm, random_effects

ROOT = Path(__file__).parents[1]
FIELD, RESULTS, PAGE = ROOT / "benchmarks" / "field", ROOT / "results" / "field", ROOT / "docs" / "field.md"
PLAN = "8eb8674cc25ca123b5d2e56a9703b0f93b199084845d842aa4e08accc33bdef0"  # SHA-256 of the plan
NAMES = ("data_sets", "plan", "power", "prepare", "run", "publish")


@pytest.fixture(scope="module")
def field() -> Iterator[SimpleNamespace]:
    """The programs, which import one another as scripts of one folder do."""
    sys.path.insert(0, str(FIELD))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    sys.path.remove(str(FIELD))
    for name in NAMES:
        del sys.modules[name]


def data() -> dict[str, Any]:
    return json.loads((RESULTS / "data.json").read_text())["sets"]


def test_the_plan_is_the_one_that_was_committed_before_the_first_training() -> None:
    """What changes afterwards stands under deviations, and results before the question."""
    page = PAGE.read_text()
    plan = page[page.index("## The question") : page.index("## Deviations")]
    assert hashlib.sha256(plan.encode()).hexdigest() == PLAN


def test_the_page_shows_the_data_sets_that_are_prepared(field: SimpleNamespace) -> None:
    page, known = PAGE.read_text(), data()
    assert list(known) == [one.name for one in field.data_sets.ALL]
    for one in field.data_sets.PRIMARY:
        facts = known[one.name]
        assert 8 <= facts["side"] <= 96
        assert 2 <= facts["classes"] <= 100
        assert facts["images"] <= 5000
        form = f"{facts['images']:,} | {facts['side']}x{facts['side']}x{facts['channels']} | {facts['classes']}"
        passes = field.plan.epochs(facts["images"])
        assert f"| `{one.name}` | {one.what} | {one.source}; {one.licence} | {form} | {passes} |" in page
    assert len(field.data_sets.PRIMARY) == 18
    assert len({one.source for one in field.data_sets.PRIMARY}) == 17  # the two of CIFAR are one
    assert {known[one.name]["images"] for one in field.data_sets.SECOND} == {248, 250}


def test_the_page_shows_the_simulated_power(field: SimpleNamespace) -> None:
    cells = json.loads((RESULTS / "power.json").read_text())["cells"]
    missing = [row for row in field.power.table(cells) if row not in PAGE.read_text()]
    assert missing == []
    (planned,) = (c for c in cells if (c["mean"], c["between"], c["data_sets"], c["repeats"]) == (2.0, 4.0, 18, 3))
    assert field.power.simulate(2.0, 4.0, 18, 3) == {key: planned[key] for key in ("found", "false", "half", "new")}
    alike = np.random.default_rng(0).normal(0.5, 1, (3, 40, 7))
    found, errors = field.power.decisions(alike)
    for study in range(40):
        effects = [random_effects(alike[pair, study]) for pair in range(3)]
        assert found[:, study].tolist() == (holm([one.p for one in effects]) <= 0.05).tolist()
        np.testing.assert_allclose(errors[:, study], [one.standard_error for one in effects])


def test_every_command_of_the_plan_is_one_that_ecrnn_takes(field: SimpleNamespace) -> None:
    from ecrnn.cli.main import app

    images = {name: facts["images"] for name, facts in data().items()}
    commands = [*field.run.searches(images), *field.run.studies(images)]
    assert len(commands) == len({name for name, _ in commands}) == 4 + 3 * 18 + 1 + 3 * 20
    group: Any = typer.main.get_command(app)
    for _, command in (*commands[:5], *commands[5::16], commands[4 + 3 * 18]):
        assert command[1:4] == ["-P", "-m", "ecrnn"]
        context = group.commands[command[4]].make_context(command[4], command[5:])
        assert context.params["batch_size"] == 32
        assert context.params["stratify"]
    repeats = [re.sub(r"-\d$", "", name) for name, _ in commands[4 : 4 + 3 * 18]]
    assert repeats == 3 * [one.name for one in field.data_sets.PRIMARY]  # whole repeats first


def test_no_image_is_in_two_parts_of_the_study(field: SimpleNamespace) -> None:
    """The data sets, the searches and the steps take different images of a source, and none whose pixels come twice."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12_500, 2, 2, 1)).astype(np.uint8)
    images[7] = images[1200]  # of other classes, too
    labels = np.arange(len(images)) % 10
    found = field.prepare.single(images)
    assert not found[7]
    assert found.sum() == sum(count == 1 for count in np.unique(images, axis=0, return_counts=True)[1])
    sets = {one.name: one for one in field.data_sets.ALL}
    parts = [
        field.prepare.chosen_images(images, labels, 10, None, sets[name])
        for name in ("cifar10", "tune-cifar10", "steps-cifar10")
    ]
    assert [len(part) for part in parts] == [5000, 2000, 5000]
    assert len(np.unique(np.concatenate(parts))) == 12_000
    assert not np.isin([7, 1200], np.concatenate(parts)).any()
    assert (np.bincount(labels[parts[1]]) == 200).all()
    groups = np.arange(len(images)) // 5
    lines = field.prepare.chosen_images(images, labels, 10, groups, sets["captcha-characters"])
    assert len(set(groups[lines])) == 1000


def test_frames_stand_in_the_order_of_a_text(field: SimpleNamespace) -> None:
    from ecrnn.tasks.clip_classification.synthetic_clips import make_moving

    moving = next(one for one in field.data_sets.ALL if one.name == "tune-moving")
    some = SimpleNamespace(count=3, seed=moving.seed)
    images, labels, _, _ = field.prepare.moving(some)
    clips, expected = make_moving(3, 4, moving.seed)
    assert images.shape == (3, 64, 64, 1)
    assert (labels == expected).all()
    for number, (row, column) in enumerate(((0, 0), (0, 32), (32, 0), (32, 32))):
        assert (images[:, row : row + 32, column : column + 32] == clips[:, number]).all()


def test_the_recipe_is_the_point_with_the_best_mean_over_the_sets(field: SimpleNamespace) -> None:
    def tuning(*scores: float | None) -> Any:
        points = [SimpleNamespace(point={"lr": n} if n else {}, score=score) for n, score in enumerate(scores)]
        return SimpleNamespace(models=[SimpleNamespace(model="cnn", points=points)])

    assert field.run.chosen([tuning(0.5, 0.6, 0.9), tuning(0.5, 0.6, None)]) == {"cnn": {"lr": 1}}
    assert field.run.chosen([tuning(0.6, 0.6, 0.5)]) == {"cnn": {}}


def test_networks_of_all_steps_have_the_same_parameters_and_read_what_they_should(field: SimpleNamespace) -> None:
    load_code(FIELD / "steps.py")
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    spec = InputSpec(image=(3, 32, 32), classes=10)
    shapes = set()
    for model in ("steps+count=4", "steps+count=1024", "steps+count=64+order=2"):
        assert model in field.plan.STEP_MODELS
        network = make(parse(model), spec, 3).eval()
        shapes.add(tuple((name, tuple(value.shape)) for name, value in network.named_parameters()))
        count, order = network.count, int(model.partition("order=")[2] or 0)
        read: list[torch.Tensor] = []
        network.rnn.register_forward_pre_hook(lambda _, inputs, into=read: into.append(inputs[0]))
        with torch.no_grad():
            network(images)
            values = network.flatten(network.cnn(images))
        index = np.arange(1024) if order == 0 else network.index.numpy()
        assert sorted(index) == list(range(1024))
        assert (order == 0) == (index == np.arange(1024)).all()
        assert read[0].shape == (2, count, 64)
        last = [int(i) for i in index[-1024 // count :]]  # the values of the last step
        expected = sum(values[:, i, None] * network.vectors[i] for i in last)
        torch.testing.assert_close(read[0][:, -1], expected, rtol=1e-4, atol=1e-4)
    assert len(shapes) == 1
    assert sum(math.prod(shape) for _, shape in shapes.pop()) == 465_610


def test_contrasts_are_those_of_their_definition(field: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, (4, 5, 5))
    slope = np.arange(5) * -0.03  # for each doubling -0.015, as the numbers of steps are fourfold
    scores = 0.7 + slope[None, :, None] + noise
    scores[0] += 0.02
    found = field.publish.contrasts(scores, 3500, 1500)
    steps, order = found.contrasts
    by_split = [np.polyfit([2, 4, 6, 8, 10], scores.mean(0)[:, r], 1)[0] for r in range(5)]
    np.testing.assert_allclose(steps.repeats, by_split)
    np.testing.assert_allclose(steps.p, corrected_resampled_t(by_split, 3500, 1500).p)
    np.testing.assert_allclose(order.mean, scores[0].mean() - scores[1:].mean())
    assert steps.mean == pytest.approx(-0.015, abs=0.003)
    assert [steps.p_holm, order.p_holm] == pytest.approx(holm([steps.p, order.p]))


def test_a_mean_of_two_random_sides(field: SimpleNamespace) -> None:
    table = np.array([[1.0, 2.0], [2.0, 3.0], [6.0, 7.0]])  # no rest: rows 1.5, 2.5, 6.5, columns 3, 4
    found = field.publish.crossed_mean(table, 70, 30)
    rows, columns = 2 * np.var([1.5, 2.5, 6.5], ddof=1), 3 * np.var([3.0, 4.0], ddof=1) * (1 + 2 * 30 / 70)
    df = (rows + columns) ** 2 / (rows**2 / 2 + columns**2)
    assert found["mean"] == 3.5
    assert found["degrees_of_freedom"] == pytest.approx(df)
    assert found["high"] - 3.5 == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt((rows + columns) / 6))
    alike = np.array([[1.0, 2.0, 4.0]] * 2)  # permutations that do not differ: the test of the splits alone
    found, expected = field.publish.crossed_mean(alike, 70, 30), corrected_resampled_t([1.0, 2.0, 4.0], 70, 30)
    assert (found["low"], found["p"]) == pytest.approx((expected.low, expected.p))


STEPS = "secondary/steps"


@pytest.fixture(scope="module")
def synthetic(field: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a published study looks like: three data sets, steps, and scores of two superclasses; ECRNN fails once."""
    folder = tmp_path_factory.mktemp("field")
    small = {"n_validation": 60, "images": 200, "facts": IMAGE}
    names, rng = ("cifar10", "cifar100", "digits"), np.random.default_rng(5)
    for d, name in enumerate(names):
        accuracies = {model: 0.6 + rng.uniform(0, 0.1) for model in field.plan.MODELS}
        accuracies |= {"ecrnn-bilstm-16": 0.8, "crnn-bilstm-16": rng.uniform(0.4, 0.5)}
        fails = [("ecrnn-bilstm-16", 1)] if name == "digits" else []
        of_set = {"data": f"data/{name}.npz", "fingerprint": f"{d:02x}" * 32, "classes": ["a", "b", "c", "d"]}
        plan = {"pairs": field.plan.PAIRS, "rope": 0.01, "planned_repeats": 3, "epochs": d + 2}
        make_study(folder / name, accuracies, repeats=3, failed=fails, **small, **of_set, **plan)
    write_plan(folder, AcrossPlan(data={name: name for name in names}, moderators=field.plan.MODERATORS))
    steps = {model: 0.6 - 0.01 * n for n, model in enumerate(field.plan.STEP_MODELS)}
    failed = {"failed": [("steps+count=64", 1)], "fingerprint": "ef" * 32, "baseline": "steps+count=1024"}
    make_study(folder / STEPS, steps, repeats=4, epochs=2, planned_repeats=4, **small, **failed)
    tried = [{"point": {"lr": lr}, "score": 0.5} for lr in (2e-4, 1e-3, 8e-3)]
    searched = {"points": {"tune": {"cnn": tried}}, "recipes": {"crnn-bilstm-16": {"lr": 8e-3}, "cnn": {"lr": 1e-3}}}
    (folder / "tuning.json").write_text(json.dumps(searched))
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("dataset", "model", "repeat", "accuracy", "n_train", "n_test"))
    for name in ("fish", "trees", "people"):
        for n, model in enumerate(field.plan.SECOND_MODELS):
            rows.writerows((name, model, r, round(rng.uniform(0.5, 0.6) + n / 100, 4), 175, 75) for r in range(3))
    (folder / "superclasses.csv").write_text(table.getvalue())
    return folder


def derived(field: SimpleNamespace, folder: Path, out: Path) -> dict[str, Any]:
    field.publish.derive(folder, out)
    return json.loads((out / "answers.json").read_text())


def test_a_search_and_a_study_end_with_trainings_that_diverged(
    field: SimpleNamespace, synthetic: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And with no others: a training that a lack of memory ended is tried again, and so is one that is not begun."""
    monkeypatch.chdir(tmp_path)

    def ends(kind: str, out: Path, repeats: int = 3) -> bool:
        name, words = f"{kind}-{out.name}", ["--repeats", str(repeats), "-o", str(out)]
        ended = field.run.done(name, [sys.executable, "-c", "raise SystemExit(1)", "", kind, *words])
        assert ended == (tmp_path / "done" / name).exists()
        (tmp_path / "done" / name).unlink(missing_ok=True)
        return ended

    assert ends("compare", synthetic / "digits")
    assert not ends("compare", synthetic / "digits", 4)  # the command has not come so far
    assert not ends("compare", tmp_path / "nothing")
    study = make_study(tmp_path / "s", {"cnn": 0.6}, repeats=3, failed=[("cnn", 0)], missing=[("cnn", 2)], epochs=2)
    assert not ends("compare", study)
    killed = make_study(tmp_path / "k", {"cnn": 0.6}, repeats=3, failed=[("cnn", 0)], epochs=2)
    (killed / "cnn" / "repeat-0" / "error.json").write_text('{"error": "RuntimeError: the process was killed"}')
    assert not ends("compare", killed)
    for error, missing, ended in (
        ("loss nan is not finite", 0, True),
        ("no memory", 0, False),
        ("not finite", 1, False),
    ):
        points = [SimpleNamespace(error=""), SimpleNamespace(error=error)]
        tuning = SimpleNamespace(missing=missing, models=[SimpleNamespace(points=points)])
        monkeypatch.setattr(field.run, "read_tuning", lambda _, found=tuning: found)
        assert ends("tune", tmp_path / "t") == ended


def test_studies_of_the_plan_may_differ_in_their_passes(synthetic: Path) -> None:
    """And what is published beside them is none of them."""
    assert check_of_plan(synthetic, read_plan(synthetic)) == []
    assert {path.parent.name for path in synthetic.glob("*/study.yaml")} == {"cifar10", "cifar100", "digits"}


def test_a_failed_training_leaves_out_its_repeat_of_the_pair(field: SimpleNamespace, synthetic: Path) -> None:
    values = {"ecrnn-bilstm-16": {0: 0.9, 2: 0.7}, "cnn": {0: 0.6, 1: 0.1, 2: 0.6}, "logistic": {0: 0.5}}
    models = [
        SimpleNamespace(model=model, repeats=tuple(of), scores=tuple(of.values()), failed=(1,) if len(of) == 2 else ())
        for model, of in values.items()
    ]
    failed = {"ecrnn-bilstm-16": 1, "crnn-bilstm-16": 3}  # the second never succeeded
    one = SimpleNamespace(comparison=SimpleNamespace(models=models), failed=failed)
    found = field.publish.differences(one)
    assert found.keys() == {("ecrnn-bilstm-16", "cnn"), ("ecrnn-bilstm-16", "logistic"), ("cnn", "logistic")}
    assert found["ecrnn-bilstm-16", "cnn"] == pytest.approx((0.3 + 0.1) / 2)  # and not 0.8 - 1.3 / 3
    at_chance = field.publish.differences(one, 0.25)
    assert at_chance["ecrnn-bilstm-16", "cnn"] == pytest.approx((0.3 + 0.15 + 0.1) / 3)
    assert at_chance["crnn-bilstm-16", "cnn"] == pytest.approx(0.25 - 1.3 / 3)
    study = read_study([synthetic / STEPS])
    scores, _, _ = field.publish.step_scores(study)
    assert scores.shape == (4, 5, 3)  # three repeats that all networks have
    of = {one.model: one for one in analyse(study).comparison.models}
    assert scores[0, 1].tolist() == [of["steps+count=16"].scores[repeat] for repeat in (0, 2, 3)]
    assert scores[0, 2].tolist() == list(of["steps+count=64"].scores)


@pytest.mark.slow
def test_everything_is_computed_from_the_published_files(
    field: SimpleNamespace, synthetic: Path, tmp_path: Path
) -> None:
    found = derived(field, synthetic, tmp_path)
    assert found["primary"] == {"planned": 54, "unfinished": 0, "failed": {"digits": {"ecrnn-bilstm-16": 1}}}
    assert found["secondary"] == {"unfinished": 0, "failed": {"steps+count=64": 1}}
    assert found["edges"] == {"crnn-bilstm-16": ["lr"]}
    assert found["sensitivity"]["cifar10 and cifar100 as one"] == {}  # two are too few
    at_chance = found["sensitivity"]["failed trainings at chance"]["ecrnn-bilstm-16 - cnn"]
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    (pair,) = (p for p in report["across"]["pairs"] if (p["model_a"], p["model_b"]) == ("ecrnn-bilstm-16", "cnn"))
    assert at_chance["n"] == pair["effects"]["n"] == 3
    assert at_chance["mean"] < pair["effects"]["mean"]
    assert [one["name"] for one in report["data_sets"]] == ["cifar10", "cifar100", "digits"]
    assert not any("was not begun with" in line or "not plan" in line for line in report["warnings"])
    assert report["headline"].endswith("(ecrnn-bilstm-16 failed in 1 of 9 trainings).")
    (beaten,) = (p for p in report["across"]["pairs"] if (p["model_a"], p["model_b"]) == field.plan.PAIRS[0])
    assert beaten["verdict"] == "better"
    assert "But lr of the recipe of crnn-bilstm-16 lies at the edge" in beaten["sentence"]
    assert report["named_before"] is True
    assert len(report["across"]["pairs"]) == 3
    slope = found["steps"]["contrasts"][0]
    assert slope["mean"] == pytest.approx(-0.005, abs=0.002)
    for name, pairs in (("superclasses", 5), ("exploratory", 6)):
        explored = json.loads((tmp_path / name / "report.json").read_text())
        assert explored["headline"].startswith(f"Exploratory: {pairs} pairs over 3 data sets")
        assert {pair["verdict"] for pair in explored["across"]["pairs"]} == {None}
        assert not any("Chosen after" in line for line in explored["warnings"])
        assert (tmp_path / name / "report.md").is_file()
    (synthetic / "superclasses.csv").rename(tmp_path / "kept.csv")  # what is left out where time is short
    derived(field, synthetic, tmp_path / "again")
    (tmp_path / "kept.csv").rename(synthetic / "superclasses.csv")
    assert not (tmp_path / "again" / "superclasses").exists()


@pytest.mark.skipif(not is_across(RESULTS), reason="results/field has no results yet")
def test_the_published_figures_are_rebuilt(
    field: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    derived(field, RESULTS.relative_to(ROOT), tmp_path)
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")]
    assert len(files) > 8
    for path in files:
        mine, theirs = ((place / path).read_text() for place in (tmp_path, RESULTS))
        if path.suffix == ".json":
            assert differences_of_values(json.loads(mine), json.loads(theirs)) == [], path
        elif path.suffix == ".md":
            assert mine == theirs, path


@pytest.mark.skipif(not is_across(RESULTS), reason="results/field has no results yet")
def test_the_plan_is_older_than_the_first_result() -> None:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("a shallow clone does not know when the plan was committed")
    committed = int(git("log", "--diff-filter=A", "--format=%ct", "--", "docs/field.md").split()[-1])
    trials = [trial for folder in RESULTS.rglob("trials.zip") for trial in read_study([folder.parent]).trials]
    finished = [datetime.fromisoformat(trial.facts["finished"]).timestamp() for trial in trials]
    assert committed < min(finished)
