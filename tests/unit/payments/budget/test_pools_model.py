"""A shared budget against a model: clients come and die, the chain speaks and takes it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opengradient_sdk._core.store import IN_MEMORY, Db, open_store
from opengradient_sdk.errors import BudgetExceededError
from opengradient_sdk.payments.budget.pools import (
    Limits,
    Pool,
    correct_tag,
    present_run,
    reserve_tag,
    standing,
)
from opengradient_sdk.payments.budget.standing import Standing
from opengradient_sdk.payments.journal import SCHEMA

from .rows import LIVES, NETWORK, NOW, OWNER, POOL, join, resolve, sign, withdraw

T = TypeVar("T")
CLIENTS = {
    "small": Limits(1_000, tags={"eval": 300}),
    "large": Limits(1_700, tags={"eval": 500, "chat": 100}),
    "windowed": Limits(1_200, window=400.0, tags={"eval": 400}),
    "free": Limits(None, tags={"eval": 500}),
}
HIGHEST_TAG_LIMIT = 500
clients = st.sampled_from(sorted(CLIENTS))
tags = st.sampled_from(["eval", "chat", "other"])
which = st.integers(0, 20)


@dataclass
class Cap:
    """An authorization as the model knows it. ``charged`` is ``None`` while it is open."""

    nonce: int
    cap: int
    signed_at: float
    run: int
    charged: int | None = None

    @property
    def deadline(self) -> float:
        return int(self.signed_at) + LIVES


class Sharing(RuleBasedStateMachine):
    """Four clients with different limits, one pool, one clock.

    The model is a list of authorizations, each with the number of the run that it was signed in,
    and the estimates by tag of the present run.
    """

    pool = POOL

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = open_store(IN_MEMORY, SCHEMA)
        self.now = NOW
        self.alive: set[str] = set()
        self.run_number = 0
        self.caps: list[Cap] = []
        self.estimated: dict[str, int] = {}
        self.calls: list[tuple[str, int, int, str]] = []  # tag, estimate, run's number, its name
        self.signed = 0

    def teardown(self) -> None:
        self.runner.run(self.store.aclose())
        self.runner.close()

    def do(self, work: Callable[[Db], T]) -> T:
        return self.runner.run(self.store.run(work))

    # What the model says

    def expected(self, limits: Limits) -> Standing:
        open_caps = sum(cap.cap for cap in self.caps if cap.charged is None)
        counted = [cap for cap in self.caps if self.counts(cap, limits)]
        return Standing(
            limits.total, open_caps, sum(cap.charged or 0 for cap in counted), self.estimated
        )

    def counts(self, cap: Cap, limits: Limits) -> bool:
        """Whether what the chain charged for it counts for a client with these limits."""
        if limits.window is None:
            return cap.run == self.run_number
        return cap.signed_at > self.now - limits.window

    def goes_on(self) -> bool:
        collectable = [
            cap
            for cap in self.caps
            if cap.charged is None and cap.run == self.run_number and cap.deadline >= self.now
        ]
        return bool(self.run_number and (self.pool.named or self.alive or collectable))

    # What happens

    @initialize(client=clients)
    def the_first_comes(self, client: str) -> None:
        self.comes(client)

    @rule(client=clients)
    def comes(self, client: str) -> None:
        if client in self.alive:
            return
        if not self.goes_on():
            self.run_number += 1
            self.estimated = {}
        self.do(lambda db: join(db, self.pool, shared=bool(self.alive), now=self.now))
        self.alive.add(client)

    @rule(client=clients)
    def dies(self, client: str) -> None:
        self.alive.discard(client)

    @rule(seconds=st.sampled_from([0.5, 30.0, 299.0, 301.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(client=clients, cap=st.integers(1, 700))
    def signs(self, client: str, cap: int) -> None:
        """Also a client that is thought dead: it counts in the present run."""
        limits = CLIENTS[client]
        before = self.expected(limits)
        fits = before.remaining is None or cap <= before.remaining
        self.signed += 1
        nonce = self.signed
        try:
            after = self.do(
                lambda db: sign(db, nonce, limits, cap=cap, pool=self.pool, now=self.now)
            )
        except BudgetExceededError:
            assert not fits
        else:
            assert fits
            self.caps.append(Cap(nonce, cap, self.now, self.run_number))
            assert after == self.expected(limits)

    @precondition(lambda self: self.caps)
    @rule(index=which)
    def withdraws(self, index: int) -> None:
        cap = self.caps[index % len(self.caps)]
        if cap.charged is None:
            self.do(lambda db: withdraw(db, cap.nonce, self.pool))
            self.caps.remove(cap)

    @precondition(lambda self: self.caps)
    @rule(index=which, share=st.integers(0, 100), state=st.sampled_from(["settled", "final"]))
    def the_chain_charges(self, index: int, share: int, state: str) -> None:
        """Early, late, or another sum than before."""
        cap = self.caps[index % len(self.caps)]
        charged = cap.cap * share // 100
        self.do(lambda db: resolve(db, cap.nonce, state, charged, self.pool))
        cap.charged = charged

    @precondition(lambda self: self.caps)
    @rule(index=which, state=st.sampled_from(["not charged", "cancelled"]))
    def the_chain_charges_nothing(self, index: int, state: str) -> None:
        cap = self.caps[index % len(self.caps)]
        self.do(lambda db: resolve(db, cap.nonce, state, None, self.pool))
        cap.charged = 0

    @precondition(lambda self: self.caps)
    @rule(index=which, state=st.sampled_from(["open", "unknown"]))
    def the_chain_takes_it_back(self, index: int, state: str) -> None:
        cap = self.caps[index % len(self.caps)]
        self.do(lambda db: resolve(db, cap.nonce, state, None, self.pool))
        cap.charged = None

    @rule(client=clients, tag=tags, estimate=st.integers(0, 200))
    def a_call_begins(self, client: str, tag: str, estimate: int) -> None:
        limits = CLIENTS[client]
        wanted = self.estimated.get(tag, 0) + estimate
        fits = wanted <= limits.tags.get(tag, wanted)

        def begin(db: Db) -> str:
            run = present_run(db, self.pool)
            reserve_tag(db, self.pool, run, limits, tag, estimate)
            return run

        try:
            run = self.do(begin)
        except BudgetExceededError:
            assert not fits
        else:
            assert fits
            self.estimated[tag] = wanted
            self.calls.append((tag, estimate, self.run_number, run))

    @precondition(lambda self: self.calls)
    @rule(index=which, share=st.integers(0, 100))
    def a_call_ends(self, index: int, share: int) -> None:
        tag, estimate, number, run = self.calls.pop(index % len(self.calls))
        by = estimate * share // 100 - estimate
        self.do(lambda db: correct_tag(db, self.pool, run, tag, by))
        if number == self.run_number:
            self.estimated[tag] += by

    @invariant()
    def every_client_sees_what_the_model_says(self) -> None:
        if not self.run_number:
            return

        def look(db: Db) -> dict[str, Standing]:
            run = present_run(db, self.pool)
            return {
                name: standing(db, self.pool, run, limits, self.now)
                for name, limits in CLIENTS.items()
            }

        seen = self.do(look)
        assert seen == {name: self.expected(limits) for name, limits in CLIENTS.items()}
        assert seen["free"].estimated_by_tag.get("eval", 0) <= HIGHEST_TAG_LIMIT


class SharingByName(Sharing):
    """A budget with a name: its run never ends, whoever dies."""

    pool = Pool(OWNER, NETWORK, "job-17")


# half as many as others: each step is a transaction
SIZE = settings(max_examples=settings().max_examples // 2, stateful_step_count=25)
Sharing.TestCase.settings = SharingByName.TestCase.settings = SIZE
TestSharing = Sharing.TestCase
TestSharingByName = SharingByName.TestCase
