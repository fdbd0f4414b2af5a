"""Measured machines: results/speed/machines.jsonl, a line a model and machine, and the table of docs/speed.md.

    ecrnn bench step --alone --models cnn,ecrnn-bilstm-16 --threads 2 --no-memory --json > step.json
    python benchmarks/machines.py step.json --machine "two cores of an EPYC of the Zen 4 generation"  # adds its lines
    python benchmarks/machines.py  # prints the table

With nothing else running. Whoever has another machine is welcome to add its lines and send them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "results" / "speed" / "machines.jsonl"
_OF_A_MODEL = ("model", "batch", "precision", "multiply_adds_per_second", "arithmetic_ms", "times_arithmetic")


@dataclass(frozen=True)
class Row:
    """A training step of a model on a machine.

    ``machine`` is in its owner's words, ``processor`` and ``instructions`` as the machine calls itself. ``step_ms`` is
    the median of ``rounds`` steps (None: not written down); ``multiply_adds_per_second`` of large products by
    precision, ``arithmetic_ms`` and ``times_arithmetic`` are those of `ecrnn.bench.arithmetic`. ``note`` says what was
    measured in another way.
    """

    date: str
    machine: str
    processor: str
    instructions: str
    cores: int
    torch: str
    threads: int
    rounds: int | None
    model: str
    batch: int
    precision: str
    step_ms: float
    quartiles_ms: tuple[float, float] | None
    multiply_adds_per_second: Mapping[str, float]
    arithmetic_ms: float
    times_arithmetic: float
    note: str = ""

    def __post_init__(self) -> None:
        date.fromisoformat(self.date)
        texts = (self.machine, self.processor, self.instructions, self.torch, self.model)
        numbers = (self.cores, self.threads, self.rounds or 1, self.batch, self.step_ms, self.arithmetic_ms)
        rates = self.multiply_adds_per_second
        good = all(texts) and all(number > 0 for number in numbers) and rates and min(rates.values()) > 0
        if not good or self.precision not in rates:
            raise ValueError(f"a row of {self.model!r} on {self.machine!r} lacks a figure")
        if (
            abs(self.step_ms / self.arithmetic_ms / self.times_arithmetic - 1) > 0.15
        ):  # medians of rounds, not of a ratio
            raise ValueError(f"{self.model} on {self.machine}: times_arithmetic is not step_ms / arithmetic_ms")


def rows_of(found: Mapping[str, Any], machine: str, day: str) -> list[Row]:
    """The rows of what `ecrnn bench step --json` printed."""
    about = found["environment"]
    return [
        Row(
            date=day,
            machine=machine,
            processor=about["processor"],
            instructions=about["cpu_capability"],
            cores=about["cores"],
            torch=about["packages"]["torch"],
            threads=found["threads"],
            rounds=found["rounds"],
            step_ms=model["variants"]["ecrnn"]["median_ms"],
            quartiles_ms=tuple(model["variants"]["ecrnn"]["quartiles_ms"]),
            **{key: model[key] for key in _OF_A_MODEL},
        )
        for model in found["models"]
    ]


def read() -> list[Row]:
    """All rows of the file. Raises TypeError or ValueError where a line is no row."""
    return [Row(**json.loads(line)) for line in FILE.read_text(encoding="utf-8").splitlines()]


def table(rows: Iterable[Row]) -> str:
    """The table of docs/speed.md; rates in thousand million multiply-adds a second."""
    lines = [
        "| machine | model | threads | a step, ms | rate, bfloat16 / float32 | times its arithmetic | measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        quartiles = "" if row.quartiles_ms is None else " ({:.4g}-{:.4g})".format(*row.quartiles_ms)
        rates = row.multiply_adds_per_second
        rate = " / ".join(f"{rates[name] / 1e9:.0f}" if name in rates else "" for name in ("bfloat16", "float32"))
        model = f"`{row.model}`, {row.precision}" + ("" if row.batch == 128 else f", batch {row.batch}")
        step, times = f"{row.step_ms:.4g}{quartiles}", f"{row.times_arithmetic:.2f}"
        measured = row.date + (f"; {row.note}" if row.note else "")
        lines.append(f"| {row.machine} | {model} | {row.threads} | {step} | {rate.strip()} | {times} | {measured} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="Files of `ecrnn bench step --json`.")
    parser.add_argument("--machine", help="The machine in a few words.")
    parser.add_argument("--note", default="", help="What was measured in another way than with nothing else running.")
    chosen = parser.parse_args()
    if chosen.files and not chosen.machine:
        parser.error("--machine is missing: say in a few words which machine it is")
    today = datetime.now(UTC).date().isoformat()
    for path in chosen.files:
        rows = rows_of(json.loads(path.read_text(encoding="utf-8")), chosen.machine, today)
        with FILE.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(replace(row, note=chosen.note))) + "\n" for row in rows)
    print(table(read()), end="")


if __name__ == "__main__":
    main()
