"""`serve`: run the backend."""

from backend.commands.serving import run_server
from backend.commands.terminal import settings_of_command


def serve() -> None:
    """Run the backend: web server, and without REDIS_URL also a private Redis and a worker."""
    with settings_of_command() as settings:
        run_server(settings)
