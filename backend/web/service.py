"""The objects with which every web request is answered."""

from dataclasses import dataclass

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.web.classifying import WebClassifier
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from model.encoder.processor import available_cores


@dataclass(frozen=True)
class Service:
    """Settings, queue and loaded classifiers of a web process."""

    settings: Settings
    rounds: RoundQueue
    classifier: WebClassifier

    def folder(self, project_id: int) -> ProjectFolder:
        """The project's folder."""
        return ProjectFolder(self.settings.model_dir, project_id)

    def threads(self) -> int:
        """Return the number of threads for a request's texts: one while a round runs, else one a core."""
        try:
            return 1 if self.rounds.anybody_runs() else available_cores()
        except RedisUnavailableError:
            return 1


def open_service(settings: Settings) -> Service:
    """Make a service with the Redis and the MODEL_DIR of the settings."""
    return Service(settings, RoundQueue(open_redis(settings)), WebClassifier())
