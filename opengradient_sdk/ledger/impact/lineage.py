"""What a question was made from: the receipts it names, and the agent run it is asked in."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from ...errors import ConfigurationError
from ..receipt import Receipt

MOST_PARENTS: Final = 1_000
"""Receipts that one question may name."""

_DEEPEST: Final = 16
_LONGEST_NAME: Final = 100
_INSIDE: Final = "/"
_ID: Final = re.compile(r"[!-~]{1,128}")


@dataclass(slots=True, eq=False)
class _Chain:
    """The receipts of a chained run that no later one rests on yet.

    Each earlier receipt is among them or an ancestor of one: to name these is to name all.
    """

    ends: dict[str, None] = field(default_factory=dict[str, None])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> tuple[str, ...]:
        with self.lock:
            return tuple(self.ends)

    def grow(self, receipt_id: str, parents: Sequence[str]) -> None:
        with self.lock:
            for parent in parents:
                self.ends.pop(parent, None)
            self.ends[receipt_id] = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """An agent run: a name for all calls that are made inside it.

    ``id`` is what receipts hold: the name, made unique; a run inside another begins with that
    one's id and a slash.
    """

    id: str
    name: str | None
    outer: Run | None
    chain: _Chain | None

    def __repr__(self) -> str:
        return f"Run({self.id!r})"


_current: ContextVar[Run | None] = ContextVar("opengradient_run", default=None)


def current_run() -> Run | None:
    """Return the innermost run that this task or thread is in."""
    return _current.get()


def agent_run(name: str | None = None, *, chain: bool = False) -> AgentRun:
    """Return a context manager, for ``with`` and ``async with``: the calls inside are one run.

    Tasks that are started inside belong to the run, also those that outlive it. A new thread does
    not, unless it is started with the context (``asyncio.to_thread`` does, ``threading.Thread``
    needs ``contextvars.copy_context().run``). Runs may be inside each other; receipts name the
    innermost.

    With ``chain``, a call that names no ``parents`` rests on all receipts that the run had when
    the call began, also on those of runs inside it; without, only on what it names.

    Raises:
        ConfigurationError: The name is empty, longer than 100 characters, or has a slash or an
            unprintable character.

    Example:
        >>> with agent_run("nightly report") as run:
        ...     run.name, current_run() is run
        ('nightly report', True)
    """
    return AgentRun(name, chain=chain)


class AgentRun:
    """What ``agent_run`` returns; entered once, it gives the ``Run``."""

    def __init__(self, name: str | None = None, *, chain: bool = False) -> None:
        if name is not None:
            _check_name(name)
        self._name = name
        self._chain = chain
        self._run: Run | None = None

    def __enter__(self) -> Run:
        if self._run is not None:
            raise ConfigurationError(
                "an agent run is entered once", hint="Make another one with the same name."
            )
        self._run = _begin(self._name, _current.get(), chain=self._chain)
        _current.set(self._run)
        return self._run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run = self._run
        # where it is left by another task than entered it, there is nothing to put back
        if run is not None and _current.get() is run:
            _current.set(run.outer)

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where one call stands: the receipts its question was made from, and the run it is of."""

    parents: tuple[str, ...] = ()
    run: str | None = None
    _chain: _Chain | None = field(default=None, repr=False, compare=False)

    @classmethod
    def here(cls, parents: Sequence[Receipt | str] | None = None) -> Self:
        """Return the lineage of a call that begins now, in this task.

        ``parents`` are receipts or their ids; an empty sequence says that there are none. ``None``
        takes those of the chained run, if this is one.

        Raises:
            ConfigurationError: Something else than receipts and ids, or more than 1,000.
        """
        run = _current.get()
        if run is None:
            return cls(parents_for(parents or ()))
        if parents is None and run.chain is not None:
            parents = run.chain.now()
        return cls(parents_for(parents or ()), run.id, run.chain)

    def answered(self, receipt_id: str) -> None:
        """Say that the call has its receipt: later calls of a chained run rest on it.

        Raises:
            ConfigurationError: The receipt is one of its own parents.
        """
        if receipt_id in self.parents:
            raise ConfigurationError(f"the receipt {receipt_id!r} cannot be its own parent")
        if self._chain is not None:
            self._chain.grow(receipt_id, self.parents)

    def repeated(self, receipt_id: str) -> None:
        """Say that the call was answered from the store: later calls of a chained run rest on it.

        It may be its own parent here, and rests on what it was asked with the first time: whatever
        the run had before stays an end of the chain.
        """
        if self._chain is not None:
            self._chain.grow(receipt_id, ())


def parents_for(explicit: Sequence[Receipt | str]) -> tuple[str, ...]:
    """Return the ids of these receipts, each once, in their order.

    Raises:
        ConfigurationError: Something else than receipts and ids, or more than 1,000.
    """
    if isinstance(explicit, str) or not isinstance(explicit, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            "parents is a sequence of receipts", hint="Write parents=[receipt]."
        )
    ids = tuple(dict.fromkeys(map(_id_of, explicit)))
    if len(ids) > MOST_PARENTS:
        raise ConfigurationError(
            f"a question is made from at most {MOST_PARENTS:,} receipts, not {len(ids):,}",
            hint="Name those of the answers that it quotes; what they rest on is followed.",
        )
    return ids


def enclosing_runs(run: str | None) -> tuple[str, ...]:
    """Return the ids of a run and of those that it was inside, outermost first."""
    if run is None:
        return ()
    parts = run.split(_INSIDE)
    return tuple(_INSIDE.join(parts[: end + 1]) for end in range(len(parts)))


def _begin(name: str | None, outer: Run | None, *, chain: bool) -> Run:
    own = f"{name or 'run'}-{secrets.token_hex(8)}"
    id_ = own if outer is None else f"{outer.id}{_INSIDE}{own}"
    if id_.count(_INSIDE) >= _DEEPEST:
        raise ConfigurationError(f"agent runs are at most {_DEEPEST} levels deep")
    # runs inside a chained one share its chain: their receipts are its receipts
    around = None if outer is None else outer.chain
    return Run(id_, name, outer, around or (_Chain() if chain else None))


def _check_name(name: str) -> None:
    wrong = not isinstance(name, str) or not name.isprintable() or _INSIDE in name  # pyright: ignore[reportUnnecessaryIsInstance]
    if wrong or not 0 < len(name.strip()) <= len(name) <= _LONGEST_NAME:
        raise ConfigurationError(
            f"no name for a run: {str(name)[:_LONGEST_NAME]!r}",
            hint=f"1 to {_LONGEST_NAME} printable characters, without a slash.",
        )


def _id_of(parent: Receipt | str) -> str:
    id_ = parent.id if isinstance(parent, Receipt) else parent
    if not isinstance(id_, str) or _ID.fullmatch(id_) is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"no receipt and no id of one: {str(id_)[:80]!r}",
            hint="Pass reply.receipt, or its id.",
        )
    return id_
