"""What `ecrnn bench` found, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from ecrnn.cli import output

if TYPE_CHECKING:
    from ecrnn.bench.settings import RecurrenceSettings

_SIZES = ("cell", "hidden", "steps", "batch", "input", "layers", "directions")


def show(found: Mapping[str, Any]) -> None:
    """Print what a command found.

    Args:
        found: the object that --json prints.
    """
    console = output.console()
    drawn: dict[str, Callable[[Console, Mapping[str, Any]], None]] = {
        "explain": _explain,
        "recurrence": _recurrence,
        "grid": _grid,
        "step": _models,
        "one-image": _models,
    }
    drawn[found["what"]](console, found)
    if "missing" in found:
        console.print(f"{found['missing']}.", highlight=False, markup=False)
    if "environment" in found:
        machine = found["environment"]
        keras = {key: found["keras"][key] for key in ("tensorflow", "keras")} if "keras" in found else {}
        packages = {"torch": machine["packages"]["torch"], **keras}
        versions = ", ".join(f"{name} {version}" for name, version in packages.items())
        console.print(
            f"{found['threads']} threads, {found['rounds']} rounds, {versions}, {machine['processor']}, "
            f"{machine['cores']} cores ({machine['cpu_capability']}), Python {machine['python']}",
            highlight=False,
            markup=False,
        )


def settings_of(settings: RecurrenceSettings) -> dict[str, Any]:
    """The fields of ``settings`` as plain data."""
    return asdict(settings)


def _explain(console: Console, found: Mapping[str, Any]) -> None:
    table = Table("backend", "", "why", title=_title(found), box=box.SIMPLE_HEAD)
    for verdict in found["backends"]:
        sign = "serves" if verdict["chosen"] else "could" if verdict["serves"] else "cannot"
        table.add_row(verdict["backend"], sign, verdict["reason"])
    output.show(table)


def _recurrence(console: Console, found: Mapping[str, Any]) -> None:
    _variants(console, found, _title(found))
    served, shapes = found["served"], f"{found['checked_shapes']} shapes"
    check = (
        f"torch's bits at {shapes}" if served["backend"] == "torch" else f"right at {shapes} against the float64 oracle"
    )
    console.print(
        f"Ours: backend {served['backend']} ({served['reason']}), cutoff {found['cutoff']:g}; {check}.",
        highlight=False,
        markup=False,
    )


def _models(console: Console, found: Mapping[str, Any]) -> None:
    for model in found["models"]:
        batch = f"a training step at batch {model['batch']}" if "batch" in model else "one image"
        _variants(console, model, f"{model['model']}, {batch}")
        if "times_arithmetic" in model:
            console.print(_arithmetic(model), highlight=False, markup=False)
        for layer in model["served"]:
            console.print(
                f"Ours: {layer['layer']}: backend {layer['backend']} ({layer['reason']}).",
                highlight=False,
                markup=False,
            )


def _arithmetic(model: Mapping[str, Any]) -> str:
    """How far a step is from the machine's rate."""
    counts, rates = (model[key] for key in ("multiply_adds", "multiply_adds_per_second"))
    rate = ", ".join(f"{name} {value / 1e9:,.0f}" for name, value in rates.items())
    return (
        f"Ours takes {model['times_arithmetic']:.2f} times its arithmetic: {sum(counts.values()) / 1e9:.2f} thousand "
        f"million multiply-adds, which take {model['arithmetic_ms']:.4g} ms at this machine's rate "
        f"({rate} thousand million a second)."
    )


def _grid(console: Console, found: Mapping[str, Any]) -> None:
    columns = ("hidden", "steps", "batch", "input", "backend", "ours, ms", "torch, ms", "ratio_stock")
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for column in table.columns:
        column.justify = "right"
    for shape in found["shapes"]:
        medians = [f"{shape['variants'][name]['median_ms']:.4g}" for name in ("ecrnn", "stock")]
        sizes = [str(shape[key]) for key in ("hidden", "steps", "batch", "input")]
        table.add_row(*sizes, shape["served"]["backend"], *medians, f"{shape['ratio_stock']:.2f}")
    output.show(table)
    summary = found["summary"]
    mean = summary["geometric_mean_ratio_stock_hidden_up_to_64"]
    console.print(
        f"{summary['shapes']} shapes{'' if summary['complete'] else ' (not all)'}: smallest ratio "
        f"{summary['smallest_ratio_stock']:.2f}, {len(summary['shapes_under_0.95'])} under 0.95"
        + (f", geometric mean up to hidden size 64 {mean:.2f}" if mean else ""),
        highlight=False,
        markup=False,
    )


def _variants(console: Console, found: Mapping[str, Any], title: str) -> None:
    table = Table("variant", "median, ms", "quartiles, ms", "times ours", "peak, MiB", title=title, box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    ours = found["variants"]["ecrnn"]["median_ms"]
    for name, variant in found["variants"].items():
        lower, upper = variant["quartiles_ms"]
        peak = f"{variant['peak_mib']:,.0f} ({variant['work_mib']:,.0f} of work)" if "peak_mib" in variant else ""
        times = f"{variant['median_ms'] / ours:.2f}"
        table.add_row(name, f"{variant['median_ms']:.4g}", f"{lower:.4g} to {upper:.4g}", times, peak)
    output.show(table)
    ratios = {key: value for key, value in found.items() if key.startswith("ratio_")}
    if not ratios:
        return
    console.print(
        "Within rounds, medians: " + ", ".join(f"{name} {value:.2f}" for name, value in ratios.items()),
        highlight=False,
        markup=False,
    )


def _title(found: Mapping[str, Any]) -> str:
    sizes = ", ".join(f"{key} {found[key]}" for key in _SIZES)
    loss = ", loss at all outputs" if found["all_outputs"] else ""
    return f"{sizes}, {'forward' if found['forward_only'] else 'forward and backward'}{loss}"
