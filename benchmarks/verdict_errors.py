"""How often the verdicts of a report are false where all networks are equal: the table of docs/statistics.md.

    python benchmarks/verdict_errors.py --studies 1000 --processes 1 --out results/verdict-errors

Studies are drawn from fixed seeds, so the same numbers come out on the same versions of NumPy and SciPy. Each kind of
study is written when it is done, and a call that is given again goes on with the kinds that have fewer studies.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, get_args

from ecrnn.core.files import write_atomically
from ecrnn.stats.networks import Noise, Split
from ecrnn.stats.simulate_families import FamilyErrors, family_errors

SEED = 20261130


def rows(noise: Noise, split: Split, studies: int) -> list[FamilyErrors]:
    """The simulated studies of one kind, by the number of repeats."""
    found = family_errors(noise, split, studies=studies, seed=SEED)
    for row in found:
        print(row, flush=True)
    return found


def table(errors: list[dict[str, Any]]) -> str:
    """In Markdown, in percent."""
    columns = [f"{word}, {k}" for word in ("better or worse", "equivalent") for k in (2, 3, 9)]
    heads = ("noise", "split", "repeats", *columns, "plain t, 2")
    lines = [heads, ("---",) * len(heads)]
    for row in errors:
        shares = [*(row[word][str(k)] for word in ("different", "equivalent") for k in (2, 3, 9)), row["plain"]]
        lines.append((row["noise"], row["split"], str(row["repeats"]), *(f"{100 * share:.1f}" for share in shares)))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/verdict-errors"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "errors.json"
    kinds: list[tuple[Noise, Split]] = list(product(get_args(Noise), get_args(Split)))
    known: dict[tuple[Noise, Split], list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for row in json.loads(path.read_text(encoding="utf-8"))["errors"] if path.exists() else ():
        known[row["noise"], row["split"]].append(row)
    with ProcessPoolExecutor(given.processes) as pool:
        waiting = {
            pool.submit(rows, *kind, given.studies): kind
            for kind in kinds
            if not known[kind] or any(row["studies"] < given.studies for row in known[kind])
        }
        for one in as_completed(waiting):
            known[waiting[one]] = json.loads(json.dumps([asdict(row) for row in one.result()]))  # as in the file
            errors = [row for kind in kinds for row in known[kind]]
            write_atomically(path, json.dumps({"seed": SEED, "errors": errors}, indent=1) + "\n")
    errors = [row for kind in kinds for row in known[kind]]
    print(table(errors))


if __name__ == "__main__":
    main()
