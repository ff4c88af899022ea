"""Secrets that stand in files, as Docker and Kubernetes hand them over: X_FILE names the file of the setting X."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from backend.errors import ConfigurationError

SUFFIX = "_FILE"
# A secret is a line. A device such as /dev/zero has no end.
_MOST_BYTES = 65_536


def read_secret_files(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Read every secret whose file the environment names.

    Args:
        names: the settings that may stand in files.
        environment: the environment variables.

    Returns:
        Secrets by setting, without the line break at their end; none of a setting without a file.

    Raises:
        ConfigurationError: a file is missing, unreadable, empty or no text, or its setting is in the environment as
            well; the message names every such file and never shows a secret.
    """
    found, wrong = {}, []
    for name in names:
        path = environment.get(name + SUFFIX, "")
        if not path:
            continue
        try:
            found[name] = _read(name, Path(path), environment)
        except ConfigurationError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigurationError(f"settings: {'; '.join(wrong)}")
    return found


def _read(name: str, path: Path, environment: Mapping[str, str]) -> str:
    key = name + SUFFIX
    if environment.get(name):
        raise ConfigurationError(f"{name} and {key} are both set: unset one of them")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
        # Editors on Windows begin a file with a byte order mark.
        secret = content.decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"{key}: {path} cannot be read ({error.strerror}): put the secret there, or unset {key}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{key}: {path} holds no text: write the secret alone into it") from None
    if not secret.strip():
        raise ConfigurationError(f"{key}: {path} is empty: write the secret into it, or unset {key}")
    return secret
