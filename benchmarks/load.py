"""Fifty people who label one project at once, with the backend and without it, on a real Label Studio."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console

from backend.store.project_folder import ProjectFolder
from benchmarks.loop.memory import sampled_mb
from benchmarks.loop.people import PACE_S, Labelled, label_for, signed_up_people
from benchmarks.loop.project import BenchProject
from benchmarks.loop.stopwatch import timed_relay
from benchmarks.loop.texts import read_texts
from benchmarks.loop.watch import REST_AFTER_CONNECTING_S, LoopError
from benchmarks.machine import described
from examples.demo_servers import DemoServers, start_servers
from model.learner.registry import data_sha256
from model.types import Targets

FOLDER = Path("bench-data")
RECORDS = Path(__file__).with_name("load.jsonl")
TABLE = Path(__file__).with_name("load.md")
PEOPLE, MINUTES, TEXTS = 50, 10.0, 2500
# Labels already there let BERT train from the start, as in a project that has run for a while.
LABELLED = 128
PAGE = 1000
WITHOUT, WITH = PARTS = ("without", "with")
# After the part with the backend.
LEARNED = "learned"
# By Label Studio's variable DJANGO_DB.
DATABASES = {"sqlite": "SQLite", "default": "PostgreSQL"}

Line = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How many people, for how long, over how many texts."""

    people: int
    minutes: float
    texts: int


def run(plan: Plan, parts: Sequence[str], data: Path, label_studio: Path, console: Console) -> bool:
    """Start servers, let people label a project for each part, and stop the servers.

    Args:
        plan: the crowd.
        parts: of PARTS: a project without the backend, and one with it.
        data: a folder of sets.
        label_studio: the label-studio program.
        console: prints what happens.

    Returns:
        Whether every label was learned, no task was served to two people, and everybody always got one.

    Raises:
        ServerError: a server does not start.
        LoopError: Label Studio or a round failed.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gold = read_texts(data, plan.texts)
    about: Line = {
        "database": os.environ.get("DJANGO_DB", "sqlite"),
        "run": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": described("torch", "rq"),
    }
    about |= {"load": round(os.getloadavg()[0], 1), "people": plan.people, "minutes": plan.minutes, "texts": plan.texts}
    with (
        start_servers(console, label_studio, FOLDER) as servers,
        signed_up_people(servers.label_studio.url, plan.people) as people,
    ):
        crowd = Crowd(plan, gold, servers, people, console)
        label = {WITHOUT: crowd.without_backend, WITH: crowd.with_backend}
        lines = [_recorded(line, about) for part in parts for line in label[part]()]
    write_table()
    console.print(TABLE.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    wrong = ("problems", "labelled_twice", "turned_away")
    return all(not any(line.get(key) for key in wrong) and line.get("is_same", True) for line in lines)


def _recorded(line: Line, about: Line) -> Line:
    """Write a line at once: the other part may fail."""
    with RECORDS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, **about}) + "\n")
    return line


class Crowd:
    """People who label one project after the other."""

    def __init__(
        self,
        plan: Plan,
        gold: Mapping[str, str],
        servers: DemoServers,
        people: Sequence[httpx.Client],
        console: Console,
    ) -> None:
        self._plan = plan
        self._gold = gold
        self._servers = servers
        self._people = people
        self._console = console

    def without_backend(self) -> Iterator[Line]:
        """Label a project that no backend is connected to."""
        project = self._project()
        done, memory_mb = self._label(project, "without the backend")
        yield {"part": WITHOUT, **_figures(done, self._answers(project)), **memory_mb}

    def with_backend(self) -> Iterator[Line]:
        """Label a connected project, which trains meanwhile; then compare with the labels that its order is made of."""
        project = self._project()
        with timed_relay(self._servers.backend.url) as (url, webhook_s):
            project.connect(url, retrain_every=LABELLED)
            began = time.monotonic()
            project.rounds.wait_for("The first order", lambda: project.serves(lambda _: True), began)
            project.rounds.await_rest(REST_AFTER_CONNECTING_S)
            webhook_s.clear()
            done, memory_mb = self._label(project, "with the backend")
            line = {"part": WITH, **_figures(done, self._answers(project)), **memory_mb}
            yield line | {"webhook_s": list(webhook_s), "versions": len(self._folder(project).registry.numbers())}
            project.rounds.await_rest()
        yield {"part": LEARNED, **self._learned(project)}

    def _project(self) -> BenchProject:
        return BenchProject(self._servers, self._console, self._gold, LABELLED)

    def _folder(self, project: BenchProject) -> ProjectFolder:
        return ProjectFolder(self._servers.settings.model_dir, project.project_id)

    def _label(self, project: BenchProject, how: str) -> tuple[Labelled, Line]:
        seconds = 60.0 * self._plan.minutes
        doing = f"{len(self._people)} people label {how}: {self._plan.minutes:g} minutes"
        processes = {"studio": self._servers.label_studio, "backend": self._servers.backend}
        with ExitStack() as stack:
            stack.enter_context(self._console.status(doing))
            samples = {name: stack.enter_context(sampled_mb(server.process.pid)) for name, server in processes.items()}
            done = label_for(project, self._people, seconds)
        self._console.print(f"{doing}, {len(done.given):,} labels")
        return done, {f"{name}_mb": max(mb) for name, mb in samples.items()}

    def _answers(self, project: BenchProject) -> dict[int, tuple[str, list[str]]]:
        """The text and the labels of every labelled task, read from Label Studio past the backend."""
        answers: dict[int, tuple[str, list[str]]] = {}
        for page in range(1, -(-self._plan.texts // PAGE) + 1):
            query = {"project": project.project_id, "page": page, "page_size": PAGE, "fields": "all"}
            query["query"] = json.dumps({"filters": {"conjunction": "and", "items": []}})
            found = project.call("GET", "/api/tasks/", **query)["tasks"]
            for task in found:
                labels = [item["value"]["choices"][0] for each in task["annotations"] for item in each["result"]]
                if labels:
                    answers[task["id"]] = (task["data"]["text"], labels)
        return answers

    def _learned(self, project: BenchProject) -> Line:
        """How many of Label Studio's labelled tasks the order in use is made of, and whether task by task the same."""
        folder = self._folder(project)
        current, order = folder.registry.current(), folder.publications.current()
        if current is None or order is None:
            raise LoopError("nothing was trained")
        answers, label_set = sorted(self._answers(project).items()), current.label_set
        rows = [label_set.labels.index(labels[0]) for _, (_, labels) in answers]
        given = Targets(
            task_ids=tuple(task_id for task_id, _ in answers),
            texts=tuple(text for _, (text, _) in answers),
            targets_N_C=np.eye(len(label_set.labels), dtype=np.float32)[rows],
            label_set=label_set,
        )
        is_same = order.labels_sha256 == data_sha256(given)
        return {"in_studio": len(given), "in_order": order.labelled_tasks, "is_same": is_same}


def _figures(done: Labelled, answers: Mapping[int, tuple[str, list[str]]]) -> Line:
    labelled_by = Counter(done.given)
    return {
        "labels": len(done.given),
        "next_s": done.next_s,
        "annotation_s": done.annotation_s,
        "served_to_several": done.served_to_several(),
        "labelled_twice": sum(len(labels) > 1 for _, labels in answers.values()),
        "turned_away": done.turned_away,
        "lost": sum(task not in answers for task in labelled_by),
        "problems": done.problems,
    }


def write_table() -> None:
    """Write load.md from the newest line of each part on each database, once there is one of each part."""
    newest: dict[str, dict[str, Line]] = {}
    for line in map(json.loads, RECORDS.read_text(encoding="utf-8").splitlines()):
        newest.setdefault(line["database"], {})[line["part"]] = line
    whole = [parts for parts in newest.values() if set(parts) == {*PARTS, LEARNED}]
    if whole:
        TABLE.write_text("\n".join(row for table in map(_table, whole) for row in table) + "\n", encoding="utf-8")


def _table(newest: Mapping[str, Line]) -> Iterator[str]:
    line, learned = newest[WITH], newest[LEARNED]
    least_s, most_s = PACE_S
    crowd = "Fifty people" if line["people"] == PEOPLE else f"{line['people']} people"
    yield f"# {crowd} at once, Label Studio on {DATABASES[line['database']]}\n"
    yield (
        "A real Label Studio and `python -m backend serve` on one machine. "
        f"{line['people']} people, each with an account, label one project of {line['texts']:,} texts for "
        f"{line['minutes']:g} minutes; each reads a text for {least_s:.0f} to {most_s:.0f} s. First no backend is "
        "connected. Then another project with the same texts has the backend, which retrains BERT after every "
        f"{LABELLED} labels. {LABELLED} texts are labelled from the start."
    )
    yield ""
    yield "| | without the backend | with it |"
    yield "|---|---|---|"
    both = (newest[WITHOUT], line)
    yield _row("labels given", *(f"{one['labels']:,}" for one in both))
    for key, name in (("next_s", "`/next`"), ("annotation_s", "an annotation")):
        for quantile, title in ((0.5, "p50"), (0.99, "p99")):
            yield _row(f"{name}, {title}, ms", *(_ms(one[key], quantile) for one in both))
    yield _row("`/webhook`, p50, ms", "", _ms(line["webhook_s"], 0.5))
    yield _row(f"`/webhook`, p99, ms, of {len(line['webhook_s']):,}", "", _ms(line["webhook_s"], 0.99))
    yield _row("tasks served to two people", *(str(one["served_to_several"]) for one in both))
    yield _row("tasks labelled twice", *(str(one["labelled_twice"]) for one in both))
    yield _row("told that no text is left", *(str(one.get("turned_away", "not counted")) for one in both))
    yield _row("labels lost by Label Studio", *(str(one["lost"]) for one in both))
    yield _row("answers with an error", *(str(len(one["problems"])) for one in both))
    yield _row("model versions trained meanwhile", "", str(line["versions"]))
    yield _row("labelled tasks in Label Studio at the end", "", f"{learned['in_studio']:,}")
    same = ", each with the same label" if learned["is_same"] else ", not all the same"
    yield _row("labelled tasks that the order at the end is made of", "", f"{learned['in_order']:,}{same}")
    yield _row("memory of Label Studio at its peak, MB", *(f"{one['studio_mb']:,.0f}" for one in both))
    yield _row("memory of the backend at its peak, MB", *(f"{one['backend_mb']:,.0f}" for one in both))
    yield ""
    for one in both:
        yield f"{one['part'].capitalize()}: {one['run']}, {one['machine']}, load of others {one['load']}.\n"


def _row(name: str, *cells: str) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _ms(seconds: Sequence[float], quantile: float) -> str:
    return f"{1000 * float(np.quantile(seconds, quantile, method='higher')):.0f}" if seconds else ""
