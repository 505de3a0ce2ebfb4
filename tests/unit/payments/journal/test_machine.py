"""Clients that reserve, sign, look, die and inherit in any order, against a model in atoms."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from opengradient_sdk._core.store import IN_MEMORY, SqliteStore
from opengradient_sdk.errors import BudgetExceededError, LedgerError
from opengradient_sdk.payments.journal import SCHEMA
from opengradient_sdk.payments.status import PaymentState, PaymentStatus
from opengradient_sdk.types import Amount, Bytes32

from ..makers import CAP, a_life
from .clients import Client, a_reservation

T = TypeVar("T")
TOTAL = 4 * CAP
TX = Bytes32(b"\x07" * 32)
LAST_WORDS = (PaymentState.FINAL, PaymentState.NOT_CHARGED)
CHARGING = (PaymentState.SETTLED, PaymentState.FINAL)


@dataclass
class Expected:
    """What the model knows of one authorization. ``holder`` is a client's, or nobody's."""

    cap: int
    holder: str | None
    signed: bool = False
    state: PaymentState = PaymentState.OPEN
    charged: int = 0


class Clients(RuleBasedStateMachine):
    """Three clients of one budget, on one store."""

    nonces: Bundle[int] = Bundle("nonces")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.store = SqliteStore(IN_MEMORY, SCHEMA)
        self.known: dict[int, Expected] = {}
        self.dead: set[str] = set()
        self.next_nonce = 1
        self.clients: list[Client] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def new_client(self) -> Client:
        beside = Path(self.folder.name) / "store.sqlite"  # only the key is there
        client = Client(str(beside), total=TOTAL, name="job", store=self.store)
        self.run(client.journal.join())
        return client

    @initialize()
    def begin(self) -> None:
        self.clients = [self.new_client() for _ in range(3)]

    @property
    def exposed(self) -> int:
        return sum(one.cap for one in self.known.values() if not one.state.resolved)

    @property
    def charged(self) -> int:
        return sum(one.charged for one in self.known.values())

    def revive(self, client: Client) -> None:
        self.dead.discard(client.journal.holder)

    @rule(target=nonces, who=st.integers(0, 2), cap=st.integers(1, 2 * CAP))
    def reserve(self, who: int, cap: int) -> Any:
        client, nonce = self.clients[who], self.next_nonce
        fits = self.exposed + self.charged + cap <= TOTAL
        try:
            standing = self.run(client.journal.reserve(a_reservation(nonce, cap)))
        except BudgetExceededError:
            assert not fits
            return multiple()
        assert fits
        self.revive(client)
        self.next_nonce += 1
        self.known[nonce] = Expected(cap, client.journal.holder)
        assert standing.exposed == self.exposed
        return nonce

    @rule(nonce=nonces, who=st.integers(0, 2))
    def sign(self, nonce: int, who: int) -> None:
        client, one = self.clients[who], self.known.get(nonce)
        may = one is not None and not one.signed and one.holder == client.journal.holder
        life = a_life(nonce, amount=one.cap if one else CAP)
        try:
            self.run(client.journal.write(life))
        except LedgerError:
            assert not may
        else:
            assert may
            assert one is not None
            one.signed = True

    @rule(nonce=consumes(nonces), who=st.integers(0, 2))
    def withdraw(self, nonce: int, who: int) -> None:
        client, one = self.clients[who], self.known.get(nonce)
        if one is None or one.state.resolved:
            return
        self.run(client.journal.withdraw(nonce))
        if one.holder == client.journal.holder:
            del self.known[nonce]

    @rule(
        nonce=nonces,
        who=st.integers(0, 2),
        state=st.sampled_from(PaymentState),
        share=st.integers(0, 100),
    )
    def look(self, nonce: int, who: int, state: PaymentState, share: int) -> None:
        one = self.known.get(nonce)
        if one is None or not one.signed:
            return
        charged = one.cap * share // 100 if state in CHARGING else 0
        status = PaymentStatus(state, "", Amount(charged) if state.resolved else None, TX)
        life = a_life(nonce, amount=one.cap)
        assert self.run(self.clients[who].journal.resolve(life, status)) is one.state
        if one.state not in LAST_WORDS:
            one.state, one.charged = state, charged

    @rule(who=st.integers(0, 2))
    def inherit(self, who: int) -> None:
        client = self.clients[who]
        self.revive(client)
        left = {
            nonce
            for nonce, one in self.known.items()
            if not one.state.resolved and (one.holder is None or one.holder in self.dead)
        }
        found = self.run(client.journal.inherit())
        got = {one.life.authorization.nonce for one in found}
        assert got == {nonce for nonce in left if self.known[nonce].signed}
        for nonce in left - got:
            del self.known[nonce]
        for nonce in got:
            self.known[nonce].holder = client.journal.holder

    @rule(who=st.integers(0, 2))
    def leave(self, who: int) -> None:
        client = self.clients[who]
        holder = client.journal.holder
        self.run(client.journal.leave())
        self.run(client.supervisor.aclose())
        for nonce, one in list(self.known.items()):
            if one.holder == holder and not one.signed:
                del self.known[nonce]
            elif one.holder == holder:
                one.holder = None
        self.clients[who] = self.new_client()

    @rule(who=st.integers(0, 2), comes_back=st.booleans())
    def die(self, who: int, *, comes_back: bool) -> None:
        client = self.clients[who]
        holder = client.journal.holder
        self.run(client.sql("UPDATE payment_client SET alive_until = 0 WHERE id = ?", holder))
        self.dead.add(holder)
        if not comes_back:
            self.run(client.supervisor.aclose())
            self.clients[who] = self.new_client()

    @invariant()
    def the_budget_is_exact(self) -> None:
        if not self.clients:
            return
        # read past the journal: to ask it is a sign of life
        rows = self.run(self.clients[0].sql('SELECT nonce, state FROM "authorization"'))
        assert dict(rows) == {str(n): one.state.value for n, one in self.known.items()}
        charged = self.run(self.clients[0].sql("SELECT charged FROM budget_run"))
        assert charged == [(str(self.charged),)]

    def teardown(self) -> None:
        for client in self.clients:
            self.run(client.journal.leave())
            self.run(client.supervisor.aclose())
        self.run(self.store.aclose())
        self.runner.close()
        self.folder.cleanup()


TestClients = Clients.TestCase
TestClients.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
