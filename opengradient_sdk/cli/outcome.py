"""What every command that looks at something ends with."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from ..errors import OpenGradientError, VerificationError

REFUSED = 1
USAGE_ERROR = 2


@contextmanager
def told() -> Generator[None]:
    """Tell errors in a line, and exit with what they mean: 1 is refused, 2 could not be looked at.

    Standard output gets what was found, standard error why there is nothing.
    """
    try:
        yield
    except VerificationError as error:
        print(f"REFUSED: {error}")
        raise typer.Exit(REFUSED) from None
    except (OpenGradientError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(USAGE_ERROR) from None
