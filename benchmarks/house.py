"""Figures about how easy the code is to enter, read from the source without running it."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

LONG_FUNCTION_LINES = 45
PACKAGES = ("backend", "model")
# Names of functions and methods that write a file.
WRITERS = {"write_text", "write_bytes", "save", "savez", "savez_compressed", "save_file", "save_pretrained"}
WRITING_MODES = set("wax+")
CACHES = {"lru_cache", "cache"}


@dataclass(frozen=True)
class Function:
    """One function or method.

    Attributes:
        name: module and name.
        parameters: how many it takes besides self and cls.
        lines: from its first line to its last.
        is_command: whether it is a command of the command line, whose parameters are options.
    """

    name: str
    parameters: int
    lines: int
    is_command: bool


def report(console: Console, roots: Sequence[Path]) -> None:
    """Print the figures of some checkouts side by side."""
    table = Table("", *(root.name or str(root) for root in roots))
    found = [figures(root) for root in roots]
    for name in found[0]:
        table.add_row(name, *(of_root[name] for of_root in found))
    console.print(table)


def figures(root: Path) -> dict[str, str]:
    """The figures of one checkout, formatted for printing."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources(root)}
    functions = [found for path, tree in trees.items() for found in _functions(path.relative_to(root), tree)]
    parameters = [function.parameters for function in functions if not function.is_command]
    folder, files = Counter(path.parent for path in trees if path.name != "__init__.py").most_common(1)[0]
    writers = _functions_that(root, trees, _writes)
    caches = _functions_that(root, trees, _is_cached)
    return {
        "files in the fullest folder": f"{files} ({folder.relative_to(root)})",
        "parameters, 95th percentile": f"{np.percentile(parameters, 95):.0f}",
        "parameters, most": f"{max(parameters)} ({max(functions, key=_taken).name})",
        f"functions over {LONG_FUNCTION_LINES} lines": str(
            sum(function.lines > LONG_FUNCTION_LINES for function in functions)
        ),
        "modules in import cycles": str(_cycle(root, trees)),
        "lines": str(sum(len(path.read_text(encoding="utf-8").splitlines()) for path in trees)),
        "functions that write a file, backend": str(sum(name.startswith("backend") for name in writers)),
        "functions that cache, backend and model": str(len(caches)),
    }


def _taken(function: Function) -> int:
    return 0 if function.is_command else function.parameters


def _sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def _functions(path: Path, tree: ast.Module) -> Iterator[Function]:
    module = ".".join(path.with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = [argument for argument in taken if argument.arg not in ("self", "cls")]
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(f"{module}.{node.name}", len(own), lines, _is_command(path, node))


def _is_command(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a command: its parameters are annotated with Typer's options."""
    is_a_room_of_commands = path.name == "__main__.py" or "commands" in path.parts or "llm_commands" in path.stem
    return is_a_room_of_commands and ("typer" in ast.unparse(node.args) or "Option" in ast.unparse(node.args))


def _functions_that(root: Path, trees: dict[Path, ast.Module], does: Callable[[ast.FunctionDef], bool]) -> list[str]:
    found = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and does(node):
                found.append(f"{path.relative_to(root)}:{node.name}")
    return found


def _writes(node: ast.FunctionDef) -> bool:
    return any(_is_write(call) for call in ast.walk(node) if isinstance(call, ast.Call))


def _is_write(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        texts = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        return any(WRITING_MODES & set(text) and len(text) <= 3 for text in texts)
    return name in WRITERS


def _is_cached(node: ast.FunctionDef) -> bool:
    return any(word in ast.unparse(decorator) for decorator in node.decorator_list for word in CACHES)


def _cycle(root: Path, trees: dict[Path, ast.Module]) -> int:
    modules = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in trees}
    graph = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): _imports(tree) & modules
        for path, tree in trees.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return len(set(error.args[1]))
    return 0


def _imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found
