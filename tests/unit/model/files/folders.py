"""A small folder to write, set aside and delete."""

from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "one").write_text("1")
