"""`serve`: run the backend."""

from backend.commands.model_dir import check_model_dir
from backend.commands.processes.serving import run_server
from backend.commands.terminal import settings_of_command
from backend.store.in_use import in_use


def serve() -> None:
    """Run the backend: web server, and without REDIS_URL also a private Redis and a worker."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        with in_use(settings.model_dir):
            run_server(settings)
