"""`check-worker`: whether a worker of this machine or container lives, for the health check of its container."""

import typer

from backend.commands.terminal import JsonOption, answer, settings_of_command
from backend.work.living import living_here
from backend.work.redis_access import open_redis, redis_errors


def check_worker(*, json_out: JsonOption = False) -> None:
    """Ask Redis whether a worker of this machine or container lives; exit code 1 if none does."""
    with settings_of_command() as settings:
        with redis_errors():
            names = living_here(open_redis(settings))
        dead = "no worker of this machine or container has reported to Redis in the last 15 s: see its log"
        answer({"living": names}, f"living: {', '.join(names)}" if names else dead, as_json=json_out)
        if not names:
            raise typer.Exit(1)
