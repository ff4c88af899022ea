"""No regular expression of ours can be made slow: each is fed every piece that some expression has trouble with."""

import ast
import importlib
import re

import pytest

from tests.unit.model.llm.reading.test_worst_answers import ALL
from tests.unit.test_house import MODULES
from tests.worst_cases import repeated, within

# Expressions that are only matched from the start of a text; searched for, these would try every blank or digit.
ANCHORED = {"_NUMBERED", "SPACED", "_LINE", "_STARTED"}
INLINE = {f"re.{name}" for name in ("match", "search", "findall", "finditer", "split", "sub", "fullmatch")}
# A quadratic expression takes a second and more for so many characters.
SIZE = 25_000
PIECES = [*ALL, "<", "<a", "$", "model ", "too large for ", "_", "a-b", "a.b", "1.2", "text", "&"]


def patterns() -> dict[str, re.Pattern]:
    """All expressions of the service and of the learning: those with a name, and those written into a call."""
    found = {}
    for name, path in MODULES.items():
        source = path.read_text(encoding="utf-8")
        if name.startswith(("backend", "model")) and "import re\n" in source:
            held = vars(importlib.import_module(name))
            found |= {f"{name}.{key}": value for key, value in held.items() if isinstance(value, re.Pattern)}
            found |= {f"{name}:{call.lineno}": re.compile(call.args[0].value) for call in inline_calls(source)}
    return found


def inline_calls(source: str) -> list[ast.Call]:
    """Calls like `re.sub("expression", …)`."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) in INLINE and isinstance(call.args[0], ast.Constant)]


PATTERNS = patterns()


@pytest.mark.parametrize("name", PATTERNS)
def test_no_expression_is_slow_on_any_text(name):
    pattern = PATTERNS[name]
    for piece in PIECES:
        words = repeated(piece, SIZE) + "!"
        text = words.encode("utf-8", "surrogatepass") if isinstance(pattern.pattern, bytes) else words
        with within(0.5):
            pattern.match(text)
            if name.rsplit(".", 1)[1] not in ANCHORED:
                pattern.search(text)
