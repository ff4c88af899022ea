"""The loop on a real Label Studio: a full round by pool size, an order after each label, webhooks under training."""

import json
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from backend.work.states import TRAINING
from benchmarks.loop.plan import Part, Plan
from benchmarks.loop.project import BenchProject
from benchmarks.loop.table import write_table
from benchmarks.loop.texts import read_texts
from benchmarks.loop.watch import REST_AFTER_CONNECTING_S, Watched, by_step
from benchmarks.loop.webhook import PAUSE_S, annotating, bodies, record_event
from examples.demo_servers import DemoServers, start_servers
from model.encoder.processor import available_cores
from model.errors import ShortlistError

FOLDER = Path("bench-data")
RECORDS = Path(__file__).with_name("loop.jsonl")
# Give up on a new order after this long.
NEW_ORDER_TIMEOUT_S = 60.0
IDLE_S = 60.0
# Unlabelled tasks of the webhook part, so that there are tasks to order.
UNLABELLED = 500


class Run:
    """One run: its servers and texts, and the lines that it adds to the records."""

    def __init__(self, plan: Plan, data: Path, console: Console, servers: DemoServers, load: float) -> None:
        self.plan = plan
        self.problems: list[str] = []
        self._data = data
        self._console = console
        self._servers = servers
        self._conditions = {**_conditions(servers), "load": load, "command": plan.command}

    def measure(self) -> None:
        """Measure every part of the plan; a part that fails does not stop the others."""
        for size in sorted(self.plan.pools):
            wanted = [part for part in (Part.ROUND, Part.LIVE) if part in self.plan.parts]
            if size != min(self.plan.pools):
                wanted = [part for part in wanted if part is not Part.LIVE]
            if wanted:
                with self._part(wanted[0], size):
                    self._pool(size, wanted)
        if Part.WEBHOOK in self.plan.parts:
            with self._part(Part.WEBHOOK, self.plan.training_labels):
                self._webhook()

    @contextmanager
    def _part(self, part: Part, size: int) -> Iterator[None]:
        try:
            yield
        except ShortlistError as error:
            problem = f"{part.value} at {size:,}: {error}"
            self.problems.append(problem)
            self._console.print(problem, style="bold red", soft_wrap=True)
            self._record(part, size, problem=str(error))

    def _pool(self, size: int, wanted: Sequence[Part]) -> None:
        """Measure one pool: its first order, a full round, and labels one by one if the plan has that part."""
        began = time.monotonic()
        project = BenchProject(self._servers, self._console, read_texts(self._data, size), self.plan.labels)
        import_s = time.monotonic() - began
        cold = self._connect(project, size)
        full = self._round(project, size)
        if Part.ROUND in wanted:
            figures = {"import_s": import_s, "cold_s": cold.seconds, "cold_steps_s": cold.steps_s}
            figures |= {"round_s": full.seconds, "steps_s": full.steps_s}
            self._record(Part.ROUND, size, **figures, recipe=project.recipe(), labels=self.plan.labels)
        if Part.LIVE in wanted:
            with self._part(Part.LIVE, size):
                self._live(project, size)

    def _connect(self, project: BenchProject, size: int) -> Watched:
        """Time from connecting until Label Studio serves the first order."""
        what = f"First order of {size:,} tasks"
        began = time.monotonic()
        project.connect()
        cold = project.rounds.wait_for(what, lambda: project.serves(lambda _: True), began)
        self._console.print(f"{what}: {cold.seconds:.1f} s")
        project.rounds.await_rest(REST_AFTER_CONNECTING_S)
        return cold

    def _round(self, project: BenchProject, size: int) -> Watched:
        """Time from Start Training until Label Studio hands out the first task of the new model's order."""
        what = f"Round of {size:,} tasks"
        began = time.monotonic()
        project.start_training()
        full = project.rounds.wait_for(what, lambda: project.hands_out(lambda order: order.model > 0), began)
        self._console.print(f"{what}: {full.seconds:.1f} s")
        return full

    def _live(self, project: BenchProject, size: int) -> None:
        """Time from each submitted annotation until the next task comes from an order that counts the annotation."""
        watched = []
        for number in range(1, self.plan.annotations + 1):
            project.rounds.await_rest()
            project.annotate_next()
            what = f"A new order that counts annotation {number} of {self.plan.annotations}"
            is_over = _hands_out_with(project, project.labelled)
            watched.append(project.rounds.wait_for(what, is_over, time.monotonic(), NEW_ORDER_TIMEOUT_S))
            self._console.print(f"{what}: {watched[-1].seconds:.2f} s")
        steps_s = {step: float(np.median(seconds)) for step, seconds in by_step(watched).items()}
        self._record(Part.LIVE, size, seconds=[one.seconds for one in watched], steps_s=steps_s)

    def _webhook(self) -> None:
        """Measure webhooks of many annotators, first while nothing trains and then while BERT trains."""
        labels = self.plan.training_labels
        size = labels + UNLABELLED
        project = BenchProject(self._servers, self._console, read_texts(self._data, size), labels)
        self._connect(project, size)
        events = bodies(record_event(project), project.labelled_ids, self.plan.annotators)
        project.rounds.await_rest()
        doing = f"{len(events)} annotators, nothing trains: {IDLE_S:.0f} s"
        with annotating(self._servers.backend.url, events) as idle, self._console.status(doing):
            time.sleep(IDLE_S)
        project.rounds.await_rest()
        busy, trained = self._annotate_while_training(project, events)
        figures = {"idle": _figures(idle), "training": _figures(busy), "training_s": trained.seconds}
        self._record(
            Part.WEBHOOK, labels, **figures, annotators=len(events), pause_s=PAUSE_S, body_bytes=len(events[0])
        )

    def _annotate_while_training(self, project: BenchProject, events: Sequence[bytes]) -> tuple[list[float], Watched]:
        def trains() -> bool:
            return project.rounds.state().state == TRAINING

        project.start_training()
        project.rounds.wait_for("The training begins", trains, time.monotonic())
        doing = f"{len(events)} annotators, BERT trains"
        with annotating(self._servers.backend.url, events) as busy:
            trained = project.rounds.wait_for(doing, lambda: not trains(), time.monotonic())
        return busy, trained

    def _record(self, part: Part, size: int, **figures: Any) -> None:
        line = {"part": part.value, "size": size, **figures, **self._conditions}
        with RECORDS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        write_table(RECORDS)


def run(plan: Plan, data: Path, label_studio: Path, console: Console) -> bool:
    """Start servers, measure, and stop the servers; returns whether every part could be measured.

    Raises:
        ServerError: a server does not start.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Fail on a wrong folder before the minutes of set-up.
    read_texts(data, max(plan.pools))
    # The load of other programs: the servers do not run yet.
    load = round(os.getloadavg()[0], 1)
    with start_servers(console, label_studio, FOLDER) as servers:
        measuring = Run(plan, data, console, servers, load)
        measuring.measure()
    console.print(f"The logs are in {FOLDER}/, the table is in {RECORDS.with_suffix('.md').name}.")
    return not measuring.problems


def _hands_out_with(project: BenchProject, labelled: int) -> Callable[[], bool]:
    return lambda: project.hands_out(lambda publication: publication.labelled_tasks >= labelled)


def _figures(seconds: Sequence[float]) -> dict[str, float]:
    """Counts and quantiles of answer times; an event without an answer counts as infinitely long."""
    p50_s, p99_s = np.quantile(seconds, [0.5, 0.99], method="higher") if seconds else (np.nan, np.nan)
    failed = int(np.isinf(seconds).sum())
    return {"events": len(seconds), "failed": failed, "p50_s": float(p50_s), "p99_s": float(p99_s)}


def _conditions(servers: DemoServers) -> dict[str, Any]:
    """The machine and versions that the figures depend on."""
    return {
        "run": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": platform.machine(),
        "cores": available_cores(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers")},
        "label_studio": servers.get("api/version")["release"],
    }
