"""Parquet files of texts, where pyarrow is installed: answers become columns."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from backend.commands.models.tables import BLOCK, Work, as_text, kept_names
from backend.errors import TableError

# Blocks of one row group: a file of many small groups is slow to read.
_BLOCKS_A_GROUP = 16


def classify_parquet(source: Path, target: Path, work: Work) -> int:
    """Write a Parquet file again, with answers.

    Args:
        source: a Parquet file.
        target: where to write.
        work: the column of the texts, and how to answer them.

    Returns:
        Number of texts.

    Raises:
        TableError: pyarrow is not installed, or the file is no Parquet file with such a column.
    """
    arrow, parquet = _pyarrow()
    try:
        file = parquet.ParquetFile(source)
    except arrow.ArrowInvalid as error:
        raise TableError(f"{source} is no Parquet file ({error})") from error
    with file:
        work.check_column(source, file.schema_arrow.names)
        schema = _schema(arrow, file.schema_arrow, work)
        done, total = 0, file.metadata.num_rows
        with parquet.ParquetWriter(target, schema) as writer:
            group: list[Any] = []
            for batch in file.iter_batches(batch_size=BLOCK):
                group.append(_answered(arrow, batch, schema, work))
                done += batch.num_rows
                work.on_progress(done, total)
                if len(group) == _BLOCKS_A_GROUP:
                    writer.write_table(arrow.Table.from_batches(group))
                    group = []
            writer.write_table(arrow.Table.from_batches(group, schema))
    return done


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise TableError(
            "Parquet files need pyarrow, which is not installed: .venv/bin/python -m pip install pyarrow, "
            "or give a CSV file or JSON lines"
        ) from error


def _schema(arrow: Any, given: Any, work: Work) -> Any:
    """The columns of the input, with their types, then those of the answers."""
    columns = work.columns()
    names = kept_names(given.names, columns)
    types = {
        "label": arrow.string(),
        "probability": arrow.float64(),
        "labels": arrow.list_(arrow.string()),
        "probabilities": arrow.list_(arrow.float64()),
    }
    kept = [field.with_name(names[field.name]) for field in given]
    return arrow.schema([*kept, *(arrow.field(name, types[key]) for name, (_, key) in columns.items())])


def _answered(arrow: Any, batch: Any, schema: Any, work: Work) -> Any:
    texts = list(_texts(batch, work.text_column))
    answers = work.answer(texts)
    ours = [
        arrow.array([answer[question][key] for answer in answers], schema.field(name).type)
        for name, (question, key) in work.columns().items()
    ]
    return arrow.RecordBatch.from_arrays([*batch.columns, *ours], schema=schema)


def _texts(batch: Any, column: str) -> Iterator[str]:
    for value in batch.column(column).to_pylist():
        yield as_text(value, f"column {column!r}")
