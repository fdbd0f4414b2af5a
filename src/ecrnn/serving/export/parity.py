"""Whether an exported file says what the model says: compared in ONNX Runtime before the file gets its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.export.exportable import Exportable
from ecrnn.serving.export.image_graph import OUTPUT

BATCHES = (1, 2, 7)
THREADS = (1, 2)
LEVELS = 1  # of 255, which a resized pixel may be off: sums in another order are rounded to another level
CLOSE = 1e-4  # of an output, relative to its largest value, at least 1: float32 in another order of the sums


@dataclass(frozen=True)
class Difference:
    """How far an output of the file is from the model's.

    Attributes:
        output: its name.
        batch: examples at a time.
        threads: of ONNX Runtime.
        largest: of the absolute differences.
        relative: to the largest value of the model's output, where that is above 1.
    """

    output: str
    batch: int
    threads: int
    largest: float
    relative: float

    @property
    def agrees(self) -> bool:
        """Whether it is small enough; NaN is not."""
        return self.relative <= CLOSE

    def __str__(self) -> str:
        return f"{self.output} by {self.relative:.1e} at batch {self.batch} with {self.threads} threads"


def session(model: bytes, threads: int = 1) -> Any:
    """An ONNX model in ONNX Runtime, on the CPU."""
    onnxruntime: Any = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: Any, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a session by name; ``inputs`` in the order of the file."""
    names = [value.name for value in session.get_inputs()]
    try:
        outputs = session.run(None, dict(zip(names, inputs, strict=True)))
    except Exception as error:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in zip(names, inputs, strict=True))
        raise EcrnnError(f"ONNX Runtime does not run the exported file on {shapes}: {str(error)[:300]}") from error
    return dict(zip((value.name for value in session.get_outputs()), outputs, strict=True))


def differences(model: bytes, form: Exportable, examples: Sequence[Any]) -> list[Difference]:
    """How far the file is from the model at each batch of `BATCHES` with each number of `THREADS`.

    Args:
        model: content of the file.
        form: of the model.
        examples: as the predictor takes them, at least one; where there are too few for a batch they come again.
    """
    found: list[Difference] = []
    batches = [[examples[(start + i) % len(examples)] for i in range(n)] for start, n in enumerate(BATCHES)]
    for threads in THREADS:
        opened = session(model, threads)
        for batch in batches:
            expected = form.answers(batch)
            found += _compared(expected, run(opened, form.collate(batch)), len(batch), threads)
    return found


def _compared(
    expected: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], batch: int, threads: int
) -> Iterator[Difference]:
    for name, values in expected.items():
        output = outputs[name]
        if output.shape != values.shape:
            raise EcrnnError(f"output '{name}' of the exported file is {output.shape}, and should be {values.shape}")
        largest = float(np.abs(output.astype(np.float64) - values).max(initial=0))
        yield Difference(name, batch, threads, largest, largest / max(1.0, float(np.abs(values).max(initial=0))))


@dataclass(frozen=True)
class ImageDifferences:
    """How far the file's own preparation of whole images is from the predictor's.

    Attributes:
        images: number of images.
        levels: largest difference of a pixel, of 255.
        share: of the pixels that differ at all.
        probabilities: largest difference of an answer that comes of it.
        answers: of the file from the model, on the pixels that the file has prepared.
    """

    images: int
    levels: int
    share: float
    probabilities: float
    answers: list[Difference]


def image_differences(before: bytes, whole: bytes, form: Exportable, images: Sequence[np.ndarray]) -> ImageDifferences:
    """How far a file that takes whole images is from the model.

    Args:
        before: the graph that prepares an image, alone.
        whole: content of the file.
        form: of the model.
        images: uint8 (height, width, 3), at least one.
    """
    preparing, opened = session(before), session(whole)
    levels, unlike, values, changed = 0, 0, 0, 0.0
    answers: list[Difference] = []
    for image in images:
        expected = form.of_image(image)
        pixels = run(preparing, [image[None]])[OUTPUT]
        if pixels.size != expected.size:
            raise EcrnnError(f"the exported file makes {pixels.shape} of an image, and should make {expected.shape}")
        pixels = pixels.reshape(expected.shape)
        apart = np.abs(pixels.astype(int) - expected)
        levels, unlike, values = max(levels, int(apart.max())), unlike + int((apart > 0).sum()), values + apart.size
        outputs = run(opened, [image[None]])
        answers += _compared(form.answers([pixels]), outputs, 1, 1)
        exact = form.answers([expected])["probabilities"]
        changed = max(changed, float(np.abs(outputs["probabilities"] - exact).max()))
    return ImageDifferences(len(images), levels, unlike / values, changed, answers)


def refuse_unlike_images(found: ImageDifferences, name: str) -> None:
    """As `refuse_unlike`, of whole images: their pixels may be `LEVELS` apart."""
    if found.levels > LEVELS:
        fault = f"it makes pixels of an image that differ by up to {found.levels} of 255 levels from the model's"
        raise EcrnnError(f"{name} is not written: in ONNX Runtime {fault}, and at most {LEVELS} is allowed")
    refuse_unlike(found.answers, name)


def refuse_unlike(found: Sequence[Difference], name: str) -> None:
    """Raise an EcrnnError that says the differences if any is too large.

    Args:
        found: of all batches.
        name: of the file that is not written then.
    """
    unlike = [difference for difference in found if not difference.agrees]
    if unlike:
        worst = sorted(unlike, key=lambda difference: -np.nan_to_num(difference.relative, nan=np.inf))[:3]
        more = f" and {len(unlike) - 3} more" if len(unlike) > 3 else ""
        raise EcrnnError(
            f"{name} is not written: in ONNX Runtime it differs from the model in {'; '.join(map(str, worst))}{more}, "
            f"and at most {CLOSE:.0e} is allowed"
        )


def plain(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """The differences as plain data for JSON."""
    return [asdict(difference) for difference in found]
