"""The book against a model of it, on whatever path hypothesis finds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opengradient_sdk._core.store import IN_MEMORY, open_store
from opengradient_sdk.chain.outbox.journal import TxJournal
from opengradient_sdk.chain.outbox.schema import SCHEMA
from opengradient_sdk.chain.outbox.slots import (
    AttemptKind,
    Blocked,
    Known,
    Leased,
    RequestKey,
    SlotState,
)
from opengradient_sdk.errors import NonceError
from opengradient_sdk.types import Bytes32, SignedTx

from .makers import ACCOUNT, expire, included, kill, signed

T = TypeVar("T")

HOLDERS = ("alice", "bob")
REQUESTS = ("rent", "food")

holders = st.sampled_from(HOLDERS)


class Book(RuleBasedStateMachine):
    """Two holders, a chain that mines in order, and the promises that hold at every moment.

    The model knows who may sign which nonce (``leases``), what is decided to be in the chain
    (``sending``), what the chain has (``chain``) and every hash that was signed for a request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = open_store(IN_MEMORY, SCHEMA)
        self.journals = {name: TxJournal(self.store, holder=name) for name in HOLDERS}
        self.leases: dict[int, tuple[str, str]] = {}  # nonce: holder and request
        self.sending: dict[int, SignedTx] = {}
        self.chain: list[SignedTx] = []
        self.request_hashes: dict[str, set[Bytes32]] = {name: set() for name in REQUESTS}
        self.request_bytes: dict[Bytes32, SignedTx] = {}
        self.values = 0

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def new_transaction(self, nonce: int) -> SignedTx:
        self.values += 1
        return signed(nonce, self.values)

    def note_lease(self, holder: str, leased: Leased, request: str = "") -> None:
        for nonce in leased.nonces:
            assert nonce not in self.leases, "on lease to a live holder"
            assert nonce not in self.sending, "being sent"
            assert nonce >= len(self.chain), "used"
            self.leases[nonce] = (holder, request)

    @rule(holder=holders, wanted=st.integers(1, 3), behind=st.integers(0, 2))
    def lease(self, holder: str, wanted: int, behind: int) -> None:
        count = max(0, len(self.chain) - behind)  # what the endpoint says, which may lag
        leased = self.run(self.journals[holder].lease(ACCOUNT, wanted, count=count))
        assert leased is not None
        assert list(leased.nonces) == sorted(set(leased.nonces))
        assert len(leased.nonces) == wanted
        self.note_lease(holder, leased)

    @rule(holder=holders, request=st.sampled_from(REQUESTS))
    def lease_for(self, holder: str, request: str) -> None:
        journal = self.journals[holder]
        key = RequestKey(request, "f")
        found = self.run(journal.lease_for(ACCOUNT, key, count=len(self.chain)))
        mined = {one.hash for one in self.chain} & self.request_hashes[request]
        if isinstance(found, Leased):
            assert not mined, "a second transaction of a request that is in the chain"
            (nonce,) = found.nonces
            for hash_ in self.request_hashes[request]:
                self.check_second_chance(hash_, nonce)
            self.note_lease(holder, found, request)
        elif isinstance(found, Known):
            on_lease = self.leases.get(found.slot.nonce, ("", ""))[1] == request
            bytes_of = {one.signed.hash for one in found.slot.attempts}
            assert on_lease or bytes_of & self.request_hashes[request]
        elif isinstance(found, Blocked):
            assert found.nonce in self.leases or found.nonce in self.sending

    def check_second_chance(self, hash_: Bytes32, nonce: int) -> None:
        """Check that older bytes of a request cannot be mined beside those at ``nonce``."""
        old = self.request_bytes[hash_]
        assert old.tx.nonce == nonce or old.tx.nonce < len(self.chain)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def sign(self, data: st.DataObject) -> None:
        nonce = data.draw(st.sampled_from(sorted(self.leases)))
        holder, request = self.leases.pop(nonce)
        one = self.new_transaction(nonce)
        self.run(self.journals[holder].sign(ACCOUNT, [one], sending=True))
        self.sending[nonce] = one
        if request:
            self.request_hashes[request].add(one.hash)
            self.request_bytes[one.hash] = one

    @rule(holder=holders, nonce=st.integers(0, 12))
    def sign_without_a_lease(self, holder: str, nonce: int) -> None:
        if self.leases.get(nonce, ("", ""))[0] == holder:
            return
        with pytest.raises(NonceError):
            self.run(self.journals[holder].sign(ACCOUNT, [signed(nonce)], sending=True))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), holder=holders)
    def give_back(self, data: st.DataObject, holder: str) -> None:
        nonce = data.draw(st.sampled_from(sorted(self.leases)))
        self.run(self.journals[holder].give_back(ACCOUNT, [nonce]))
        if self.leases[nonce][0] == holder:
            del self.leases[nonce]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        nonce = data.draw(st.sampled_from(sorted(self.leases)))
        self.run(expire(self.store, ACCOUNT, nonce))
        self.run(self.journals["alice"].gaps(ACCOUNT, 2**40, 1))  # whoever comes next sees it
        del self.leases[nonce]

    @rule(dead=holders)
    def die(self, dead: str) -> None:
        """Let one holder die, and the other take over."""
        (heir,) = (name for name in HOLDERS if name != dead)
        self.run(kill(self.store, dead))
        taken = self.run(self.journals[heir].take_over(ACCOUNT))
        for slot in taken:
            if slot.state is SlotState.SENDING:
                assert [
                    one.signed for one in slot.attempts if not one.refused and not one.discarded
                ]
                assert self.sending[slot.nonce] in [one.signed for one in slot.attempts]
        self.run(self.journals[heir].gaps(ACCOUNT, 2**40, 1))
        self.leases = {nonce: who for nonce, who in self.leases.items() if who[0] != dead}

    @precondition(lambda self: self.sending)
    @rule(data=st.data(), holder=holders)
    def replace(self, data: st.DataObject, holder: str) -> None:
        nonce = data.draw(st.sampled_from(sorted(self.sending)))
        one = self.new_transaction(nonce)
        self.run(self.journals[holder].attempt(ACCOUNT, one, AttemptKind.REPRICED))
        self.run(self.journals[holder].refused(ACCOUNT, self.sending[nonce].hash))
        for hashes in self.request_hashes.values():
            if self.sending[nonce].hash in hashes:
                hashes.add(one.hash)
                self.request_bytes[one.hash] = one
        self.sending[nonce] = one

    @precondition(lambda self: self.sending)
    @rule(data=st.data(), holder=holders)
    def refuse(self, data: st.DataObject, holder: str) -> None:
        nonce = data.draw(st.sampled_from(sorted(self.sending)))
        self.run(self.journals[holder].refused(ACCOUNT, self.sending.pop(nonce).hash))

    @precondition(lambda self: len(self.chain) in self.sending)
    @rule(holder=holders, final=st.booleans())
    def mine(self, holder: str, final: bool) -> None:
        one = self.sending.pop(len(self.chain))
        self.chain.append(one)
        self.run(self.journals[holder].mined(ACCOUNT, [included(one)]))
        if final:
            self.run(self.journals[holder].final(ACCOUNT, [one.tx.nonce]))

    @rule(holder=holders)
    def take(self, holder: str) -> None:
        """Let another program use the next nonce, whoever had it."""
        nonce = len(self.chain)
        self.leases.pop(nonce, None)
        self.sending.pop(nonce, None)
        self.chain.append(signed(nonce, 10**9))
        self.run(self.journals[holder].taken(ACCOUNT, [nonce]))

    @invariant()
    def the_book_says_what_the_model_says(self) -> None:
        slots = {slot.nonce: slot for slot in self.run(self.journals["alice"].slots(ACCOUNT))}
        by_state = {
            state: {nonce for nonce, slot in slots.items() if slot.state is state}
            for state in SlotState
        }
        assert by_state[SlotState.LEASED] == set(self.leases)
        assert by_state[SlotState.SENDING] == set(self.sending)
        assert {slots[nonce].holder for nonce in self.leases} <= set(HOLDERS)
        assert all(slots[nonce].holder == who for nonce, (who, _) in self.leases.items())
        used = by_state[SlotState.MINED] | by_state[SlotState.FINAL] | by_state[SlotState.TAKEN]
        assert used == set(range(len(self.chain)))

    @invariant()
    def no_request_is_in_the_chain_twice(self) -> None:
        for hashes in self.request_hashes.values():
            assert len({one.hash for one in self.chain} & hashes) <= 1


TestBook = Book.TestCase
TestBook.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)
