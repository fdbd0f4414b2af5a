"""What `benchmarks/batch_statistics.py` found, as tables in Markdown.

    python benchmarks/batch_statistics_tables.py results/batch-statistics --out results/batch-statistics/README.md

Rules: accuracy on new images after the last epoch, mean and standard deviation over repeats, and the difference to
"even" with the interval of the corrected resampled t test. Epochs: which epoch's weights would be kept by the best mean
validation accuracy of so many epochs up to it, or as many as there are, and how far that figure is from what new images
give.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.files import write_atomically
from ecrnn.stats import corrected_resampled_t

WINDOWS = (1, 2, 3, 4, 5, 7)
BASE = "even"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    lines = ["# Batch statistics of short trainings", "", *(__doc__ or "").strip().splitlines()[4:], ""]
    for path in sorted(chosen.folder.rglob("*.jsonl")):
        runs = [json.loads(line) for line in path.read_text().splitlines()]
        lines += [f"## {path.relative_to(chosen.folder)}", "", *rules(runs), "", *epochs(runs), ""]
    text = "\n".join(lines).rstrip() + "\n"
    if chosen.out:
        write_atomically(chosen.out, text)
    print(text)


def rules(runs: list[dict[str, Any]]) -> Iterator[str]:
    """A table: a row a model, recipe and rule."""
    yield "| model | batch, rate | rule | repeats | new images (%) | minus even [95 %] |"
    yield "|---|---|---|---|---|---|"
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for run in runs:
        about = run["training"]
        key = (about["model"], f"{about['batch_size']}, {about['schedule']}")
        groups.setdefault(key, []).append(run)
    for (model, recipe), members in groups.items():
        base = np.array([run["rules"][BASE]["new"][-1] for run in members])
        train, new = members[0]["training"]["train"], members[0].get("new", 244)
        for rule in (rule for rule in members[-1]["rules"] if all(rule in run["rules"] for run in members)):
            found = np.array([run["rules"][rule]["new"][-1] for run in members])
            difference = ""
            if rule != BASE and len(found) > 1:
                test = corrected_resampled_t(found - base, train, new)
                difference = f"{100 * test.difference:+.1f} [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
            sd = f" ± {100 * found.std(ddof=1):.1f}" if len(found) > 1 else ""
            cells = (f"`{model}`", recipe, rule, str(len(found)), f"{100 * found.mean():.1f}{sd}", difference)
            yield f"| {' | '.join(cells)} |"


def epochs(runs: list[dict[str, Any]]) -> Iterator[str]:
    """A table: a row a rule and a window, where accuracies of every epoch are known."""
    rows: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    for run in runs:
        for rule, parts in run["rules"].items():
            validation, new = np.array(parts["validation"])[:-1], np.array(parts["new"])[:-1]  # the last: other images
            for window in WINDOWS if len(new) > max(WINDOWS) else ():
                means = [validation[max(0, end - window) : end].mean() for end in range(1, len(validation) + 1)]
                kept = int(np.argmax(means))
                figures = (new[kept], validation[kept] - new[kept], validation[-1] - new[kept])
                rows.setdefault((rule, window), []).append(figures)
    if not rows:
        return
    yield "| rule | epochs averaged | trainings | kept, new images (%) | its own minus that | last minus that |"
    yield "|---|---|---|---|---|---|"
    for (rule, window), found in sorted(rows.items()):
        new, optimism, last = (100 * np.array(found)).mean(0)
        yield f"| {rule} | {window} | {len(found)} | {new:.1f} | {optimism:+.1f} | {last:+.1f} |"


if __name__ == "__main__":
    main()
