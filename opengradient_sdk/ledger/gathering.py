"""What is recorded gathers for a moment, and is then written in order, many at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from .._core.tasks import Supervisor
from ..errors import LedgerError, OpenGradientError

T = TypeVar("T")

GATHER: Final = 0.02
"""Seconds in which lines gather before they are written: they share one wait for the disk."""
RETRY: Final = 1.0
"""Seconds until lines are tried again that could not be written."""
LARGEST: Final = 512
"""Lines in one transaction: others' durable steps wait for it."""


class Gathering(Generic[T]):
    """Writes lines in the order they were added, in the background.

    A line leaves the queue when it is durable. What cannot be written stays where it is and is
    tried again; until then ``failure`` says why.
    """

    def __init__(
        self, write: Callable[[Sequence[T]], Awaitable[None]], supervisor: Supervisor
    ) -> None:
        self._write = write
        self._supervisor = supervisor
        self._queue: deque[T] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False
        self.failure: LedgerError | None = None

    def __repr__(self) -> str:
        return f"Gathering(waiting={len(self._queue)}, failure={self.failure!r})"

    @property
    def waiting(self) -> Iterable[T]:
        """The lines that are not known to be durable, oldest first."""
        return self._queue

    def add(self, line: T) -> None:
        """Write a line soon.

        Raises:
            LedgerError: It was closed: nobody would write it.
        """
        if self._is_closed:
            raise LedgerError(
                "the ledger is closed, and what is not recorded is not handed out",
                hint="Read answers to their end before you close the client.",
            )
        self._queue.append(line)
        if self._timer is None or len(self._queue) == LARGEST:
            self._soon()

    def require_writable(self) -> None:
        """Return if the last lines could be written; if not, try them again now.

        Raises:
            LedgerError: They could not.
        """
        if self.failure is not None:
            self._begin()
            raise _twin(self.failure) from self.failure.__cause__

    async def tried(self) -> LedgerError | None:
        """Return when everything that was added before is durable, or why it is not."""
        while (running := self._writing) is not None:
            await asyncio.wait([running])  # what it took may be older than the caller's last line
        if self._queue:
            writing = self._begin()
            await asyncio.wait([writing])
            if writing.cancelled():
                return LedgerError("the ledger was being closed", hint="What waits is kept.")
        return self.failure

    async def flushed(self) -> None:
        """Return when everything that was added before is durable.

        Raises:
            LedgerError: It could not be written. It is kept.
        """
        failure = await self.tried()
        if failure is not None:
            raise _twin(failure) from failure.__cause__

    def close(self) -> None:
        """Start no further writing by itself, whatever is added."""
        self._is_closed = True
        self._stop_timer()

    def _soon(self) -> None:
        if self._writing is not None or self._is_closed:
            return
        if self.failure is None and len(self._queue) >= LARGEST:
            self._begin()  # there is nothing to gain by gathering more
        elif self._timer is None:
            delay = GATHER if self.failure is None else RETRY
            self._timer = asyncio.get_running_loop().call_later(delay, self._begin)

    def _begin(self) -> asyncio.Task[None]:
        self._stop_timer()
        if self._writing is None:
            self._writing = self._supervisor.spawn(self._write_all(), name="write the ledger")
            self._writing.add_done_callback(self._ended)
        return self._writing

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._writing = None
        if self._queue:
            self._soon()

    async def _write_all(self) -> None:
        """Write what waited at the beginning; what comes meanwhile gathers for the next time."""
        left = len(self._queue)
        try:
            while left > 0:
                part = list(islice(self._queue, min(left, LARGEST)))
                await self._write(part)
                for _ in part:
                    self._queue.popleft()
                left -= len(part)
            self.failure = None
        except Exception as error:  # noqa: BLE001 - `failure` tells it to whoever wants to send
            self.failure = _as_ledger_error(error)


def _as_ledger_error(error: Exception) -> LedgerError:
    """Return why nothing can be written, as the error that stops further calls."""
    if isinstance(error, LedgerError):
        return error
    said = error.short_message if isinstance(error, OpenGradientError) else type(error).__name__
    failure = LedgerError(
        f"the ledger cannot be written: {said}",
        hint=error.hint if isinstance(error, OpenGradientError) else "This is a bug; report it.",
    )
    failure.__cause__ = error
    return failure


def _twin(failure: LedgerError) -> LedgerError:
    """Return an error of its own for each of those who are told."""
    return LedgerError(failure.short_message, hint=failure.hint)
