"""What a scenario needs of the machine and may lack: then it is reported as not run, never as held."""

import subprocess


class NotRunError(Exception):
    """The message says what is missing."""


def needs(what: str, *command: str) -> None:
    """Raises NotRunError where the command, which shows that it is there, fails."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise NotRunError(f"it needs {what}: `{' '.join(command)}` failed") from error
