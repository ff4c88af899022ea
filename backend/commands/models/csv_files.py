"""CSV and TSV files of texts: answers become columns, lists in them are JSON."""

import codecs
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from backend.commands.models.tables import Work, blocks, kept_names
from backend.errors import TableError

# Delimiters that are tried in this order: the first with which the header has the column of the texts.
DELIMITERS = (",", ";", "\t")
# csv's default limit, 128 KiB a cell, is less than a long text.
_CELL_CHARACTERS = min(sys.maxsize, 2**31 - 1)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def classify_csv(source: Path, target: Path, work: Work) -> int:
    """Write a CSV file again, with answers.

    Args:
        source: CSV in UTF-8, with a header.
        target: where to write; of the same form, with a byte order mark if the source has one.
        work: the column of the texts, and how to answer them.

    Returns:
        Number of texts.

    Raises:
        TableError: the file is not such a CSV; the message names the line.
    """
    csv.field_size_limit(_CELL_CHARACTERS)
    delimiter = _delimiter(source, work)
    count, total = 0, source.stat().st_size
    try:
        with _open(source) as opened, target.open("w", encoding=_encoding(source), newline="") as written:
            rows = _rows(source, opened, delimiter)
            header = next(rows)
            names, columns = kept_names(header, work.columns()), work.columns()
            writer = csv.writer(_Lines(written), delimiter=delimiter)
            writer.writerow([*(names[name] for name in header), *columns])
            place = header.index(work.text_column)
            for block in blocks(rows):
                answers = work.answer([row[place] for row in block])
                for row, answer in zip(block, answers, strict=True):
                    writer.writerow([*row, *(_cell(answer[question][key]) for question, key in columns.values())])
                count += len(block)
                work.on_progress(opened.buffer.tell(), total)
    except UnicodeDecodeError as error:
        raise TableError(not_utf_8(source)) from error
    return count


def not_utf_8(source: Path) -> str:
    """Say that a file is not UTF-8, and how to make it so."""
    return f"{source} is not UTF-8: save it as UTF-8, for example with iconv -f latin1 -t utf-8"


class _Lines:
    """A file of lines for a `csv.writer` that ends its rows in CR LF.

    Such a writer quotes cells that hold a CR. With LF alone at the end of a row it would not, and every reader would
    take the CR for the end of the row.
    """

    def __init__(self, opened: TextIO) -> None:
        self._opened = opened

    def write(self, row: str) -> None:
        """Write one whole row; it ends in LF."""
        self._opened.write(row.removesuffix("\r\n") + "\n")


def _open(source: Path) -> TextIO:
    return source.open(encoding="utf-8-sig", newline="")


def _rows(source: Path, opened: TextIO, delimiter: str) -> Iterator[list[str]]:
    """Yield the header, then every row that is not blank, filled up to the header's width."""
    reader = csv.reader(opened, delimiter=delimiter, strict=True)
    width = 0
    try:
        for row in reader:
            if width and len(row) > width:
                raise TableError(f"{source}, line {reader.line_num}: {len(row)} cells, and the header has {width}")
            if row:
                yield [*row, *[""] * (width - len(row))]
            width = width or len(row)
    except csv.Error as error:
        raise TableError(f"{source}, line {reader.line_num}: {error}") from error


def _delimiter(source: Path, work: Work) -> str:
    """Return the delimiter: the first candidate with which the header has the column of the texts."""
    with source.open("rb") as opened:
        if opened.read(2) in _UTF_16:
            raise TableError(f"{source} is UTF-16: save it as UTF-8, for example with iconv -f utf-16 -t utf-8")
    headers = {delimiter: _header(source, delimiter) for delimiter in DELIMITERS}
    likeliest = max(DELIMITERS, key=lambda one: len(headers[one]))
    found = next((one for one in DELIMITERS if work.text_column in headers[one]), likeliest)
    work.check_column(source, headers[found])
    repeated = [name for name in headers[found] if headers[found].count(name) > 1]
    if repeated:
        raise TableError(f"{source} has several columns {repeated[0]!r}: give each a name of its own")
    return found


def _header(source: Path, delimiter: str) -> list[str]:
    try:
        with _open(source) as opened:
            header = next(_rows(source, opened, delimiter), None)
    except UnicodeDecodeError as error:
        raise TableError(not_utf_8(source)) from error
    if header is None:
        raise TableError(f"{source} is empty: it needs a line with the names of its columns")
    return header


def _encoding(source: Path) -> str:
    with source.open("rb") as opened:
        return "utf-8-sig" if opened.read(3) == codecs.BOM_UTF8 else "utf-8"


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
