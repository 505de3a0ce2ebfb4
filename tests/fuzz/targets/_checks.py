"""What holds for every target."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from opengradient_sdk.errors import OpenGradientError

T = TypeVar("T")


def check_error(error: OpenGradientError) -> None:
    """Raise where an error of the tree cannot be shown: a log writes UTF-8."""
    for text in (str(error), repr(error), error.hint, error.short_message):
        text.encode()


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; it must wait for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise AssertionError("it waits for something, and nothing will come")
