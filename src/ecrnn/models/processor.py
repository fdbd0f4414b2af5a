"""The processor between the examples of a task and its network: fitted on training examples, kept in the bundle.

The same for every task, with the parts that its row names. Bundles come from anywhere, so `from_plain`
trusts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ecrnn.core.errors import BundleError
from ecrnn.core.tasks import TASKS, Task
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.data.tokens import KINDS, from_files
from ecrnn.data.vocabulary import Vocabulary
from ecrnn.models.inference import Standardise
from ecrnn.models.spec import MAX_FRAMES, InputSpec

PARTS = ("preprocessing", "vocabulary", "source_vocabulary", "length", "frames", "extra")
_SIZES = tuple(field.name for field in fields(InputSpec))
_SOURCE = "source-"  # before the names of the source vocabulary's files


@dataclass(frozen=True)
class Processor:
    """The parts of one training or bundle; those that its task does not need are None.

    Attributes:
        task: whose row names the parts.
        classes: names of the classes, where the task has any.
        preprocessing: size and standardisation of images and frames.
        vocabulary: tokens of the texts that the network reads or writes; for transcription its alphabet.
        source_vocabulary: tokens of the texts that are translated.
        length: the longest text in tokens, beyond which it is cut off; of a language model the block it is trained on.
        frames: of a clip.
        extra: what the task itself keeps, plain data for JSON; entries with the name of a field of `InputSpec` are
            sizes of the network.
    """

    task: Task
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    vocabulary: Vocabulary | None = None
    source_vocabulary: Vocabulary | None = None
    length: int | None = None
    frames: int | None = None
    extra: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        wanted = self.task.parts
        found = {name for name in PARTS if getattr(self, name) is not None}
        assert found == set(wanted), f"{self.task.name} needs {', '.join(wanted)}, not {', '.join(sorted(found))}"
        assert bool(self.classes) == self.task.classes

    @property
    def sizes(self) -> InputSpec:
        """The sizes of the network's inputs and outputs."""
        extra_sizes = {name: value for name, value in (self.extra or {}).items() if name in _SIZES}
        spec = InputSpec(
            image=None if self.preprocessing is None else self.preprocessing.image,
            classes=len(self.classes) or None,
            tokens=None if self.vocabulary is None else len(self.vocabulary),
            source_tokens=None if self.source_vocabulary is None else len(self.source_vocabulary),
            frames=self.frames,
        )
        return replace(spec, **extra_sizes)

    @property
    def limit(self) -> int:
        """`length`, of a task that has one."""
        assert self.length is not None
        return self.length

    def encode(self, text: str) -> list[int]:
        """The tokens of a text that the network reads or writes, up to `length`."""
        assert self.vocabulary is not None
        return self.vocabulary.encode(text)[: self.length]

    def encode_source(self, text: str) -> list[int]:
        """The tokens of a text that the network translates, up to `length`."""
        assert self.source_vocabulary is not None
        return self.source_vocabulary.encode(text)[: self.length]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that the network wrote; special tokens are left out."""
        assert self.vocabulary is not None
        return self.vocabulary.decode(tokens)

    def standardise(self) -> Standardise:
        """`preprocessing` as a module, on the CPU."""
        assert self.preprocessing is not None
        return Standardise(self.preprocessing)

    def to_plain(self) -> dict[str, Any]:
        """Plain data for JSON, without what `files` holds; `from_plain` takes both back."""
        plain: dict[str, Any] = {}
        if self.preprocessing is not None:
            plain["preprocessing"] = self.preprocessing.to_dict()
        for name in ("vocabulary", "source_vocabulary"):
            if (vocabulary := getattr(self, name)) is not None:
                plain[name] = vocabulary.kind
        for name in ("length", "frames", "extra"):
            if (value := getattr(self, name)) is not None:
                plain[name] = value
        return plain

    def files(self) -> dict[str, str]:
        """The vocabularies as plain files, by name."""
        target = {} if self.vocabulary is None else self.vocabulary.files()
        source = {} if self.source_vocabulary is None else self.source_vocabulary.files()
        return target | {_SOURCE + name: text for name, text in source.items()}

    @classmethod
    def from_plain(
        cls, task: str, classes: tuple[str, ...], plain: Mapping[str, Any], read: Callable[[str], str]
    ) -> Processor:
        """From data that is not trusted.

        Args:
            task: name of a task.
            classes: checked.
            plain: as `to_plain` gives it.
            read: gives the text of a file by name; what it raises is passed on.

        Raises:
            BundleError: a part is missing, foreign or not as it should be.
        """
        if task not in TASKS:
            raise BundleError(f"task '{task}' is not known; known are {', '.join(TASKS)}")
        wanted = TASKS[task].parts
        if set(plain) != set(wanted):
            raise BundleError(
                f"{task} needs exactly {', '.join(wanted)}, found {', '.join(sorted(plain)) or 'nothing'}"
            )
        if bool(classes) != TASKS[task].classes:
            raise BundleError(f"{task} has {'no classes' if classes else 'classes, but none are named'}")
        parts: dict[str, Any] = {"task": TASKS[task], "classes": classes}
        for name, value in plain.items():
            parts[name] = _part(name, value, read, TASKS[task])
        return cls(**parts)


def _part(name: str, value: Any, read: Callable[[str], str], task: Task) -> Any:
    if name == "preprocessing":
        return Preprocessing.from_dict(value)
    if name in ("vocabulary", "source_vocabulary"):
        if value not in KINDS:
            raise BundleError(f"{name} should be one of {', '.join(KINDS)}, not {value!r:.40}")
        prefix = _SOURCE if name == "source_vocabulary" else ""
        return from_files(value, lambda file: read(prefix + file))
    if name == "extra":
        if not isinstance(value, dict) or not all(type(value[name]) is int for name in _SIZES if name in value):
            raise BundleError(f"extra should be an object of what {task.name} keeps, not {value!r:.40}")
        return value
    least, most = task.lengths if name == "length" else (1, MAX_FRAMES)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BundleError(f"{name} should be a whole number from {least} to {most}, not {value!r}")
    return value
