"""Whether trials were made on like machines and by one ecrnn, and whether their bits or times can differ for it."""

from __future__ import annotations

from collections.abc import Sequence

from ecrnn.report import formats
from ecrnn.report.analysis.read import Trial
from ecrnn.report.analysis.schema import FairnessLine


def machine_lines(trials: Sequence[Trial], each: str = "repeat") -> list[FairnessLine]:
    """A line on the machines, if the trials name any: those of before do not.

    Sums are taken in an order that depends on the processor and its instructions, on the GPU and on the version of
    torch, not on the number of threads; so these make machines alike.

    Args:
        trials: finished.
        each: what the trials of a model are.
    """
    known = [trial for trial in trials if trial.facts.get("processor")]
    if not known:
        return []
    kinds = list(dict.fromkeys(map(_kind, known)))
    hosts = {trial.facts.get("host") for trial in known}
    where = f"{len(hosts)} machines, each" if len(hosts) > 1 else "One machine,"
    unknown = "" if len(known) == len(trials) else f" {formats.plural(len(trials) - len(known), 'trial')} did not say."
    if len(kinds) == 1:
        status = "note" if unknown else "same"
        text = f"{where} {kinds[0]}: no bit of a trial depends on where it ran.{unknown}"
        return [FairnessLine("Machine", status, text)]  # type: ignore[arg-type]
    of_repeats: dict[int, dict[str, list[str]]] = {}
    for trial in known:
        of_repeats.setdefault(trial.repeat, {}).setdefault(_kind(trial), []).append(trial.model)
    unlike = {repeat: found for repeat, found in sorted(of_repeats.items()) if len(found) > 1}
    if not unlike:
        text = (
            f"{len(kinds)} kinds: {'; '.join(kinds)}. All models of a {each} were trained on one kind, so within a "
            f"{each} no bit differs for it; from {each} to {each} last bits may.{unknown}"
        )
        return [FairnessLine("Machine", "note", text)]
    repeat, found = next(iter(unlike.items()))
    example = "; ".join(f"{formats.listed(models, most=3)} on {kind}" for kind, models in found.items())
    text = (
        f"Unlike ones in {formats.plural(len(unlike), each)} of {len(of_repeats)}, where bits can differ between the "
        f"models that are compared: in {each} {repeat} {example}. The order of sums differs there, nothing else."
        f"{unknown}"
    )
    return [FairnessLine("Machine", "differs", text)]


def version_lines(trials: Sequence[Trial]) -> list[FairnessLine]:
    """A line on the versions of ecrnn that trained, if there are several; trials of before do not name theirs."""
    models: dict[str, list[str]] = {}
    for trial in trials:
        if version := trial.facts.get("ecrnn"):
            models.setdefault(str(version), []).append(trial.model)
    if len(models) < 2:
        return []
    versions = "; ".join(f"{key} ({formats.listed(list(dict.fromkeys(of)), most=3)})" for key, of in models.items())
    text = f"Not one for all trials: {versions}. What a version changes in a training, its changelog says."
    return [FairnessLine("Version of ecrnn", "differs", text)]


def shared_gpu_lines(trials: Sequence[Trial]) -> list[FairnessLine]:
    """A line on trials that shared a GPU, if any did: their times are longer than those of trials alone."""
    numbers = sorted({_sharing(trial) for trial in trials if _sharing(trial)})
    if not numbers or numbers[-1] == 1:
        return []
    if len(numbers) == 1:
        text = f"{numbers[0]} trials shared each GPU at the most: a trial alone takes less time than the tables say."
        return [FairnessLine("Trials on a GPU", "note", text)]
    few, many = (
        formats.listed(list(dict.fromkeys(trial.model for trial in trials if _sharing(trial) == number)), most=3)
        for number in (numbers[0], numbers[-1])
    )
    text = (
        f"From {numbers[0]} ({few}) to {numbers[-1]} ({many}) trials shared a GPU at the most, so times of trials are "
        f"not those of one machine and are not to be compared."
    )
    return [FairnessLine("Trials on a GPU", "differs", text)]


def _sharing(trial: Trial) -> int:
    """How many trials shared the GPU of one; 0 where it had none or does not say."""
    number = trial.facts.get("trials_per_gpu")
    return number if type(number) is int and trial.facts.get("device") == "cuda" else 0


def _kind(trial: Trial) -> str:
    """What the bits of a trial depend on, beside its settings."""
    facts = trial.facts
    gpu = facts.get("gpu") if facts.get("device") == "cuda" else None
    parts = [gpu or facts.get("processor"), None if gpu else facts.get("instruction_set")]
    parts.append(f"torch {facts['torch']}" if facts.get("torch") else None)
    return ", ".join(str(part) for part in parts if part)
