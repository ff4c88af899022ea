"""Other folders see the folders that ask LLMs through their faces, the names that `__init__` lists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
FOLDERS = ("llm.provider", "llm.reading", "llm.asking", "llm.memory", "tasks.classification.llm")
SOURCES = [path for package in ("backend", "model", "benchmarks") for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_of_other_folders_import_the_face_alone(folder):
    own = ROOT / "model" / folder.replace(".", "/")
    past_the_face = re.compile(rf"(?:from|import) model\.{re.escape(folder)}\.")
    outside = [path for path in SOURCES if own not in path.parents]
    assert not [path for path in outside if past_the_face.search(path.read_text(encoding="utf-8"))]


def test_no_face_loads_an_sdk():
    lines = [f"import model.{folder}" for folder in FOLDERS]
    lines += ["import sys", "print({'openai', 'mistralai', 'httpx2'} & sys.modules.keys())"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
