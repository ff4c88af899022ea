"""Whether Label Studio names this backend as an ML backend of a project. A round acts on no other project.

Addresses prove nothing: anybody can send /setup with any Host header, and proxies and containers give one backend
several names. So this backend proves itself by an answer. A round writes a random proof down and asks Label Studio to
call its ML backends; while the proof is there, our /setup answers with it as model version, and Label Studio stores
that beside the address that it called. Later rounds only look whether Label Studio still lists that ML backend.
"""

import secrets
import time
from collections.abc import Sequence

from backend.errors import NotConnectedError, NotReachedError
from backend.rounds.context import RoundContext
from backend.settings import parse_extra_params
from backend.store.connection import Connection
from backend.studio.records import MLBackend

# Label Studio calls /setup before it stores a new ML backend. A busy one takes seconds.
GRACE_S = 20.0
LOOK_AGAIN_S = 1.0


def confirm_connection(context: RoundContext) -> bool:
    """Ask Label Studio whether this backend is an ML backend of the project, and store what it says.

    Args:
        context: the round of the project.

    Returns:
        True if this backend is one; False if a /setup came just now and Label Studio may be about to connect it.

    Raises:
        NotConnectedError: this backend is none, so the project is forgotten.
        NotReachedError: Label Studio reaches no ML backend of the project, so none could prove itself.
    """
    folder, turn = context.folder, context.turn
    listed = context.client.ml_backends(context.project_id)
    stored, setup = folder.connection.read(), folder.setup.read()
    ours = _remembered(stored, listed)
    if ours is None and setup is not None and setup.is_from_plugin:
        ours = next(iter(listed), None)
    unreached: list[MLBackend] = []
    if ours is None and listed:
        ours, unreached = _prove(context)
    if ours is not None:
        _remember(context, stored, ours)
        return True
    # A time that is still to come was written before the clock was set back.
    if setup is not None and 0 <= time.time() - setup.at < GRACE_S:
        turn.come_back(LOOK_AGAIN_S)
        return False
    if unreached:
        raise NotReachedError(
            f"Label Studio reaches no ML backend of project {context.project_id} ({unreached[0].url}): is the backend "
            "running at that address, and does Label Studio have its password?"
        )
    turn.check()
    # A /setup that came meanwhile has asked for a round of its own.
    if folder.setup.read() == setup:
        folder.forget()
    raise NotConnectedError(
        f"Label Studio does not name this backend as an ML backend of project {context.project_id}: "
        "connect it in Label Studio → Settings → Model"
    )


def is_listed(context: RoundContext) -> bool:
    """Whether Label Studio still lists the ML backend that proved itself in an earlier round.

    Args:
        context: the round of the project.
    """
    listed = context.client.ml_backends(context.project_id)
    return _remembered(context.folder.connection.read(), listed) is not None


def _remembered(stored: Connection, listed: Sequence[MLBackend]) -> MLBackend | None:
    """Return the ML backend that proved itself in an earlier round, if Label Studio still lists it unchanged."""
    return next((one for one in listed if (one.backend_id, one.url) == (stored.backend_id, stored.url)), None)


def _prove(context: RoundContext) -> tuple[MLBackend | None, list[MLBackend]]:
    """Return the ML backend whose /setup answered with our proof, and those that Label Studio did not reach."""
    proof = f"shortlist-{secrets.token_hex(16)}"
    context.folder.proof.write(proof)
    try:
        called = context.client.call_backends(context.project_id)
    finally:
        context.folder.proof.remove()
    ours = next((one for one in called if one.model_version == proof), None)
    return ours, [one for one in called if not one.is_reached]


def _remember(context: RoundContext, stored: Connection, ours: MLBackend) -> None:
    connection = Connection(ours.url, parse_extra_params(ours.extra_params), ours.backend_id)
    if connection != stored or not context.folder.is_connected():
        context.turn.check()
        context.folder.connection.write(connection)
