"""Readiness: whether every part between a label and the next order works now."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from backend.errors import LabelStudioError, RedisUnavailableError
from backend.store.project_folder import known_projects
from backend.studio.opening import check_answers
from backend.web.service import Service
from model.files.writing import write_whole

# A training writes a version of 90 MB, and an order of a large pool as much.
LEAST_FREE_BYTES = 500 * 1024 * 1024
# Seconds for which found parts are kept, and for which Label Studio may take to answer.
KEPT_S, TIMEOUT_S = 10.0, 2.0


@dataclass(frozen=True)
class Part:
    """One part that has to work.

    Attributes:
        is_well: whether the part works.
        said: a sentence about the part, with the mend if it does not work.
    """

    is_well: bool
    said: str


class Readiness:
    """Looks at Redis, workers, disk, Label Studio and the last rounds, and keeps the findings for some seconds."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._found: dict[str, Part] = {}
        self._looked_s = float("-inf")

    def parts(self) -> dict[str, Part]:
        """Every part, by name; found in the last KEPT_S seconds."""
        with self._lock:
            if time.monotonic() - self._looked_s > KEPT_S:
                self._found = self._look()
                self._looked_s = time.monotonic()
            return self._found

    def _look(self) -> dict[str, Part]:
        looks: dict[str, Callable[[], Part]] = {
            "redis": self._redis,
            "worker": self._worker,
            "disk": self._disk,
            "label_studio": self._label_studio,
            "rounds": self._rounds,
        }
        with ThreadPoolExecutor(len(looks)) as pool:
            return dict(zip(looks, pool.map(lambda look: look(), looks.values()), strict=True))

    def _redis(self) -> Part:
        try:
            self._service.rounds.ping()
        except RedisUnavailableError as error:
            return Part(False, str(error))
        return Part(True, "answers")

    def _worker(self) -> Part:
        try:
            living = self._service.rounds.living_workers()
        except RedisUnavailableError as error:
            return Part(False, str(error))
        if not living:
            return Part(False, "no worker runs: start `python -m backend worker`")
        return Part(True, f"{living} running")

    def _disk(self) -> Part:
        folder = self._service.settings.model_dir
        try:
            write_whole(folder / ".ready", b"")
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return Part(False, f"MODEL_DIR={folder} cannot be written ({error.strerror}): mend it or choose another")
        free_mb = free // 2**20
        if free < LEAST_FREE_BYTES:
            return Part(False, f"{free_mb} MB are free under MODEL_DIR={folder}: make room, a training needs more")
        return Part(True, f"{free_mb} MB free")

    def _label_studio(self) -> Part:
        try:
            check_answers(self._service.settings, TIMEOUT_S)
        except LabelStudioError as error:
            return Part(False, str(error))
        return Part(True, "answers")

    def _rounds(self) -> Part:
        """Whether any project's last round went well; one project's fault does not count."""
        projects = known_projects(self._service.settings.model_dir)
        try:
            failed = [project_id for project_id in projects if self._service.rounds.state(project_id).last_error]
        except RedisUnavailableError as error:
            return Part(False, str(error))
        said = f"the last rounds of {len(projects) - len(failed)} of {len(projects)} projects went well"
        if failed:
            said += f"; the status of project {', '.join(map(str, failed[:10]))} says why not"
        return Part(not projects or len(failed) < len(projects), said)
