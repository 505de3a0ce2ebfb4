"""Group commit: many callers' transactions in one, so that they share its wait for the disk.

Nothing here depends on which database it is: that is an ``Engine``'s business.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from ...errors import LedgerError, OpenGradientError
from .db import Db

T = TypeVar("T")

LARGEST_GROUP: Final = 512
"""Works in one transaction at most: the first of them waits for the last."""

_TRIES: Final = 10


class AgainError(Exception):
    """Nothing of this transaction was kept, and its works may be run again.

    ``reason`` is what the callers are told when that does not help.
    """

    def __init__(self, reason: LedgerError) -> None:
        super().__init__(reason.short_message)
        self.reason = reason


class ConflictError(AgainError):
    """Another process's transaction was in the way, as in a deadlock."""


class ConnectionLostError(AgainError):
    """The database went away before anything could have been committed."""


class LockTakenError(BaseException):
    """``Db.lock`` would have to wait, and must not.

    No ``Exception``: it is for the group, and a work that catches everything must not see it.
    """


class Transaction(Db, Protocol):
    """What an engine begins."""

    patient: bool
    """Whether ``lock`` waits; else it raises ``LockTakenError``. ``True`` at the beginning."""

    def savepoint(self) -> None:
        """Keep what was done so far, whatever the next work does."""
        ...

    def undo(self) -> None:
        """Undo what was done since the savepoint."""
        ...

    def check(self) -> None:
        """Raise ``LedgerError`` when a failed statement, hidden by its work, has spoilt it."""
        ...


class Engine(Protocol):
    """One connection to a database, used by one thread. ``begin`` opens it where needed.

    Failures are ``LedgerError``, or ``AgainError`` where nothing was kept and it may be repeated.
    """

    def begin(self) -> Transaction:
        """Open a transaction."""
        ...

    def commit(self) -> None:
        """Make it durable; ``LedgerError`` also when nobody can know whether it is."""
        ...

    def rollback(self) -> None:
        """Undo it, and never raise."""
        ...

    def close(self) -> None:
        """Close the connection, and never raise; ``begin`` opens another."""
        ...


class GroupedStore:
    """Runs works on one thread, and those that queue up meanwhile in one transaction.

    A caller hears of its work's result when the transaction is durable. A work that raises is
    undone alone. Any thread and any event loop may call. Nothing is opened before the first
    ``run``.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._writer: _Writer | None = None

    async def run(self, work: Callable[[Db], T]) -> T:
        """Run ``work`` in one durable transaction and return its result.

        When ``work`` raises, nothing it did is kept. It must do nothing but use its ``Db``: after
        a conflict with another process it is run again. Cancelling the caller does not tear the
        transaction: it is finished all the same.

        Raises:
            LedgerError: The store cannot be opened or written (disk full, locked, no server), or
                was lost while it committed, so that the outcome is unknown.
            ConfigurationError: The store's place cannot be used.
        """
        (future,) = self._queued((work,))
        return await future

    async def run_all(self, works: Sequence[Callable[[Db], Any]]) -> list[Any]:
        """Run several works as ``run`` does, together; return what each returned or raised.

        They share one transaction, in their order. One that raises is undone alone. Only where
        the store has to (a conflict with another process, more than 512 works at once) are they
        several transactions.
        """
        return await asyncio.gather(*self._queued(works), return_exceptions=True)

    def _queued(self, works: Sequence[Callable[[Db], T]]) -> list[asyncio.Future[T]]:
        loop = asyncio.get_running_loop()
        jobs = [_Job(work, loop, loop.create_future()) for work in works]
        with self._lock:
            if self._writer is None:
                self._writer = _Writer(self._engine())
            self._writer.add(jobs)
        return [job.future for job in jobs]

    async def aclose(self) -> None:
        """Finish what is queued and close the database; ``run`` opens it again."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            await writer.aclose()


@dataclass(slots=True, eq=False)
class _Job:
    """One caller's work, and what came of it."""

    work: Callable[[Db], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def attempt(self, db: Transaction) -> None:
        """Do the work; keep its result or its error."""
        self.result = self.error = None
        try:
            self.result = self.work(db)
            db.check()
        except (AgainError, LockTakenError):
            raise
        except BaseException as error:  # noqa: BLE001 - it is the caller's, and raised there
            self.error = error

    def fail(self, error: BaseException) -> None:
        """Give up for a reason that several jobs share: each gets an exception of its own.

        A job that had failed by itself keeps its own reason.
        """
        if self.error is None:
            self.error = _twin(error) if isinstance(error, OpenGradientError) else error

    def tell(self) -> None:
        """Hand the outcome to the caller, on the caller's loop."""
        if self.future.done():
            return  # the caller was cancelled; its work was done all the same
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, StopIteration):  # no future takes one
            wrapped = RuntimeError("the work raised StopIteration")
            wrapped.__cause__ = self.error
            self.future.set_exception(wrapped)
        else:
            self.future.set_exception(self.error)


class _Writer:
    """The thread of a store: it takes whatever has queued up, and commits it together."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._writing = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="opengradient-store")

    def add(self, jobs: Sequence[_Job]) -> None:
        with self._lock:
            self._queue.extend(jobs)
            if self._writing:
                return
            self._writing = True
        self._executor.submit(self._write)

    async def aclose(self) -> None:
        """Finish the queue, then close. The caller adds nothing after this."""
        closed = self._executor.submit(self._engine.close)
        self._executor.shutdown(wait=False)  # no new jobs; the queued ones are done
        await asyncio.shield(asyncio.wrap_future(closed))
        self._executor.shutdown()  # its thread has nothing left to do but to end

    def _write(self) -> None:
        while jobs := self._take():
            late = self._settle(jobs)
            with self._lock:
                self._queue.extendleft(reversed(late))
            _tell([job for job in jobs if job not in late])

    def _take(self) -> list[_Job]:
        with self._lock:
            count = min(len(self._queue), LARGEST_GROUP)
            self._writing = count > 0
            return [self._queue.popleft() for _ in range(count)]

    def _settle(self, jobs: Sequence[_Job]) -> list[_Job]:
        """Bring every job to an end but those that are returned: they come first next time."""
        try:
            return _commit(self._engine, jobs)
        except BaseException as error:  # noqa: BLE001 - no caller may be left waiting
            for job in jobs:
                job.fail(error)
            return []


def _commit(engine: Engine, jobs: Sequence[_Job]) -> list[_Job]:
    """Do the jobs in one transaction, again where that is safe; return the late ones."""
    for tries_left in reversed(range(_TRIES)):
        try:
            return _transaction(engine, jobs)
        except ConflictError as conflict:
            if len(jobs) > 1:
                return _one_by_one(engine, jobs)
            if not tries_left:
                raise conflict.reason from conflict.__cause__
        except ConnectionLostError as lost:
            if tries_left < _TRIES - 1:  # it was tried on a new connection
                raise lost.reason from lost.__cause__
    raise AssertionError("every try returns or raises")


def _one_by_one(engine: Engine, jobs: Sequence[_Job]) -> list[_Job]:
    """Do each job in a transaction of its own: what one meets is no other's business."""
    for job in jobs:
        try:
            _commit(engine, [job])
        except BaseException as error:  # noqa: BLE001 - the others are done all the same
            job.fail(error)
    return []


def _transaction(engine: Engine, jobs: Sequence[_Job]) -> list[_Job]:
    db = engine.begin()
    try:
        late = _together(db, jobs) if len(jobs) > 1 else _alone(db, jobs[0])
        if any(job.error is None for job in jobs):
            engine.commit()
        else:
            engine.rollback()
    except BaseException:
        engine.rollback()
        raise
    return late


def _alone(db: Transaction, job: _Job) -> list[_Job]:
    job.attempt(db)  # the transaction itself is the savepoint
    return []


def _together(db: Transaction, jobs: Sequence[_Job]) -> list[_Job]:
    """Do each job between savepoints, and return those that would have to wait for a lock.

    Only the first may wait: a transaction that waits while it holds the locks of other callers
    can be waited for by the one that it waits for.
    """
    late: list[_Job] = []
    for job in jobs:
        db.savepoint()
        try:
            job.attempt(db)
        except LockTakenError:
            late.append(job)
            db.undo()
        if job.error is not None:
            _undo(db, job.error)
        db.patient = False
    return late


def _undo(db: Transaction, error: BaseException) -> None:
    """Undo the failed work alone; where that cannot be done, fail all with what broke it."""
    try:
        db.undo()
    except LedgerError as broken:  # the disk is full, for example: the whole transaction is gone
        if isinstance(error, LedgerError):
            raise error from error.__cause__
        raise broken from error


def _twin(error: OpenGradientError) -> OpenGradientError:
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin


def _tell(jobs: Sequence[_Job]) -> None:
    """Wake each event loop once, however many of its callers were served."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, served in loops.items():
        try:
            loop.call_soon_threadsafe(_tell_all, served)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            continue


def _tell_all(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.tell()
