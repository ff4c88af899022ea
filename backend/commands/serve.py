"""`serve`: run the backend."""

from backend.commands.model_dir import check_model_dir
from backend.commands.serving import run_server
from backend.commands.terminal import settings_of_command


def serve() -> None:
    """Run the backend: web server, and without REDIS_URL also a private Redis and a worker."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        run_server(settings)
