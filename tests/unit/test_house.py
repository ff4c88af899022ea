"""The house style that no linter holds: which way imports point."""

import ast
import sys
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("backend", "model", "examples")
    for path in (ROOT / package).rglob("*.py")
}
# A kind of question knows what a kind is, and no other kind.
KIND_MAY_IMPORT = ("model.tasks.task", "model.tasks.shares", "model.tasks.label_names")
# Which folders a folder may import, besides itself and the single modules on the ground.
MAY_IMPORT = {
    "backend.store": (),
    "backend.studio": ("backend.store",),
    "backend.work": ("backend.store", "backend.studio"),
    "backend.rounds": ("backend.store", "backend.studio", "backend.work"),
    "backend.applying": ("backend.store", "backend.studio", "backend.work", "backend.rounds"),
    "backend.web": ("backend.store", "backend.studio", "backend.work", "backend.rounds", "backend.applying"),
    "backend.plugin": ("backend.store", "backend.studio", "backend.work", "backend.rounds", "backend.web"),
    "backend.commands": ("backend",),
    "backend.__main__": ("backend.commands",),
    "model.links": (),
    "model.tasks": ("model.encoder", "model.learner", "model.query"),
    "model.tasks.classification": KIND_MAY_IMPORT,
    "model.tasks.rating": (*KIND_MAY_IMPORT, "model.learner.evaluation"),
    "model.tasks.free_text": (*KIND_MAY_IMPORT, "model.tasks.votes"),
    "model.tasks.free_text.llm": ("model.llm.asking", "model.llm.reading"),
    "model.tasks.taxonomy": KIND_MAY_IMPORT,
    "model.tasks.classification.llm": ("model.llm.asking", "model.llm.reading", "model.query"),
    "model.judging": (),
    "model.stopping": ("model.judging",),
    "model.encoder": (),
    "model.query": (),
    "model.applying": ("model.encoder", "model.learner", "model.query"),
    "model.texts": (),
    "model.learner": ("model.encoder", "model.query", "model.texts"),
    "model.figures": ("model.encoder", "model.learner"),
    "model.llm": (),
    "model.llm.reading": (),
    "model.llm.provider": (),
    "model.llm.asking": ("model.llm.reading", "model.query"),
    "model.llm.memory": ("model.llm.provider", "model.llm.asking"),
    "model.export": ("model.encoder", "model.learner", "model.tasks"),
    "model.simulation": ("model",),
    "model.commands": ("model",),
    "model.__main__": ("model.commands", "model.encoder.idle_threads"),
    "examples": ("backend", "model"),
}
# What every folder may import.
GROUND = (
    *("backend.errors", "backend.secret_files", "backend.setting_values", "backend.settings", "backend.logs"),
    *(
        "model.errors",
        "model.types",
        "model.files",
        "model.leftovers",
        "model.seals",
        "model.progress",
        "model.text_digests",
        "model.llm.chat",
    ),
    # The meaning of a head's numbers: one small folder of arrays that all rooms speak of.
    "model.links",
)
# What computes from arrays alone.
PURE = (
    *("model.links", "model.query", "model.llm.reading", "model.llm.asking"),
    *("model.tasks.classification.llm", "model.learner.evaluation", "model.judging", "model.stopping"),
    *("model.tasks.classification.llm", "model.learner.evaluation", "model.applying.promise", "model.texts"),
)
RECORDS = (
    *("model.types", "model.errors", "model.progress", "model.links", "model.query", "model.llm", "model.judging"),
    "model.tasks.classification.llm",
)
# The most files of a folder besides its __init__.py: more are no floor but a heap.
MOST_FILES = 15
UNSPEAKING = {"utils", "helpers", "common", "manager", "base", "misc"}


@cache
def imports(module: str) -> set[str]:
    """Every module that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= deeper or {str(node.module)}
    return found


def folder(module: str) -> str:
    """The key of MAY_IMPORT that a module belongs to."""
    return max((key for key in MAY_IMPORT if is_within(module, [key])), key=len)


def is_within(module: str, packages) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


in_backend = pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if is_within(name, ["backend"]) and name != "backend")
)
in_model = pytest.mark.parametrize("module", sorted(name for name in MODULES if is_within(name, ["model"])))
in_pure = pytest.mark.parametrize("module", sorted(name for name in MODULES if is_within(name, PURE)))


@in_model
def test_the_learning_never_imports_the_service_or_what_belongs_to_it(module):
    foreign = ("backend", "flask", "redis", "rq", "label_studio_sdk", "label_studio_ml", "gunicorn", "werkzeug")
    assert not [name for name in imports(module) if is_within(name, foreign)]


@in_pure
def test_what_computes_from_arrays_knows_the_array_libraries_and_the_records_alone(module):
    outside = {name for name in imports(module) if name.split(".")[0] not in sys.stdlib_module_names}
    assert not [name for name in outside if not is_within(name, ("numpy", "scipy", "sklearn", "json_repair", *RECORDS))]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not is_within(name, GROUND) and "." in name))
def test_a_folder_imports_only_the_folders_that_it_may(module):
    own = folder(module)
    ours = [name for name in imports(module) if name in MODULES and not is_within(name, GROUND)]
    if own.startswith("backend."):
        ours = [name for name in ours if not is_within(name, ["model"])]
    assert not [name for name in ours if not is_within(name, (own, *MAY_IMPORT[own]))]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not is_within(name, ["model.encoder"])))
def test_nobody_but_the_table_of_runtimes_knows_a_runtime(module):
    assert not [name for name in imports(module) if is_within(name, ["model.encoder.torch_runtime"])]


def test_imports_make_no_cycles():
    graph = {module: imports(module) & MODULES.keys() for module in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_every_room_has_a_name_that_says_what_is_in_it():
    assert not [module for module in MODULES if UNSPEAKING & set(module.split("."))]


def test_no_folder_has_more_files_than_a_person_takes_in():
    files = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    assert {str(folder.relative_to(ROOT)): count for folder, count in files.items() if count > MOST_FILES} == {}
