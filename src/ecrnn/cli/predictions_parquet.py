"""Predictions as Parquet: the columns of the CSV, and "error" for what could not be predicted. It needs PyArrow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

from ecrnn.cli.predicted import Prediction, Shape, class_columns, lead_names
from ecrnn.core.errors import EcrnnError

ROWS = 8192  # of a row group, which lies in memory


def check_parquet() -> Any:
    """PyArrow.

    Raises:
        EcrnnError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise EcrnnError(
            "--format parquet needs the package pyarrow, which comes with: pip install 'ecrnn[parquet]'"
        ) from error
    return pyarrow


def write_parquet(predictions: Iterator[Prediction], shape: Shape, file: IO[bytes]) -> None:
    """Write the predictions into an open file, `ROWS` at a time."""
    pa = check_parquet()
    lead = [*lead_names(shape), "error"]
    types = {"rejected": pa.bool_()}
    fields = [(name, types.get(name, pa.string())) for name in lead]
    schema = pa.schema([*fields, *((name, pa.float64()) for name in class_columns(shape, lead))])
    with pa.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(predictions, ROWS)):
            rows = [_row(one, shape) for one in some]
            columns = [
                pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _row(one: Prediction, shape: Shape) -> list[Any]:
    name, error = _unicode(one.input), _unicode(one.error) or None
    if one.probabilities is None:
        flag = [None] * (shape.least is not None and bool(shape.classes))
        return [name, None if one.error else one.text, *flag, error, *[None] * len(shape.classes)]
    rejected = shape.rejects(one)
    best = None if rejected else shape.classes[int(one.probabilities.argmax())]
    flags = [] if shape.least is None else [rejected]
    return [name, best, *flags, error, *one.probabilities.tolist()]


def _unicode(text: str) -> str:
    """Names of files whose bytes are not UTF-8 with those bytes written out."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
