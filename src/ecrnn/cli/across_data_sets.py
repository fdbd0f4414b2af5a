"""Many data sets in one call: what `ecrnn compare A B C` and `ecrnn report A B C --across` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecrnn.cli import options
from ecrnn.cli.output import complain_of_failures, show_report

if TYPE_CHECKING:
    from ecrnn.core.config import StudySettings


def run(
    settings: Sequence[StudySettings],
    folder: Path,
    *,
    jobs: int,
    engine: str | None,
    trials_per_gpu: int | None,
    as_json: bool,
    moderators: Sequence[str],
) -> int:
    """Train what is missing of all studies, show the report across them, and say what failed; gives the status."""
    from ecrnn.cli.progress import Display
    from ecrnn.studies.across_studies import run_across
    from ecrnn.studies.places import spelt_as_it_exists

    folder = Path(spelt_as_it_exists(folder))
    with Display(quiet=as_json) as display:
        failed = run_across(
            settings,
            folder,
            moderators=moderators,
            jobs=jobs,
            engine=engine,
            trials_per_gpu=trials_per_gpu,
            progress=display.show,
        )
    first = settings[0]
    show([folder], baseline=first.baseline, pairs=first.pairs, rope=first.rope, moderators=(), as_json=as_json)
    return complain_of_failures(
        [f"{data}, {model}, repeat {repeat}: {line}" for (data, (model, repeat)), line in failed.items()]
    )


def show(
    runs: Sequence[Path],
    *,
    baseline: str | None,
    pairs: Sequence[tuple[str, str]] | None,
    rope: float | None,
    moderators: Sequence[str],
    as_json: bool,
    out: Path | None = None,
    language: str = "en",
) -> None:
    """Write the report across the studies of ``runs``, print it, and say where it lies."""
    from ecrnn.report import print_across, write_across_report

    chosen: dict[str, Any] = {"baseline": baseline, "pairs": pairs, "rope": rope, "moderators": moderators}
    written = write_across_report(runs, out, **chosen, language=language)
    show_report(written, print_across, as_json=as_json)


def moderators_of(text: str | None) -> tuple[str, ...]:
    """The names that --moderators gives."""
    from ecrnn.core.across_plan import MODERATORS
    from ecrnn.core.errors import unknown_name

    names = tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()
    with options.wrong_call():
        for name in names:
            if name not in MODERATORS:
                raise unknown_name("moderator", name, MODERATORS, where="--moderators")
    return names
