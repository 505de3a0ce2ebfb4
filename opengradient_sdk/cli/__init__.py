"""The ``ogsdk`` command. Importing this loads nothing; the command itself needs the extra."""

from __future__ import annotations

import sys

_MISSING = 'ogsdk needs an extra: pip install "opengradient-sdk[cli]"'
_USAGE_ERROR = 2


def main() -> None:
    """Run ``ogsdk`` with the arguments of this process, and exit with its code."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(_MISSING, file=sys.stderr)
        sys.exit(_USAGE_ERROR)
    app()
