"""What nobody waits for gathers for a moment, and is then written for all rooms at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, Generic, Protocol, TypeVar

from ..errors import LedgerError, OpenGradientError
from .store import Db, Store
from .tasks import Supervisor

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)

GATHER: Final = 0.02
"""Seconds in which lines gather before they are written: they share one wait for the disk."""
RETRY: Final = 1.0
"""Seconds until lines are tried again that could not be written."""
LARGEST: Final = 512
"""Lines of one room in one transaction: others' durable steps wait for it."""


class Scribe(Protocol[T_contra, R]):
    """How one room writes its lines."""

    async def ready(self) -> None:
        """Return when lines can be written; asked before each time."""
        ...

    def work(self, lines: Sequence[T_contra]) -> Callable[[Db], R]:
        """Return what writes ``lines``, as they are now, in a transaction of the store."""
        ...

    def written(self, result: R) -> None:
        """Hear that this is durable, and what it returned."""
        ...


class Gathering:
    """One timer and one transaction for what several rooms write in the background.

    Lines that were added together become durable together, whichever rooms they are of. What one
    room cannot write is that room's failure alone.
    """

    def __init__(self, store: Store, supervisor: Supervisor) -> None:
        self._store = store
        self._supervisor = supervisor
        self._queues: list[Queue[Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Gathering({self._queues!r})"

    def queue(self, book: str, scribe: Scribe[T, R]) -> Queue[T]:
        """Return the queue of one more room. In a transaction it comes after those before it.

        ``book`` is what it writes, as errors call it.
        """
        queue: Queue[T] = Queue(book, scribe, self)
        self._queues.append(queue)
        return queue

    @property
    def running(self) -> asyncio.Task[None] | None:
        """The writing that is under way."""
        return self._writing

    def within(self, seconds: float) -> None:
        """Write everything within so many seconds, or at once after the writing under way."""
        if self._writing is not None:
            return  # whoever has lines left then asks again
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self.begin)

    def begin(self) -> asyncio.Task[None]:
        """Write everything now, unless that is under way."""
        self._stop_timer()
        if self._writing is None:
            self._writing = self._supervisor.spawn(self._write(), name="write what has gathered")
            self._writing.add_done_callback(self._ended)
        return self._writing

    def rest(self) -> None:
        """Start nothing by itself where no open queue has anything to write."""
        if not any(queue.wants_writing for queue in self._queues):
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if not task.cancelled():
            for queue in self._queues:
                queue.go_on()

    async def _write(self) -> None:
        """Write one part of what each room has, in one transaction."""
        ready = [queue for queue in self._queues if await queue.is_ready()]
        # until the works are handed over nothing else runs: what is queued later is never older
        parts = [(queue, work) for queue in ready if (work := queue.take()) is not None]
        if not parts:
            return
        outcomes: list[object] = [asyncio.CancelledError()] * len(parts)  # unless there are others
        try:
            outcomes = await self._store.run_all([work for _, work in parts])
        except Exception as error:  # noqa: BLE001 - `failure` tells it to whoever wants to send
            outcomes = [error for _ in parts]
        finally:
            for (queue, _), outcome in zip(parts, outcomes, strict=True):
                queue.ended(outcome)


class Queue(Generic[T]):
    """The lines of one room, written in the order they were added.

    A line leaves when it is durable. What cannot be written stays and is tried again; until then
    ``failure`` says why.
    """

    def __init__(self, book: str, scribe: Scribe[T, Any], gathering: Gathering) -> None:
        self._book = book
        self._scribe = scribe
        self._gathering = gathering
        self._waiting: dict[str | int, T] = {}
        self._taken: dict[str | int, T] = {}
        self._added = 0
        self._written = 0
        self._is_behind = False
        self._is_closed = False
        self.failure: LedgerError | None = None

    def __repr__(self) -> str:
        return f"Queue({self._book}, waiting={len(self)}, failure={self.failure!r})"

    def __len__(self) -> int:
        return len(self._taken) + len(self._waiting)

    @property
    def waiting(self) -> Iterable[T]:
        """The lines that are not known to be durable, oldest first."""
        return (*self._taken.values(), *self._waiting.values())

    @property
    def is_closed(self) -> bool:
        """Whether what is added now stays unwritten, unless somebody asks for it."""
        return self._is_closed

    @property
    def wants_writing(self) -> bool:
        """Whether there is something to write, and nobody needs to ask for it."""
        return bool(self._waiting) and not self._is_closed

    def add(self, line: T, key: str | None = None) -> None:
        """Write a line soon; of those with one key that still wait, only the last."""
        self._added += 1
        self._waiting[self._added if key is None else key] = line
        self.go_on()

    def forget(self, key: str) -> None:
        """Leave a line out that was written otherwise, where it still waits."""
        self._waiting.pop(key, None)

    def require_writable(self) -> None:
        """Return if the last lines could be written; if not, try them again now.

        Raises:
            LedgerError: They could not.
        """
        if self.failure is not None:
            self._gathering.begin()
            raise _twin(self.failure) from self.failure.__cause__

    async def tried(self) -> LedgerError | None:
        """Return when everything that was added before is durable, or why it is not."""
        if (running := self._gathering.running) is not None:
            await asyncio.wait([running])  # what it took may be older than the caller's last line
        end = self._written + len(self)
        while self._written < end and len(self):
            writing = self._gathering.begin()
            await asyncio.wait([writing])
            if writing.cancelled():
                return LedgerError(f"{self._book} was being closed", hint="What waits is kept.")
            if self.failure is not None:
                break
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
        self._gathering.rest()

    # For the gathering

    def go_on(self) -> None:
        """See that what waits is written: at once where gathering more gains nothing."""
        if not self.wants_writing:
            return
        if self.failure is not None:
            self._gathering.within(RETRY)
        elif self._is_behind or len(self._waiting) >= LARGEST:
            self._gathering.begin()
        else:
            self._gathering.within(GATHER)

    async def is_ready(self) -> bool:
        """Return whether there are lines, and they can be written; if not, keep why."""
        if not self._waiting:
            self.failure = None  # what could not be written was written otherwise
            return False
        try:
            await self._scribe.ready()
        except Exception as error:  # noqa: BLE001 - `failure` tells it to whoever wants to send
            self.failure = self._as_ledger_error(error)
            return False
        return True

    def take(self) -> Callable[[Db], Any] | None:
        """Take the oldest lines; return what writes them, ``None`` where that cannot be made."""
        self._taken = dict(islice(self._waiting.items(), LARGEST))
        for key in self._taken:
            del self._waiting[key]
        self._is_behind = bool(self._waiting)
        try:
            return self._scribe.work(list(self._taken.values()))
        except Exception as error:  # noqa: BLE001 - `failure` tells it to whoever wants to send
            self.ended(error)
            return None

    def ended(self, outcome: object) -> None:
        """Hear what came of writing the lines that were taken: a result, or an error."""
        if isinstance(outcome, BaseException):
            self._waiting = {**self._taken, **self._waiting}  # what came meanwhile is newer
            if isinstance(outcome, Exception):
                self.failure = self._as_ledger_error(outcome)
        else:
            self._written += len(self._taken)
            self._scribe.written(outcome)
            self.failure = None
        self._taken = {}

    def _as_ledger_error(self, error: Exception) -> LedgerError:
        """Return why nothing can be written, as the error that stops further calls."""
        if isinstance(error, LedgerError):
            return error
        known = error if isinstance(error, OpenGradientError) else None
        said = type(error).__name__ if known is None else known.short_message
        failure = LedgerError(
            f"{self._book} cannot be written: {said}",
            hint="This is a bug; report it." if known is None else known.hint,
        )
        failure.__cause__ = error
        return failure


def _twin(failure: LedgerError) -> LedgerError:
    """Return an error of its own for each of those who are told."""
    return LedgerError(failure.short_message, hint=failure.hint)
