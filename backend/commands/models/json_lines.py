"""JSON lines of texts: an object a line; answers become entries of it."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from backend.commands.models.csv_files import not_utf_8
from backend.commands.models.tables import Work, as_text, blocks, kept_names
from backend.errors import TableError
from backend.web.answering import joined


def classify_json_lines(source: Path, target: Path, work: Work) -> int:
    """Write a file of JSON lines again, with answers.

    Args:
        source: a JSON object a line, in UTF-8; blank lines are left out.
        target: where to write.
        work: the key of the texts, and how to answer them.

    Returns:
        Number of texts.

    Raises:
        TableError: a line is no JSON object, or has no text; the message names the line.
    """
    count, total = 0, source.stat().st_size
    with source.open("rb") as opened, target.open("wb") as written:
        for block in blocks(_rows(source, opened)):
            texts = [_text(source, number, row, work) for number, row in block]
            for (_, row), answers in zip(block, work.answer(texts), strict=True):
                written.write(_line(row, joined(answers)))
            count += len(block)
            work.on_progress(opened.tell(), total)
    return count


def _rows(source: Path, opened: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's number and object."""
    for number, line in enumerate(opened, start=1):
        content = line.removeprefix(codecs.BOM_UTF8).strip() if number == 1 else line.strip()
        if content:
            yield number, _row(source, number, content)


def _row(source: Path, number: int, content: bytes) -> dict[str, Any]:
    try:
        row = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise TableError(not_utf_8(source)) from error
    except (ValueError, RecursionError) as error:
        if number == 1 and content.startswith(b"["):
            raise TableError(_one_array(source)) from error
        raise TableError(f"{source}, line {number} is no JSON ({error})") from error
    if number == 1 and isinstance(row, list):
        raise TableError(_one_array(source))
    if not isinstance(row, dict):
        raise TableError(f'{source}, line {number} is no JSON object: it needs {{"text": …}}')
    return row


def _one_array(source: Path) -> str:
    return f"{source} is one JSON array: write an object a line, for example with jq -c '.[]'"


def _text(source: Path, number: int, row: dict[str, Any], work: Work) -> str:
    where = f"{source}, line {number}"
    work.check_column(where, list(row))
    return as_text(row[work.text_column], where)


def _line(row: dict[str, Any], answer: dict[str, Any]) -> bytes:
    names = kept_names(row, answer)
    whole = {**{names[name]: value for name, value in row.items()}, **answer}
    try:
        return f"{json.dumps(whole, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        # UTF-8 cannot hold half a surrogate pair, but JSON can, as an escape.
        return f"{json.dumps(whole)}\n".encode()
