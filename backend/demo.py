"""`make demo`: a real Label Studio, the backend, and an annotator who labels in the order served, beside random."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from backend.demo_servers import DemoServers, start_servers
from backend.store.project_folder import ProjectFolder
from backend.studio.connecting import connect_project
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from model.encoder.bert import TextClassifier, new_classifier
from model.encoder.inference import embed_texts, score_texts
from model.encoder.processor import use_available_cores
from model.errors import ShortlistError
from model.learner.evaluation import accuracy, majority_share
from model.learner.knowledge import MOST_POOL
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, StepProgress, train, train_on_names
from model.tasks.label_names import label_texts
from model.types import Background, FloatArray, LabelSet, Targets, TrainingData

EXAMPLES = Path(__file__).parents[1] / "examples" / "banking8"
ROUNDS = 3
# A training is due after so many (RETRAIN_EVERY).
LABELS_A_ROUND = 16
LOGS = "the logs are in demo-data/"
CAPTION = (
    "Accuracy on held-out texts; the commonest intent alone would give {majority:.0%}. With 0 labels the classifier "
    "knows label names and unlabelled texts alone. One run of each: a few points either way are chance."
)
ROUND_TIMEOUT_S = 300.0
_SEED = 0
_POLL_S = 0.2


class DemoError(ShortlistError):
    """The demo cannot go on."""

    code = "demo"


@dataclass(frozen=True)
class Gold:
    """Texts with their right labels."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def targets(self, label_set: LabelSet, rows: Sequence[int]) -> Targets:
        """Some of the texts as training targets."""
        one_hot_C_C = np.eye(len(label_set.labels), dtype=np.float32)
        return Targets(
            task_ids=tuple(rows),
            texts=tuple(self.texts[row] for row in rows),
            targets_N_C=one_hot_C_C[[label_set.labels.index(self.labels[row]) for row in rows]],
            label_set=label_set,
        )


@dataclass(frozen=True)
class Row:
    """One line of the table: how things stood after a round."""

    labels: int
    version: str
    accuracy: float | None = None
    random_accuracy: float | None = None
    next_text: str = ""
    next_reason: str = ""


def run_demo(console: Console, label_studio: Path, exit_after: bool) -> None:
    """Run the whole story; see the module's first line.

    Raises:
        DemoError: a server does not start, or a round does not end; the message names the log to read.
    """
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    use_available_cores()
    pool, heldout = _read("pool"), _read("heldout")
    label_set = LabelSet(tuple(sorted(set(pool.labels))), is_multilabel=False)
    try:
        with start_servers(console, label_studio) as servers:
            project_id = _create_project(console, servers, pool, label_set)
            annotator = Annotator(servers, project_id, dict(zip(pool.texts, pool.labels, strict=True)))
            Story(console, annotator, Learner(pool, heldout, label_set)).tell()
            console.print(f"\nDone in {time.monotonic() - began:.0f} s.")
            if not exit_after:
                _leave_running(console, servers, project_id)
    except KeyboardInterrupt:
        console.print("\nStopped. What the demo made stays in demo-data/ until the next demo.")


def _read(name: str) -> Gold:
    lines = (EXAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return Gold(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows))


def _create_project(console: Console, servers: DemoServers, pool: Gold, label_set: LabelSet) -> int:
    """A project with the example texts, connected to the backend as a person would connect it."""
    choices = "".join(f'<Choice value="{label}"/>' for label in label_set.labels)
    config = f'<View><Text name="text" value="$text"/><Choices name="intent" toName="text">{choices}</Choices></View>'
    with console.status("Creating a project with 1,000 questions of bank customers"):
        project = servers.client.projects.create(title="Bank customers' intents", label_config=config)
        project_id = int(project.id)
        servers.client.projects.import_tasks(project_id, request=[{"text": text} for text in pool.texts])
    console.print(connect_project(servers.settings, project_id, servers.backend_url), soft_wrap=True)
    return project_id


class Annotator:
    """Labels what Label Studio serves next, rightly, as a person with all the time in the world."""

    def __init__(self, servers: DemoServers, project_id: int, gold: dict[str, str]) -> None:
        self.folder = ProjectFolder(servers.settings.model_dir, project_id)
        self.labelled: list[str] = []
        self._servers = servers
        self._project_id = project_id
        self._gold = gold
        self._rounds = RoundQueue(open_redis(servers.settings))

    def next_task(self) -> dict[str, Any]:
        """What Label Studio would show now."""
        task: dict[str, Any] = self._servers.get(f"api/projects/{self._project_id}/next")
        return task

    def label_one(self) -> None:
        """Open the next task and submit its label."""
        task = self.next_task()
        text = task["data"]["text"]
        choice = {"from_name": "intent", "to_name": "text", "type": "choices", "value": {"choices": [self._gold[text]]}}
        self._servers.client.annotations.create(task["id"], result=[choice])
        self.labelled.append(text)

    def next_and_why(self) -> tuple[str, str]:
        """The next text, and the ordering hook's reason for it."""
        task = self.next_task()
        publication = self.folder.publication()
        place = publication.places.get(task["id"]) if publication is not None else None
        reason = publication.reasons_N[place] if publication is not None and place is not None else "not in the order"
        return task["data"]["text"], reason

    def await_model(self, number: int, on_wait: Callable[[str], None]) -> None:
        """Wait until model version `number` is in use.

        Raises:
            DemoError: the round failed or takes too long.
        """
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while not self._has_model(number):
            state = self._rounds.state(self._project_id)
            if state.last_error or time.monotonic() > deadline:
                raise DemoError(f"no model version {number}: {state.last_error or 'it takes too long'} ({LOGS})")
            done = f" {state.progress['done']}/{state.progress['total']}" if state.progress else ""
            on_wait(f"{state.state}{done}")
            time.sleep(_POLL_S)

    def _has_model(self, number: int) -> bool:
        current = self.folder.registry.current()
        has_order = self.folder.published_name().startswith(f"{number}.")
        return has_order and (number == 0 or (current is not None and current.number == number))


class Learner:
    """The learner that ships, without Label Studio: on no label at all, and on random ones; and the held-out texts."""

    def __init__(self, pool: Gold, heldout: Gold, label_set: LabelSet) -> None:
        self._pool = pool
        self._heldout = heldout.targets(label_set, range(len(heldout.texts)))
        self._label_set = label_set
        self._random_rows = np.random.default_rng(_SEED).permutation(len(pool.texts)).tolist()
        self._background = Background(label_texts(label_set.labels), pool.texts[:MOST_POOL])
        self._config = TrainingConfig()
        self._embeddings: dict[str, FloatArray] = {}

    @property
    def majority(self) -> float:
        """What always answering the commonest label would give on held-out texts."""
        return majority_share(self._heldout.targets_N_C)

    def accuracy_of(self, classifier: TextClassifier) -> float:
        """On held-out texts."""
        return accuracy(score_texts(classifier, self._heldout.texts).proba_N_C, self._heldout.targets_N_C)

    def accuracy_on_names(self) -> float | None:
        """With label names and pool alone; None if no name says anything."""
        named = train_on_names(self._pool.targets(self._label_set, []), self._start, self._background)
        return None if named is None else self.accuracy_of(named.classifier)

    def accuracy_on_random(self, labels: int, on_step: StepProgress) -> float:
        """With that many labels drawn at random; the first of them are the same every time."""
        targets = self._pool.targets(self._label_set, self._random_rows[:labels])
        trained = train(TrainingData(targets, background=self._background), self._config, self._start, on_step)
        return self.accuracy_of(trained.classifier)

    @cached_property
    def _start(self) -> Start:
        """What every training begins from, read once."""
        return Start(new_classifier(self._config.encoder, self._label_set), self._embed)

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        """What the encoder says of texts before any training; each is read once."""
        classifier = self._start.classifier
        missing = [text for text in dict.fromkeys(texts) if text not in self._embeddings]
        self._embeddings.update(zip(missing, embed_texts(classifier, missing), strict=True))
        rows = [self._embeddings[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, classifier.head.in_features), dtype=np.float32)


class Story:
    """Labels in rounds and shows, round by round, what the labels are worth."""

    def __init__(self, console: Console, annotator: Annotator, learner: Learner) -> None:
        self._console = console
        self._annotator = annotator
        self._learner = learner
        self._rows: list[Row] = []
        self._doing = ""

    def tell(self) -> None:
        """Label, wait for the model, measure it, and train its random twin; a few times."""
        with self._shown():
            self._annotator.await_model(0, self._say("ordering the first texts"))
            self._measure_names()
            for number in range(1, ROUNDS + 1):
                self._label_until_trained(number)
                self._measure(number)
                self._train_random_twin()
            self._doing = ""

    def _label_until_trained(self, number: int) -> None:
        """As many labels as a training is due after; then wait for it, as a person would go on labelling."""
        for _ in range(LABELS_A_ROUND):
            self._say("labelling")(f"{len(self._annotator.labelled) + 1}")
            self._annotator.label_one()
        self._annotator.await_model(number, self._say("BERT in the background"))

    def _measure_names(self) -> None:
        """The row of 0 labels: no order has a part in it, so nothing stands beside it."""
        self._say("measuring label names alone")("on held-out texts")
        self._add(Row(0, self._annotator.folder.published_name(), self._learner.accuracy_on_names()))
        self._print_last()

    def _measure(self, number: int) -> None:
        self._say("measuring")("on held-out texts")
        classifier = self._annotator.folder.registry.find(number).load()
        version = self._annotator.folder.published_name()
        self._add(Row(len(self._annotator.labelled), version, self._learner.accuracy_of(classifier)))

    def _train_random_twin(self) -> None:
        """The same learner on as many labels, drawn at random: what the order is worth is the difference."""
        say = self._say("the same learner on as many random labels")
        labels = len(self._annotator.labelled)
        score = self._learner.accuracy_on_random(labels, lambda step, steps, _: say(f"{step}/{steps}"))
        self._replace_last(random_accuracy=score)
        self._print_last()

    def _add(self, row: Row) -> None:
        text, reason = self._annotator.next_and_why()
        self._rows.append(replace(row, next_text=text, next_reason=reason))
        self._refresh()

    def _replace_last(self, **changes: Any) -> None:
        self._rows[-1] = replace(self._rows[-1], **changes)
        self._refresh()

    def _print_last(self) -> None:
        """On paper there is no table to look at before the end."""
        if not self._console.is_terminal:
            self._console.print(_line(self._rows[-1]), soft_wrap=True)

    def _say(self, doing: str) -> Callable[[str], None]:
        def say(how_far: str) -> None:
            line = f"{doing}: {how_far}"
            if not self._console.is_terminal and doing != self._doing.split(":")[0]:
                self._console.print(f"… {line}", soft_wrap=True)
            self._doing = line
            self._refresh()

        return say

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """A table that grows in place; on paper, lines as they come and the table at the end."""
        with Live(console=self._console, auto_refresh=False, transient=False) as self._live:
            yield
            self._refresh()

    def _refresh(self) -> None:
        if self._console.is_terminal or not self._doing:
            status = Text(f"… {self._doing}" if self._doing else "")
            self._live.update(Group(_table(self._rows, self._learner.majority), status), refresh=True)


def _table(rows: Sequence[Row], majority: float) -> Table:
    table = Table(title="What the labels are worth", caption=CAPTION.format(majority=majority), box=SIMPLE, expand=True)
    table.caption_justify = "left"
    for heading in ("labels", "version", "accuracy", "random"):
        table.add_column(heading, justify="right")
    table.add_column("next text", no_wrap=True, overflow="ellipsis", ratio=4)
    table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=3)
    for row in rows:
        accuracies = (_percent(row.accuracy), _percent(row.random_accuracy))
        table.add_row(str(row.labels), row.version, *accuracies, escape(_cut(row.next_text)), escape(row.next_reason))
    return table


def _line(row: Row) -> str:
    return (
        f"labels {row.labels} · model version {row.version} · accuracy {_percent(row.accuracy)} "
        f"· random order {_percent(row.random_accuracy)} · next: {_cut(row.next_text)!r} ({row.next_reason})"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _cut(text: str, characters: int = 80) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= characters else one_line[: characters - 1] + "…"


def _leave_running(console: Console, servers: DemoServers, project_id: int) -> None:
    """Say where everything is, and wait for Ctrl-C."""
    console.print(
        f"\nLabel Studio   {servers.label_studio_url}/projects/{project_id}\n"
        f"sign in as     {servers.email}\n"
        f"password       {servers.password}\n"
        f"backend        {servers.backend_url}/projects/{project_id}/status\n\n"
        "What to try:\n"
        "  · Label All Tasks: texts come in the published order, the model's answer preselected.\n"
        f"  · Label {LABELS_A_ROUND} more: BERT is retrained while you go on, and the order changes.\n"
        "  · Settings → Model: the connected backend; Start Training in its menu trains at once.\n"
        "  · The prediction score in the Data Manager is the place in the order: 0 is next.\n\n"
        "Ctrl-C stops both.",
        soft_wrap=True,
        highlight=False,
    )
    servers.wait()
