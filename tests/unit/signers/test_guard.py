"""Nothing is signed that the policy has not allowed, and nothing but what was asked."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import PolicyRejectedError, SignerError
from opengradient_sdk.signers import GuardedSigner, LocalSigner, Signer, sign_checked
from opengradient_sdk.signers import guard as guard_module
from opengradient_sdk.signers.guard import signs_at_once
from opengradient_sdk.types import Address, Bytes32, PreparedTx, SignedTx, TypedData, keccak256

from .kinds import changed_fields
from .test_local import ADDRESS, KEY, ORDER, TRANSACTION, typed_data

OTHER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


class Witness:
    """A policy that writes down what it is asked, and refuses on request."""

    def __init__(self, journal: list[str], *, refuse: bool = False) -> None:
        self.journal = journal
        self.refuse = refuse

    async def check_typed_data(self, data: TypedData) -> None:
        self._ask(f"may {data.primary_type}?")

    async def check_transaction(self, tx: PreparedTx) -> None:
        self._ask(f"may nonce {tx.nonce}?")

    def _ask(self, question: str) -> None:
        self.journal.append(question)
        if self.refuse:
            raise PolicyRejectedError("no", field="f", asked=1, allowed=2)


class Foreign:
    """Somebody's own wallet: asks a real one, then hands on what the test makes of it."""

    def __init__(
        self,
        journal: list[str],
        *,
        key: str = KEY,
        address: Address = ADDRESS,
        forge: Any = lambda value: value,
    ) -> None:
        self.journal = journal
        self.inner = LocalSigner(key)
        self.shown = address
        self.forge = forge

    @property
    def address(self) -> Address:
        return self.shown

    async def sign_typed_data(self, data: TypedData) -> bytes:
        self.journal.append("signed")
        forged: bytes = self.forge(await self.inner.sign_typed_data(data))
        return forged

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        self.journal.append("signed")
        signed = await self.inner.sign_transaction(replace(tx, sender=self.inner.address))
        forged: SignedTx = self.forge(replace(signed, tx=tx))
        return forged


def guarded(signer: Signer, journal: list[str], *, refuse: bool = False) -> GuardedSigner:
    return GuardedSigner(signer, Witness(journal, refuse=refuse))


@pytest.mark.parametrize("local", [True, False])
async def test_the_policy_is_asked_before_the_signer(local: bool) -> None:
    journal: list[str] = []
    signer = guarded(LocalSigner(KEY) if local else Foreign(journal), journal)
    plain = LocalSigner(KEY)
    assert await signer.sign_typed_data(typed_data()) == await plain.sign_typed_data(typed_data())
    assert await signer.sign_transaction(TRANSACTION) == await plain.sign_transaction(TRANSACTION)
    assert [line for line in journal if line != "signed"] == ["may M?", "may nonce 7?"]
    assert journal[0] == "may M?"
    assert signer.address == ADDRESS
    assert isinstance(signer, Signer)


async def test_what_is_refused_never_reaches_the_signer() -> None:
    journal: list[str] = []
    signer = guarded(Foreign(journal), journal, refuse=True)
    with pytest.raises(PolicyRejectedError):
        await signer.sign_typed_data(typed_data())
    with pytest.raises(PolicyRejectedError):
        await signer.sign_transaction(TRANSACTION)
    assert "signed" not in journal


def high_s(signature: bytes) -> bytes:
    """Return the other signature of the same message: s mirrored, parity flipped."""
    mirrored = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + mirrored.to_bytes(32, "big") + bytes([55 - signature[64]])


FORGED_SIGNATURES = {
    "too short": (lambda s: s[:64], "65 bytes"),
    "too long": (lambda s: s + b"\0", "65 bytes"),
    "v of 0 or 1": (lambda s: s[:64] + bytes([s[64] - 27]), "v = 27 or 28"),
    "other parity": (lambda s: s[:64] + bytes([55 - s[64]]), "not one of|no key"),
    "high s": (high_s, "EIP-2"),
    "zero": (lambda _: bytes(64) + b"\x1b", "no key"),
    "no curve point": (lambda s: b"\xff" * 32 + s[32:], "no key"),
    "a bit flipped": (lambda s: s[:40] + bytes([s[40] ^ 1]) + s[41:], "not one of|no key"),
}


@pytest.mark.parametrize(("forge", "why"), FORGED_SIGNATURES.values(), ids=list(FORGED_SIGNATURES))
async def test_a_signature_that_is_not_the_wallets_is_refused(forge: Any, why: str) -> None:
    signer = guarded(Foreign([], forge=forge), [])
    with pytest.raises(SignerError, match=why):
        await signer.sign_typed_data(typed_data())


async def test_another_accounts_signatures_are_refused() -> None:
    signer = guarded(Foreign([], key=OTHER_KEY), [])
    with pytest.raises(SignerError, match=f"not one of {ADDRESS}"):
        await signer.sign_typed_data(typed_data())
    with pytest.raises(SignerError, match=f"not one of {ADDRESS}"):
        await signer.sign_transaction(TRANSACTION)


def raw(content: bytes) -> Any:
    return lambda signed: replace(signed, raw=content, hash=Bytes32(keccak256(content)))


FORGED_TRANSACTIONS = {
    "another transaction": (lambda s: replace(s, tx=replace(s.tx, value=6)), "other than the one"),
    "another hash": (lambda s: replace(s, hash=Bytes32(b"\1" * 32)), "other than the one"),
    "garbage": (raw(b"\x02\xc0"), "not an EIP-1559 transaction"),
    "nothing": (raw(b""), "not an EIP-1559 transaction"),
    "legacy": (raw(b"\xf8\x01\x02"), "not an EIP-1559 transaction"),
}


@pytest.mark.parametrize(
    ("forge", "why"), FORGED_TRANSACTIONS.values(), ids=list(FORGED_TRANSACTIONS)
)
async def test_a_forged_transaction_is_refused(forge: Any, why: str) -> None:
    signer = guarded(Foreign([], forge=forge), [])
    with pytest.raises(SignerError, match=why):
        await signer.sign_transaction(TRANSACTION)


@pytest.mark.parametrize(("asked", "returned"), changed_fields())
async def test_every_field_that_a_wallet_changes_is_noticed(
    asked: PreparedTx, returned: PreparedTx
) -> None:
    changed = await LocalSigner(KEY).sign_transaction(returned)
    signer = guarded(Foreign([], forge=lambda _: replace(changed, tx=asked)), [])
    with pytest.raises(SignerError, match="not the transaction that was asked for"):
        await signer.sign_transaction(asked)


async def test_another_accounts_transaction_does_not_reach_the_wallet() -> None:
    """A program with several keys would sign it with another one."""
    journal: list[str] = []
    signer = guarded(Foreign(journal), journal)
    with pytest.raises(SignerError, match="this signer is"):
        await signer.sign_transaction(replace(TRANSACTION, sender=Address("0x" + "33" * 20)))
    assert "signed" not in journal


class Sloppy(LocalSigner):
    """A subclass of the one wallet that needs no check, and needs one."""

    __slots__ = ()

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        return await super().sign_transaction(replace(tx, value=tx.value + 1))


def other_hash(signed: SignedTx) -> SignedTx:
    return replace(signed, hash=Bytes32(b"\1" * 32))


@pytest.mark.parametrize(
    "signer", [Sloppy(KEY), guarded(Sloppy(KEY), []), Foreign([], forge=other_hash)]
)
async def test_whatever_is_not_certain_is_checked(signer: Signer) -> None:
    with pytest.raises(SignerError, match="other than the one it was asked for"):
        await sign_checked(signer, TRANSACTION)


async def test_what_is_certain_is_not_checked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paid path signs with a local key: a check would cost as much as the signature."""
    checked: list[SignedTx] = []
    monkeypatch.setattr(guard_module, "check_signed", lambda _, signed: checked.append(signed))
    local = LocalSigner(KEY)
    expected = await local.sign_transaction(TRANSACTION)
    assert await sign_checked(local, TRANSACTION) == expected
    assert await sign_checked(guarded(local, []), TRANSACTION) == expected
    assert checked == []
    assert await sign_checked(guarded(Foreign([]), []), TRANSACTION) == expected
    assert checked == [expected]


def test_only_a_key_in_this_process_signs_at_once() -> None:
    local, foreign = LocalSigner(KEY), Foreign([])
    assert signs_at_once(local)
    assert signs_at_once(guarded(local, []))
    assert signs_at_once(guarded(guarded(local, []), []))
    for other in (foreign, guarded(foreign, []), Sloppy(KEY)):
        assert not signs_at_once(other)


def test_a_guard_shows_its_address_and_is_not_pickled() -> None:
    signer = guarded(LocalSigner(KEY), [])
    assert repr(signer) == f"GuardedSigner({ADDRESS})"
    with pytest.raises(TypeError, match="not copied or pickled"):
        pickle.dumps(signer)
