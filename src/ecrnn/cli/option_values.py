"""What the options that commands share ask for: settings, names of models, pairs, the shape of an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ecrnn.cli.options import WrongCall
from ecrnn.core.errors import EcrnnError, SettingsError

if TYPE_CHECKING:
    from ecrnn.core.config import StudySettings, TrainSettings

    AnySettings = TypeVar("AnySettings", StudySettings, TrainSettings)


def settings_of(
    kind: type[AnySettings], options: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> AnySettings:
    """The settings that a command line asks for, with names of models and the split checked.

    Args:
        kind: `StudySettings` or `TrainSettings`.
        options: the command's options by name, `Context.params`. Options are called as the settings they set.
        defaults: settings that hold where neither options, --set nor --config say anything; those of the models'
            task hold below them.

    Raises:
        WrongCall: the first thing wrong; an option is called as it is spelt on the command line.
    """
    from ecrnn.core.config import merge, parse_assignments, read_yaml
    from ecrnn.data import catalogue
    from ecrnn.data.splits import parse_split
    from ecrnn.studies.settings import read_settings

    file = options["config"]
    try:
        asked = merge(defaults or {}, read_yaml(file) if file else {}, _nested(kind, options))
        asked = merge(asked, parse_assignments(options["assignments"] or []))
        if "data" not in asked:
            raise WrongCall(f"name the data: {', '.join(catalogue.names())}, or a file or folder of your own")
        if "model" in kind.model_fields and "model" not in asked:
            raise WrongCall("name the model, as in --model cnn or --model ecrnn-bilstm-16")
        read = read_settings(kind, asked, str(file) if file else "")
        parse_split(read.split)
    except SettingsError as error:
        option = error.key.removeprefix("training.").split(".")[0]
        set_elsewhere = options.get(option) is None or isinstance(options[option], Mapping)  # --until-decided gives {}
        key = error.key if set_elsewhere else "--" + option.replace("_", "-")
        raise WrongCall(f"{key}: {error.fault}") from error
    except EcrnnError as error:
        raise WrongCall(str(error)) from error
    return read


def _nested(kind: type[AnySettings], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name as nested settings: those of a training under "training"."""
    from ecrnn.core.config import TrainingSettings

    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    nested = {name: plain[name] for name in kind.model_fields if name in plain}
    nested["stratify"] = plain.get("stratify", False)
    return {**nested, "training": {name: plain[name] for name in TrainingSettings.model_fields if name in plain}}


def model_names(text: str | None) -> list[str] | None:
    """The names that --models lists."""
    names = None if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if names == []:
        raise WrongCall("--models names none; give names with commas, as in --models cnn,ecrnn-bilstm-16")
    return names


def pairs_of(text: str | None) -> list[tuple[str, str]] | None:
    """(A, B) of each pair that --pairs names."""
    if text is None:
        return None
    named = [tuple(name.strip() for name in pair.split(":")) for pair in text.split(",") if pair.strip()]
    if not named or not all(len(pair) == 2 and all(pair) for pair in named):
        raise WrongCall(f"--pairs wants models as A:B, with commas between pairs, as in mine:cnn, not '{text[:100]}'")
    return [(pair[0], pair[1]) for pair in named]


def image_shape(text: str) -> tuple[int, int, int]:
    """(channels, height, width) of what --image says."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise WrongCall(f"--image wants channels x height x width, as in 3x32x32, not '{text}'")
    return int(parts[0]), int(parts[1]), int(parts[2])
