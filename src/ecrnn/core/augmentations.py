"""The names of augmentations of images: some of `KINDS`, such as "flip-crop-cutout"; "none" is none of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

# in the order in which they are joined; a kind's place is a key of its draws, so that a new one comes last
KINDS = ("flip", "crop", "rotate", "colour", "cutout", "mixup", "mirror", "shift")
INSTEAD = {"mirror": "flip", "shift": "crop"}
NONE = "none"


def canonical(value: Any) -> Any:
    """Kinds in whatever order, joined by commas or hyphens or in a list, as settings hold them: "flip-crop".

    Raises:
        PydanticCustomError: one of them is none, or comes twice.
        ValueError: of two only one can be.
    """
    names = value.replace(",", "-").split("-") if isinstance(value, str) else value
    if isinstance(names, list | tuple):
        names = [name.strip() if isinstance(name, str) else name for name in names]
        if names == [NONE]:
            return NONE
        if twice := [(kind, other) for kind, other in INSTEAD.items() if kind in names and other in names]:
            raise ValueError("augmentation: {} is instead of {}, give one of them".format(*twice[0]))
        if names and all(names.count(name) == 1 and name in KINDS for name in names):
            return "-".join(kind for kind in KINDS if kind in names)
    line = f"expected {NONE}, or some of {', '.join(KINDS)} with commas between"
    raise PydanticCustomError("literal_error", line, {"expected": ", ".join(f"'{k}'" for k in (NONE, *KINDS))})


def kinds_of(name: str) -> tuple[str, ...]:
    """The kinds that a name joins."""
    return () if name == NONE else tuple(name.split("-"))


Augment = Annotated[str, BeforeValidator(canonical)]
