"""The demo's story: rounds of labels, and a table that shows after each round what the labels are worth."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from examples.annotator import Annotator
from examples.learner import Learner

ROUNDS = 3
# The default of RETRAIN_EVERY: a training is due after this many labels.
LABELS_A_ROUND = 16
CAPTION = (
    "Accuracy on held-out texts; the commonest intent alone would give {majority:.0%}. With 0 labels the classifier "
    "knows label names and unlabelled texts alone. One run of each: a few points either way are chance."
)


@dataclass(frozen=True)
class Row:
    """One line of the table: the state after a round."""

    labels: int
    version: str
    accuracy: float | None = None
    random_accuracy: float | None = None
    next_text: str = ""
    next_reason: str = ""


class Story:
    """Has the annotator label in rounds, and shows the accuracy after each round."""

    def __init__(self, console: Console, annotator: Annotator, learner: Learner) -> None:
        self._console = console
        self._annotator = annotator
        self._learner = learner
        self._rows: list[Row] = []
        self._doing = ""

    def tell(self) -> None:
        """Repeat: label, wait for the new model, measure it, and train the same learner on random labels."""
        with self._shown():
            self._annotator.await_model(0, self._say("ordering the first texts"))
            self._measure_names()
            for number in range(1, ROUNDS + 1):
                self._label_until_trained(number)
                self._measure(number)
                self._train_random_twin()
            self._doing = ""

    def _label_until_trained(self, number: int) -> None:
        """Give the labels that make a training due, then wait for its model."""
        for _ in range(LABELS_A_ROUND):
            self._say("labelling")(f"{len(self._annotator.labelled) + 1}")
            self._annotator.label_one()
        self._annotator.await_model(number, self._say("BERT in the background"))

    def _measure_names(self) -> None:
        """Add the row of 0 labels; the order plays no part yet, so its random column stays empty."""
        self._say("measuring label names alone")("on held-out texts")
        self._add(Row(0, self._annotator.folder.publications.name(), self._learner.accuracy_on_names()))
        self._print_last()

    def _measure(self, number: int) -> None:
        self._say("measuring")("on held-out texts")
        classifier = self._annotator.folder.registry.find(number).load()
        version = self._annotator.folder.publications.name()
        self._add(Row(len(self._annotator.labelled), version, self._learner.accuracy_of(classifier)))

    def _train_random_twin(self) -> None:
        """Train the learner on as many random labels; the difference is what the order is worth."""
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
        """Print the newest row unless the console is a terminal, which shows the table all the time."""
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
        """Show a table that grows in place on a terminal, and elsewhere the table at the end."""
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
