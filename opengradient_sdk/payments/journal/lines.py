"""Lines that nobody waits for: written while calls are under way, many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..._core.tasks import Supervisor
from ...errors import LedgerError, OpenGradientError
from ..state import OpenAuthorization
from .records import CallRecord
from .refusals import Refusal

GATHER: Final = 0.02
"""Seconds in which lines gather before they are written: most calls end meanwhile, and are one."""
RETRY: Final = 1.0
"""Seconds until lines are tried again that could not be written."""
LARGEST: Final = 256
"""Lines in one transaction: others' durable steps wait for it."""


@dataclass(slots=True)
class Batch:
    """What is to be written. Calls and authorizations are written as they are at that moment."""

    calls: dict[str, CallRecord] = field(default_factory=dict[str, CallRecord])
    lives: dict[int, OpenAuthorization] = field(default_factory=dict[int, OpenAuthorization])
    refusals: list[Refusal] = field(default_factory=list[Refusal])

    def __bool__(self) -> bool:
        return bool(self.calls or self.lives or self.refusals)

    def parts(self) -> list[Batch]:
        """Return the same lines in batches that are short enough for one transaction."""
        calls, lives = list(self.calls.items()), list(self.lives.items())
        longest = max(len(calls), len(lives), len(self.refusals))
        return [
            Batch(
                dict(calls[start : start + LARGEST]),
                dict(lives[start : start + LARGEST]),
                self.refusals[start : start + LARGEST],
            )
            for start in range(0, longest, LARGEST)
        ]

    def put_back(self, parts: Sequence[Batch]) -> None:
        """Take lines back that were not written; what came meanwhile is newer."""
        for part in reversed(parts):
            self.calls = {**part.calls, **self.calls}
            self.lives = {**part.lives, **self.lives}
            self.refusals[:0] = part.refusals


class Lines:
    """Gathers lines and writes them in one transaction after the other, in the background.

    Lines that cannot be written are kept and tried again; until then ``failure`` says why.
    """

    def __init__(self, write: Callable[[Batch], Awaitable[None]], supervisor: Supervisor) -> None:
        self._write = write
        self._supervisor = supervisor
        self._waiting = Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False
        self.failure: LedgerError | None = None

    def __repr__(self) -> str:
        return f"Lines(waiting={len(self._waiting.calls)}, failure={self.failure!r})"

    def call(self, record: CallRecord) -> None:
        """Write a call soon, as it is then."""
        self._waiting.calls[record.id] = record
        self._soon(GATHER)

    def life(self, life: OpenAuthorization) -> None:
        """Write soon what became of an authorization, as it is then."""
        self._waiting.lives[life.authorization.nonce] = life
        self._soon(GATHER)

    def refusal(self, refusal: Refusal) -> None:
        """Write a refusal soon."""
        self._waiting.refusals.append(refusal)
        self._soon(GATHER)

    def forget_call(self, id_: str) -> None:
        """Leave a call out whose last line was written otherwise."""
        self._waiting.calls.pop(id_, None)

    def require_writable(self) -> None:
        """Return if the last lines could be written; if not, try them again now.

        Raises:
            LedgerError: They could not.
        """
        if self.failure is None:
            return
        self._begin()
        raise _twin(self.failure) from self.failure.__cause__

    async def flushed(self) -> None:
        """Return when everything that was added before is durable.

        Raises:
            LedgerError: It could not be written. It is kept.
        """
        while (running := self._writing) is not None:
            await asyncio.wait([running])  # what it took may be older than the caller's last line
        if self._waiting:
            await asyncio.shield(self._begin())
            if self.failure is not None:
                raise _twin(self.failure) from self.failure.__cause__

    def close(self) -> None:
        """Start no further writing by itself, whatever is added.

        A call that ends after its client has left is written down by the leaving: as one of which
        nobody knows how it ended.
        """
        self._is_closed = True
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _soon(self, seconds: float) -> None:
        if self._timer is None and self._writing is None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> asyncio.Task[None]:
        self._stop_timer()
        if self._writing is None:
            self._writing = self._supervisor.spawn(self._write_all(), name="write the journal")
            self._writing.add_done_callback(self._ended)
        return self._writing

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if self._waiting and not task.cancelled():
            self._soon(GATHER if self.failure is None else RETRY)

    async def _write_all(self) -> None:
        taken, self._waiting = self._waiting, Batch()
        parts = taken.parts()
        try:
            while parts:
                await self._write(parts[0])
                del parts[0]
            self.failure = None
        except Exception as error:  # noqa: BLE001 - `failure` tells it to whoever wants to send
            self.failure = _as_ledger_error(error)
        finally:
            self._waiting.put_back(parts)


def _as_ledger_error(error: Exception) -> LedgerError:
    """Return why nothing can be written, as the error that stops further calls."""
    if isinstance(error, LedgerError):
        return error
    said = error.short_message if isinstance(error, OpenGradientError) else type(error).__name__
    failure = LedgerError(
        f"the journal cannot be written: {said}",
        hint=error.hint if isinstance(error, OpenGradientError) else "This is a bug; report it.",
    )
    failure.__cause__ = error
    return failure


def _twin(failure: LedgerError) -> LedgerError:
    """Return an error of its own for each of those who are told."""
    return LedgerError(failure.short_message, hint=failure.hint)
