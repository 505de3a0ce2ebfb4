"""The Permit2 vectors as what the proxies take, so that a test can change one member at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.types import Address

from .chainkit import Anvil, vectors


@dataclass(frozen=True)
class Permit:
    """One signed authorization, `upto` when it names a facilitator and `exact` when it does not."""

    owner: Address
    token: Address
    amount: int
    nonce: int
    deadline: int
    to: Address
    facilitator: Address | None
    valid_after: int
    signature: bytes
    key: str

    def but(self, **changes: Any) -> Permit:
        """Return it with members changed and the signature left as it was."""
        return replace(self, **changes)

    @property
    def witness(self) -> tuple[Any, ...]:
        if self.facilitator is None:
            return (self.to, self.valid_after)
        return (self.to, self.facilitator, self.valid_after)

    @property
    def terms(self) -> tuple[Any, ...]:
        return ((self.token, self.amount), self.nonce, self.deadline)

    def settle(
        self, chain: Anvil, charge: int = 12345, sender: str | None = None
    ) -> dict[str, Any]:
        """Settle on the upto proxy; the facilitator sends unless somebody else is named."""
        assert self.facilitator is not None
        arguments = (self.terms, charge, self.owner, self.witness, self.signature)
        return chain.send(
            sender or self.facilitator,
            addresses.UPTO_PROXY,
            "X402UptoPermit2Proxy",
            "settle",
            *arguments,
        )

    def settle_exact(self, chain: Anvil, sender: str) -> dict[str, Any]:
        arguments = (self.terms, self.owner, self.witness, self.signature)
        return chain.send(
            sender, addresses.EXACT_PROXY, "X402ExactPermit2Proxy", "settle", *arguments
        )


def upto(name: str = "base-mainnet-default") -> Permit:
    return _permit("permit2_upto", name)


def exact(name: str = "exact-permit2-opg") -> Permit:
    return _permit("permit2_exact", name)


def _permit(file: str, name: str) -> Permit:
    case = next(case for case in vectors(file)["cases"] if case["name"] == name)
    signed = case["payload"]["payload"]["permit2Authorization"]
    witness = signed["witness"]
    return Permit(
        owner=Address(signed["from"]),
        token=Address(signed["permitted"]["token"]),
        amount=int(signed["permitted"]["amount"]),
        nonce=int(signed["nonce"]),
        deadline=int(signed["deadline"]),
        to=Address(witness["to"]),
        facilitator=Address(witness["facilitator"]) if "facilitator" in witness else None,
        valid_after=int(witness["validAfter"]),
        signature=bytes.fromhex(case["signature"][2:]),
        key=case["private_key"],
    )


def sign(key: str, domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]) -> bytes:
    """Return the 65-byte signature of typed data, made by eth-account."""
    signable = encode_typed_data(domain, types, message)
    return bytes(Account.sign_message(signable, key).signature)


def sign_2612(permit: Permit, *, value: int, nonce: int, deadline: int) -> tuple[Any, ...]:
    """Return the EIP-2612 permit that gives Permit2 its allowance, as the proxies take it."""
    domain = {
        "name": "OpenGradient",
        "version": "1",
        "chainId": 8453,
        "verifyingContract": permit.token,
    }
    members = ("owner", "spender", "value", "nonce", "deadline")
    kinds = ("address", "address", "uint256", "uint256", "uint256")
    types = {"Permit": [{"name": n, "type": t} for n, t in zip(members, kinds, strict=True)]}
    values = (permit.owner, addresses.PERMIT2, value, nonce, deadline)
    signed = sign(permit.key, domain, types, dict(zip(members, values, strict=True)))
    return (value, deadline, signed[:32], signed[32:64], signed[64])
