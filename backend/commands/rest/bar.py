"""A bar on the terminal that shows the progress of long work."""

from rich.progress import Progress, TaskID

from backend.commands.terminal import errors


class Bar:
    """A progress bar that appears with the first progress and goes when the work is done; a context manager.

    Call it with (done, total).
    """

    def __init__(self) -> None:
        self._shown: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._hide()

    def __call__(self, done: int, total: int, *_: object) -> None:
        """Show progress."""
        if self._shown is None:
            bar = Progress(console=errors, transient=True)
            bar.start()
            self._shown = bar, bar.add_task("working")
        self._shown[0].update(self._shown[1], completed=done, total=total)
        if done >= total:
            self._hide()

    def _hide(self) -> None:
        if self._shown is not None:
            self._shown[0].stop()
            self._shown = None
