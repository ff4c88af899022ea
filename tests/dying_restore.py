"""A restore that is killed before its n-th change of the disk, in a process of its own."""

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from backend.store.backup.restoring import restore_backup


def die_at(archive: Path, model_dir: Path, change: int) -> bool:
    """Restore in another process that is killed before a change; return whether it died (else it was done before).

    Args:
        archive: the backup.
        model_dir: MODEL_DIR.
        change: number of the change, from 1.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_restore_and_die, args=(archive, model_dir, change))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), "the restore ended in another way"
    return process.exitcode == -signal.SIGKILL


def _restore_and_die(archive: Path, model_dir: Path, change: int) -> None:
    left = change

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return counted

    for place, name in ((os, "fsync"), (os, "mkdir"), (os, "rename"), (os, "replace"), (os, "rmdir")):
        setattr(place, name, deadly(getattr(place, name)))
    import model.files.names

    model.files.names._exchanged = deadly(model.files.names._exchanged)
    restore_backup(archive, model_dir, is_forced=True, on_file=lambda *_: None)
