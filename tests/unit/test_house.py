"""The house style that no linter holds: which way imports point."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("backend", "model")
    for path in (ROOT / package).rglob("*.py")
}
# Folders are the floors, from the ground up: a folder imports the folders before it.
FLOORS = ("store", "studio", "work", "rounds", "web", "commands")
# Single modules beside the folders: on the ground, or on the floor of a folder.
GROUND = {"errors", "settings", "logs"}
BESIDE = {"plugin": "web", "demo": "commands", "demo_servers": "commands", "__main__": "commands"}
# What computes from arrays alone.
PURE = (
    "model.query",
    "model.evaluation",
    "model.stopping",
    *(
        f"model.llm.{name}"
        for name in (
            *("answer", "answer_faults", "answer_json", "answer_lines", "answer_lists", "answer_patterns"),
            *("answer_shapes", "asking", "candidates", "chat", "framing", "label_answer", "label_json", "label_lines"),
            *("label_prompt", "label_rows", "labels", "prompt", "question", "routing", "selector"),
        )
    ),
)
RECORDS = ("model.types", "model.errors", "model.query", "model.llm")
UNSPEAKING = {"utils", "helpers", "common", "manager", "base", "misc"}


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


def floor(module: str) -> int:
    """How high a module of the service stands; the ground is 0."""
    name = module.removeprefix("backend").strip(".").split(".")[0]
    return 0 if name in GROUND else FLOORS.index(BESIDE.get(name, name)) + 1


def is_within(module: str, packages) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


in_backend = pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if is_within(name, ["backend"]) and name != "backend")
)
in_model = pytest.mark.parametrize("module", sorted(name for name in MODULES if is_within(name, ["model"])))
in_pure = pytest.mark.parametrize("module", sorted(name for name in MODULES if is_within(name, PURE)))


def test_every_room_that_is_to_be_pure_is_there():
    assert not [module for module in PURE if module not in {*MODULES, "model.stopping"}]


@in_model
def test_the_learning_never_imports_the_service_or_what_belongs_to_it(module):
    foreign = ("backend", "flask", "redis", "rq", "label_studio_sdk", "label_studio_ml", "gunicorn", "werkzeug")
    assert not [name for name in imports(module) if is_within(name, foreign)]


@in_pure
def test_what_computes_from_arrays_knows_the_array_libraries_and_the_records_alone(module):
    outside = {name for name in imports(module) if name.split(".")[0] not in sys.stdlib_module_names}
    assert not [name for name in outside if not is_within(name, ("numpy", "scipy", "sklearn", *RECORDS))]


@in_backend
def test_imports_in_the_service_never_point_upstairs(module):
    ours = [name for name in imports(module) if name in MODULES and is_within(name, ["backend"])]
    assert not [name for name in ours if floor(name) > floor(module)]


def test_imports_make_no_cycles():
    graph = {module: imports(module) & MODULES.keys() for module in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_every_room_has_a_name_that_says_what_is_in_it():
    assert not [module for module in MODULES if UNSPEAKING & set(module.split("."))]
