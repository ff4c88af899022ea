"""The protocols that fakes are checked against name what the real classes have."""

import ast
import inspect
import textwrap

from backend.work.turn import Turn
from tests.contracts import RoundTurn


def _public_members(real: type) -> set[str]:
    """Methods, and attributes that __init__ sets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(real.__init__)))
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [
        target for node in assigned for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    attributes = {target.attr for target in targets if isinstance(target, ast.Attribute)}
    return {name for name in attributes | vars(real).keys() if not name.startswith("_")}


def _protocol_members(protocol: type) -> set[str]:
    return {name for name in {*vars(protocol), *protocol.__annotations__} if not name.startswith("_")}


def test_a_turns_protocol_names_every_public_member_of_a_turn():
    assert _protocol_members(RoundTurn) == _public_members(Turn), "bring tests/contracts.py and FakeTurn up to date"
