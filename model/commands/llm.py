"""Commands for whoever asks an LLM by hand: `prompt` prints the question, `parse` reads the answer."""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from model.commands.terminal import console, errors_in_a_sentence
from model.errors import InvalidGoldError, ShortlistError, UnreadableAnswerError
from model.llm.asking import Question, as_text, build_selection_prompt
from model.llm.reading import read_picked_numbers
from model.types import LabelSet

Row = tuple[str, tuple[str, ...]]
# From this count on, numbers are not all in the upper half by chance.
MANY = 8


def prompt(
    data: Annotated[Path, typer.Option(help='Texts to choose from: JSON lines of {"text"}; labels may be there.')],
    select: Annotated[int, typer.Option(min=1, help="How many to choose.")] = 32,
    show: Annotated[int, typer.Option(min=1, help="How many texts to show.")] = 200,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw the texts, and say which on stderr; default: the first, in order.")
    ] = None,
    title: Annotated[str, typer.Option(help="What the project is called.")] = "",
    description: Annotated[str, typer.Option(help="What the labels mean, and what they are for.")] = "",
    labels: Annotated[str, typer.Option(help="With commas between them; default: those in the file.")] = "",
    context: Annotated[int, typer.Option(min=1, help="Most tokens of question and answer together.")] = 32_000,
) -> None:
    """Print the question by which an LLM chooses the first texts to label, for a chat window."""
    with errors_in_a_sentence():
        rows = list(_rows(data))
        texts, known = [text for text, _ in rows], sorted({label for _, several in rows for label in several})
        chosen = tuple(label.strip() for label in labels.split(",") if label.strip()) or tuple(known)
        label_set = LabelSet(chosen, any(len(several) > 1 for _, several in rows))
        shown = _shown(len(texts), show, seed)
        question = Question(title, description, label_set)
        print(as_text(build_selection_prompt(question, texts, shown, select, context).messages))
        if seed is not None:
            console.print(f"Numbers 0, 1, 2 … are these texts of {data}, counted from 0: {shown}", soft_wrap=True)


def parse(
    select: Annotated[int, typer.Option(min=1, help="How many were asked for; further ones are cut off.")] = 32,
    presented: Annotated[
        int | None, typer.Option(min=1, help="How many texts were shown; numbers of others are left out.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help='Read many answers from here: JSON lines of {"answer", "select", "presented"}.')
    ] = None,
) -> None:
    """Read an LLM's answer from stdin, and print the numbers that it chooses as a JSON list."""
    with errors_in_a_sentence():
        if jsonl is None:
            answer = typer.get_binary_stream("stdin").read().decode("utf-8", "replace")
            print(json.dumps(_chosen(answer, select, presented)))
            return
        for _, raw in _json_lines(jsonl, UnreadableAnswerError):
            print(json.dumps(_chosen_or_none(raw, select, presented)))


def _shown(n_texts: int, show: int, seed: int | None) -> list[int]:
    if seed is None:
        return list(range(min(show, n_texts)))
    rows: list[int] = np.random.default_rng(seed).permutation(n_texts)[:show].tolist()
    return rows


def _rows(file: Path) -> Iterator[Row]:
    """Every text, with its labels if it has some."""
    found = False
    for where, raw in _json_lines(file, InvalidGoldError):
        found = True
        text = raw.get("text")
        if not isinstance(text, str) or not text.strip():
            raise InvalidGoldError(f'{where}: needs a "text" with words in it')
        labels = raw.get("labels") or [raw.get("label")]
        yield text, tuple(label for label in labels if isinstance(label, str) and label)
    if not found:
        raise InvalidGoldError(f"{file} has no lines")


def _json_lines(file: Path, unreadable: type[ShortlistError]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's place, for errors, and its object."""
    content = file.read_bytes()
    try:
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise unreadable(f"{where} is not JSON ({error})") from error
        if not isinstance(raw, dict):
            raise unreadable(f"{where} is not a JSON object")
        yield where, raw


def _chosen_or_none(raw: dict[str, Any], select: int, presented: int | None) -> list[int] | None:
    answer = raw.get("answer")
    if not isinstance(answer, str):
        return None
    try:
        return _chosen(answer, _whole(raw.get("select")) or select, _whole(raw.get("presented")) or presented)
    except UnreadableAnswerError:
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _chosen(answer: str, select: int, presented: int | None) -> list[int]:
    """Return the first numbers of an answer, without numbers of texts that were not shown.

    Raises:
        UnreadableAnswerError: none is left.
    """
    numbers = read_picked_numbers(answer, select, presented).numbers
    within = _within(numbers, presented)
    if not within:
        raise UnreadableAnswerError(f"none of the {len(numbers)} numbers is one of the {presented} texts shown")
    return list(within[:select])


def _within(numbers: Sequence[int], presented: int | None) -> Sequence[int]:
    """Leave out numbers beyond the last.

    Whoever counted the texts may be one off, so that the number after the last is kept. Where many numbers leave out
    the whole lower half and yet lie no further apart than texts were shown, counting did not begin at 0: all are kept.
    """
    if presented is None:
        return numbers
    is_elsewhere = 2 * min(numbers) > presented and max(numbers) - min(numbers) <= presented
    if is_elsewhere and len(numbers) >= MANY:
        return numbers
    return [number for number in numbers if number <= presented]
