"""`classify`: classify a file of texts by a project's model."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backend.commands.model_dir import check_model_dir
from backend.commands.models.csv_files import classify_csv
from backend.commands.models.json_lines import classify_json_lines
from backend.commands.models.loading import LoadedModel, load_model
from backend.commands.models.parquet_files import classify_parquet
from backend.commands.models.tables import Work
from backend.commands.terminal import JsonOption, ProjectOption, answer, errors, say, settings_of_command
from backend.errors import RedisUnavailableError, TableError, UnknownQuestionError
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.web.answering import Answers
from backend.web.questions import Questions, no_model, questions_of
from backend.work.queue import RoundQueue
from backend.work.redis_access import embedded_url, open_redis
from model.encoder.inference import score_texts
from model.encoder.processor import available_cores
from model.export.answers import plain_answers
from model.files.writing import replacing
from model.leftovers import sweep_beside

FORMATS: dict[str, Callable[[Path, Path, Work], int]] = {
    ".csv": classify_csv,
    ".tsv": classify_csv,
    ".jsonl": classify_json_lines,
    ".ndjson": classify_json_lines,
    ".parquet": classify_parquet,
}


def classify(
    project: ProjectOption,
    source: Annotated[Path, typer.Option("--in", help="Texts: .csv, .tsv, .jsonl or .parquet.")],
    out: Annotated[Path, typer.Option(help="File to write: all of --in, with answers; an existing file is replaced.")],
    text_column: Annotated[str, typer.Option(help="The column, or JSON key, with the texts.")] = "text",
    question: Annotated[str, typer.Option(help="Name of a control; default: all questions of the project.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Model version; default: the one in use.")] = 0,
    *,
    json_out: JsonOption = False,
) -> None:
    """Classify the texts of a file; everything else in the file stays.

    Example: python -m backend classify --project 3 --in texts.csv --out answers.csv
    """
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=False)
        questions = questions_of(ProjectFolder(settings.model_dir, project))
        convert = _format(source, out)
        models, missing = _load(questions, question, version)
        if missing:
            say(f"Left out, because it has no model version yet: {', '.join(missing)}", is_aside=json_out)
        began, answerer = time.monotonic(), _answerer(settings, questions, models)
        sweep_beside(out)
        with replacing(out) as beside, _bar() as on_progress:
            forms = {model.question.name: model.form for model in models}
            texts = convert(source, beside, Work(text_column, forms, answerer, on_progress))
        seconds = max(time.monotonic() - began, 0.001)
        numbers = {model.question.name: model.version.number for model in models}
        named = ", ".join(f"{number} ({name})" for name, number in numbers.items())
        answer(
            {"project": project, "file": str(out), "texts": texts, "models": numbers, "left_out": missing},
            f"Wrote {texts:,} texts to {out} in {seconds:.0f} s, {texts / seconds:,.0f} a second; "
            f"model version {named}",
            as_json=json_out,
        )


def _format(source: Path, out: Path) -> Callable[[Path, Path, Work], int]:
    """Check the names of the files, and return the function that converts their kind.

    Raises:
        TableError: a file cannot be read or written; the message says why.
    """
    kinds = ", ".join(FORMATS)
    if source.suffix.lower() not in FORMATS:
        raise TableError(f"--in {source}: the name must end in one of {kinds}")
    if source.suffix.lower() != out.suffix.lower():
        raise TableError(f"--out {out}: the name must end in {source.suffix}, as that of --in")
    if not source.is_file():
        raise TableError(f"--in {source} is {'no file' if source.exists() else 'not there'}: name a file with texts")
    if out.exists() and not out.is_file():
        raise TableError(f"--out {out} is no file: name a file")
    if out.exists() and os.path.samefile(source, out):
        raise TableError(f"--out {out} is the file of --in: name another file, so that the texts stay")
    return FORMATS[source.suffix.lower()]


def _load(questions: Questions, name: str, number: int) -> tuple[list[LoadedModel], list[str]]:
    """Load the model version of one question, or of each question that has one.

    Args:
        questions: the project's.
        name: control of the question; empty for all.
        number: which version; 0 for the one in use.

    Returns:
        The loaded models, and the names of the questions without a model version.

    Raises:
        NoModelError: no question has a model version.
        UnknownQuestionError: there is no such question, or `number` is given without `name`.
        VersionError: there is no such version.
    """
    if number and not name and len(questions.asked) > 1:
        raise UnknownQuestionError("each question has model versions of its own: name the question with --question")
    asked = [questions.find(name)] if name or number else questions.asked
    with errors.status("Loading the model version …"):
        found = [load_model(each, number) for each in asked]
    models = [model for model in found if model is not None]
    if not models:
        raise no_model(asked[0].folder)
    return models, [each.name for each, model in zip(asked, found, strict=True) if model is None]


def _answerer(
    settings: Settings, questions: Questions, models: Sequence[LoadedModel]
) -> Callable[[Sequence[str]], list[Answers]]:
    def answer_all(texts: Sequence[str]) -> list[Answers]:
        torch.set_num_threads(_threads(settings))
        read = questions.read(texts)
        by_question = [_answers(model, read) for model in models]
        names = [model.question.name for model in models]
        return [dict(zip(names, answers, strict=True)) for answers in zip(*by_question, strict=True)]

    return answer_all


def _answers(model: LoadedModel, read: Sequence[str]) -> list[dict[str, object]]:
    proba_N_C = score_texts(model.classifier, read).proba_N_C
    return list(plain_answers(read, proba_N_C, model.version.label_set.labels, model.form))


def _threads(settings: Settings) -> int:
    """Return the number of threads: all cores, or one while a round runs on this machine's backend."""
    if not settings.redis_url and not embedded_url(settings.model_dir):
        return available_cores()
    try:
        return 1 if RoundQueue(open_redis(settings)).anybody_runs() else available_cores()
    except RedisUnavailableError:
        return available_cores()


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal, and remove it at the end."""
    columns = (
        TextColumn("Classifying"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
