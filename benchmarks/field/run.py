"""Train the field study; given again after any kill, it goes on.

    python benchmarks/field/run.py DOWNLOADS WORK

WORK gets the data sets, the searches for recipes, the studies, and `recipes.yaml`. First the recipes are searched for,
then every data set is trained once, then a second and a third time, then the steps, then the second block.
docs/field.md has the design, `plan.py` the commands. A training that diverges is a result and is not tried again. The
status is 1 if a command has failed otherwise; what can be trained is trained all the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from data_sets import ALL, PRIMARY, SECOND, STEPS, TUNING
from plan import (
    CODE,
    COUNTS,
    MODELS,
    MODERATORS,
    NETWORKS,
    ORDERS,
    REPEATS,
    SECOND_MODELS,
    compare,
    step_model,
    steps,
    tune,
)
from prepare import DATA, prepare

from ecrnn.core.across_plan import AcrossPlan, write_plan
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.reading import read_json
from ecrnn.core.runs import read_failure, read_settings
from ecrnn.models.own_code import load_code
from ecrnn.report import read_study
from ecrnn.training.tried_points import Tuning, read_tuning

FIELD, BLOCK, STEP_TUNING = "field", "second", "tuning/steps"
RECIPES = "recipes.yaml"
DIVERGED = "finite"  # is in the line of every training of which loss, gradients or state were not


def main(downloads: Path, work: Path) -> int:
    make_folder(work)
    os.chdir(work)
    known = data_sets(downloads)
    for folder, sets in ((FIELD, PRIMARY), (BLOCK, SECOND)):
        make_folder(Path(folder))
        write_plan(Path(folder), AcrossPlan(data={one.name: one.name for one in sets}, moderators=MODERATORS))
    images = {name: facts["images"] for name, facts in known.items()}
    failed = [name for name, command in searches(images) if not done(name, command)]
    if failed:
        print(f"no recipes, as these have failed: {', '.join(failed)}")
        return 1
    if not Path(RECIPES).exists():
        write_atomically(Path(RECIPES), yaml.safe_dump({"recipes": recipes()}, sort_keys=False))
    failed = [name for name, command in studies(images) if not done(name, command)]
    print(f"failed: {', '.join(failed)}" if failed else "all is trained", flush=True)
    return bool(failed)


def data_sets(downloads: Path) -> dict[str, Any]:
    """Make the data sets that are missing, and give what is known of all of them.

    Raises:
        SystemExit: one is not that of the study.
    """
    known = read_json(DATA)["sets"]
    for one in ALL:
        mark = Path("done") / f"data-{one.name}"
        if not mark.exists():
            found = prepare(one, downloads, Path("data"))
            if found != known[one.name]:
                raise SystemExit(f"{one.name} has other images than those of the study: {found}")
            make_folder(mark.parent)
            write_atomically(mark, found["sha256"])
    return known


def searches(images: dict[str, int]) -> Iterator[tuple[str, list[str]]]:
    """The searches for recipes, by name."""
    for one in TUNING:
        yield f"tune-{one.name}", tune(one, images[one.name], NETWORKS, f"tuning/{one.name}")
    one = next(one for one in TUNING if one.name == "tune-cifar10")
    models = tuple(step_model(count, 0) for count in COUNTS)
    yield "tune-steps", tune(one, images[one.name], models, STEP_TUNING, code=True)


def recipes() -> dict[str, dict[str, Any]]:
    """By model what its recipe changes: the point with the best mean accuracy over the sets that were tuned on."""
    load_code(CODE)
    found = chosen([read_tuning(Path("tuning") / one.name) for one in TUNING])
    of_counts = chosen([read_tuning(Path(STEP_TUNING))])
    for count in COUNTS:
        for order in ORDERS:
            found[step_model(count, order)] = of_counts[step_model(count, 0)]
    return {model: dict(recipe) for model, recipe in found.items() if recipe}  # copies, as YAML would name one twice


def chosen(tunings: Sequence[Tuning]) -> dict[str, dict[str, Any]]:
    """By model the point with the best mean score over ``tunings``, the first of equals; a failed one counts 0."""
    found = {}
    for searches_of_model in zip(*(tuning.models for tuning in tunings), strict=True):
        (model,) = {search.model for search in searches_of_model}
        means = []
        for points in zip(*(search.points for search in searches_of_model), strict=True):
            first = points[0].point
            assert all(point.point == first for point in points), "all sets have the same points"
            means.append((sum(point.score or 0.0 for point in points) / len(points), first))
        found[model] = max(means, key=lambda one: one[0])[1]
    return found


def studies(images: dict[str, int]) -> Iterator[tuple[str, list[str]]]:
    """The studies in the order in which they are trained: whole repeats of all data sets first."""
    for repeat in range(1, REPEATS + 1):
        for one in PRIMARY:
            out = f"{FIELD}/{one.name}"
            yield f"{one.name}-{repeat}", compare(one, images[one.name], MODELS, repeat, out, RECIPES)
    yield "steps", steps(STEPS, images[STEPS.name], "steps", RECIPES)
    for repeat in range(1, REPEATS + 1):
        for one in SECOND:
            out = f"{BLOCK}/{one.name}"
            yield f"second-{one.name}-{repeat}", compare(one, images[one.name], SECOND_MODELS, repeat, out, RECIPES)


def done(name: str, command: list[str]) -> bool:
    """Run a command unless it has ended well before, or with no failure but trainings that diverged; whether it has."""
    mark = Path("done") / name
    if not mark.exists():
        begin = time.time()
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {name}", flush=True)
        if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode and not only_diverged(command):
            return False
        make_folder(mark.parent)
        write_atomically(mark, f"{time.time() - begin:.0f} s\n")
    return True


def only_diverged(command: list[str]) -> bool:
    """Whether all that a command trains has ended, by diverging where it is not finished."""
    out = Path(command[command.index("-o") + 1])
    if "--code" in command:
        load_code(CODE)
    try:
        if command[4] == "tune":
            tuning = read_tuning(out)
            missing = tuning.missing
            errors = [point.error for search in tuning.models for point in search.points if point.error]
        else:
            left = read_study([out]).unfinished
            missing = int(command[command.index("--repeats") + 1]) - read_settings(out).repeats
            missing += sum(trial.state != "failed" for trial in left)
            errors = [read_failure(out, trial.model, trial.repeat) or "" for trial in left]
    except EcrnnError:  # nothing is finished
        return False
    return missing == 0 and all(DIVERGED in error for error in errors)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
