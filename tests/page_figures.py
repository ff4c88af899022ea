"""The figures of a project's page, computed from the data folder by plain Python: nothing of the project is imported.

Each function reads files of one project's folder and counts in loops: it shares no line with the code it checks.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

_MASK = 2**64 - 1


def record(file: Path) -> Any:
    """The record of a sealed JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))["record"]


def current_version(folder: Path) -> Path:
    return folder / "versions" / str(record(folder / "versions" / "current")["number"])


def held_out(folder: Path) -> tuple[list[str], list[int], np.ndarray, np.ndarray]:
    """Labels, task ids, shares of people and probabilities of the texts that the version in use had not seen."""
    version = current_version(folder)
    with np.load(version / "held_out.npz") as saved:
        arrays = saved["task_ids_M"].tolist(), saved["targets_M_C"], saved["proba_M_C"]
    return (record(version / "manifest.json")["label_set"]["labels"], *arrays)


def answers(folder: Path, control: str) -> dict[int, dict[str, str]]:
    """Each task's label by annotator; of an annotator's answers the latest."""
    found: dict[int, dict[str, str]] = {}
    with closing(sqlite3.connect(folder / "tasks.sqlite")) as tasks:
        rows = tasks.execute("SELECT task_id, annotations FROM annotated").fetchall()
    for task_id, raw in rows:
        for given in sorted(json.loads(raw), key=lambda annotation: annotation["updated_at"]):
            labels = [
                label for item in given["result"] if item["control"] == control for label in item["value"]["choices"]
            ]
            if labels and not given["is_skipped"]:
                found.setdefault(task_id, {})[given["annotator"]] = labels[0]
    return found


def decided(rows: np.ndarray) -> list[int]:
    return [max(range(len(row)), key=lambda place: (row[place], -place)) for row in rows.tolist()]


def classes(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Of each class: texts that people gave it, texts that the classifier gave it, texts that both gave it."""
    labels, _, targets, proba = held_out(folder)
    given, said = Counter[str](), Counter[str]()
    both = Counter[str]()
    for gold, guess in zip(decided(targets), decided(proba), strict=True):
        given[labels[gold]] += 1
        said[labels[guess]] += 1
        both[labels[gold]] += gold == guess
    return {label: (given[label], said[label], both[label]) for label in labels}


def pairs(folder: Path) -> Counter[tuple[str, str]]:
    """How often each pair of people's and the classifier's class occurs."""
    labels, _, targets, proba = held_out(folder)
    return Counter((labels[gold], labels[guess]) for gold, guess in zip(decided(targets), decided(proba), strict=True))


def right(folder: Path, of: set[int] | None = None) -> tuple[int, int]:
    """How many of the texts that the version had not seen it got right, among all or some of the tasks."""
    _, task_ids, targets, proba = held_out(folder)
    found = [
        gold == guess
        for task_id, gold, guess in zip(task_ids, decided(targets), decided(proba), strict=True)
        if of is None or task_id in of
    ]
    return sum(found), len(found)


def fair_tasks(folder: Path, control: str, missing_share: float = 0.05) -> set[int]:
    """The labelled tasks with the smallest numbers, as far as hardly any task with a smaller number is not labelled."""
    labelled = set(answers(folder, control))
    with closing(sqlite3.connect(folder / "tasks.sqlite")) as tasks:
        waiting = {task_id for (task_id,) in tasks.execute("SELECT task_id FROM tasks WHERE NOT is_done")}
    ranked = sorted(labelled | waiting, key=_number)
    missing, last = 0, 0
    for place, task_id in enumerate(ranked, 1):
        missing += task_id not in labelled
        if task_id in labelled and missing <= missing_share * place:
            last = place
    return {task_id for task_id in ranked[:last] if task_id in labelled}


def _number(task_id: int) -> int:
    """SplitMix64."""
    number = (task_id * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def calibration(folder: Path, bins: int = 10) -> list[tuple[int, float, float]]:
    """Answers, mean confidence and share of right answers of each tenth of confidence that has answers."""
    _, _, targets, proba = held_out(folder)
    groups: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for people, row in zip(targets, proba, strict=True):
        place = int(row.argmax())
        groups[min(int(row[place] * bins), bins - 1)].append((float(row[place]), float(people[place])))
    return [
        (len(found), sum(one for one, _ in found) / len(found), sum(other for _, other in found) / len(found))
        for _, found in sorted(groups.items())
    ]


def alpha(said: dict[int, dict[str, str]]) -> float:
    """Krippendorff's alpha by its matrix of coincidences, pair by pair."""
    coincidences: Counter[tuple[str, str]] = Counter()
    for by_person in said.values():
        for one, other in permutations(by_person.values(), 2):
            coincidences[one, other] += 1 / (len(by_person) - 1)
    of_value: Counter[str] = Counter()
    for (one, _), weight in coincidences.items():
        of_value[one] += weight
    total = sum(of_value.values())
    observed = sum(weight for (one, other), weight in coincidences.items() if one != other)
    expected = sum(of_value[one] * of_value[other] for one, other in permutations(of_value, 2)) / (total - 1)
    return 1 - observed / expected


def differences(said: dict[int, dict[str, str]]) -> dict[str, tuple[int, int, int]]:
    """Of each annotator: texts, comparisons with another person, and comparisons that differ."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for by_person in said.values():
        for name in by_person:
            found[name][0] += 1
        for one, other in permutations(by_person, 2):
            found[one][1] += 1
            found[one][2] += by_person[one] != by_person[other]
    return {name: (texts, shared, differing) for name, (texts, shared, differing) in found.items()}


def wilson(count: int, of: int) -> tuple[float, float]:
    """Ends of the 95 % interval: the shares p at which |count / of - p| is 1.96 standard errors, by bisection."""

    def distance(share: float) -> float:
        return abs(count / of - share) - 1.959963984540054 * (share * (1 - share) / of) ** 0.5

    def root(inside: float, outside: float) -> float:
        if distance(outside) <= 0:
            return outside
        for _ in range(80):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if distance(middle) <= 0 else (inside, middle)
        return inside

    return root(count / of, 0.0), root(count / of, 1.0)
