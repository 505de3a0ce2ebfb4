"""A key in another program, reached over JSON-RPC."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Final, NoReturn, Self, cast

from ..errors import ConfigurationError, SignerError
from ..types import (
    Address,
    Bytes32,
    PreparedTx,
    SignedTx,
    TxType,
    TypedData,
    bytes_to_hex,
    hex_to_bytes,
    keccak256,
)
from ._digests import transaction_digest, typed_digest
from ._recover import check_typed_signature
from ._signer_rpc import SignerRpc
from .envelope import check_signed

_ONE_PRICE: Final = (TxType.LEGACY, TxType.ACCESS_LIST)


class RemoteSigner:
    """A wallet whose key is held by another program: Web3Signer, Clef, or a node such as anvil.

    What comes back is compared with what was asked for, field by field, and the signature with the
    address, before it is used: of the program only its refusals are believed.

    Typed data is asked for with ``eth_signTypedData_v4``, ``eth_signTypedData`` (Web3Signer) or
    ``account_signTypedData`` (Clef), transactions with ``eth_signTransaction`` or
    ``account_signTransaction``: the first that the program has. Web3Signer and Clef sign no
    EIP-7702 transactions, and Web3Signer none with an access list.

    Connections are opened by the first signature and closed by ``aclose`` or at the end of
    ``async with``; they belong to one event loop.

    Args:
        url: The program's http(s) address; a login, path and query in it are shown nowhere.
        address: The account that signs; ``RemoteSigner.connect`` asks the program instead.
        headers: Sent with every request, and shown nowhere.
        timeout: Seconds for each signature; where a person approves it, give them time.

    Raises:
        ConfigurationError: Not an http(s) URL, or not an address.

    Example:
        >>> RemoteSigner(
        ...     "https://user:password@signer.internal:9000/eth",
        ...     "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a",
        ... )
        RemoteSigner(0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A at https://signer.internal:9000/…)
    """

    __slots__ = ("_address", "_rpc")

    def __init__(
        self,
        url: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._address = _address(address)
        self._rpc = SignerRpc(url, headers=headers, timeout=timeout)

    @classmethod
    async def connect(
        cls, url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0
    ) -> Self:
        """Return the signer of the only account that the program at ``url`` has.

        The question's connection is closed again, so that the signer can be used in another loop.

        Raises:
            ConfigurationError: It has several accounts, or none; or ``url`` is no http(s) URL.
            SignerError: It cannot be reached, or does not tell its accounts.
        """
        rpc = SignerRpc(url, headers=headers, timeout=timeout)
        try:
            answer = await rpc.ask([("eth_accounts", ()), ("account_list", ())])
        finally:
            await rpc.aclose()
        return cls(
            url, _only(_accounts(answer, rpc.name), rpc.name), headers=headers, timeout=timeout
        )

    @property
    def address(self) -> Address:
        """The account that signs."""
        return self._address

    async def sign_typed_data(self, data: TypedData) -> bytes:
        """Return the 65-byte signature r || s || v (v = 27 or 28, low s) of ``data`` (EIP-712).

        **Money**: the signature of a Permit2 witness transfer is worth up to its amount.

        Raises:
            SigningRejectedError: The program's owner or its rules refused.
            SignerError: It cannot be reached, does not have the key, or signed something else.
        """
        typed_digest(data)  # what nobody could sign does not leave this process
        plain = data.to_json()
        answer = await self._rpc.ask(
            [
                ("eth_signTypedData_v4", (self._address, plain)),
                # older Web3Signers take the text only
                ("eth_signTypedData", (self._address, json.dumps(plain))),
                ("account_signTypedData", (self._address, plain)),
            ],
            self._address,
        )
        signature = _with_usual_v(self._bytes(answer, "a signature"))
        check_typed_signature(data, signature, self._address)
        return signature

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        """Return ``tx`` signed, every field as it was asked for.

        **Money**: a signed transaction can be sent by whoever holds it, for ever; here the program
        holds it too.

        Raises:
            SigningRejectedError: The program's owner or its rules refused.
            SignerError: It cannot be reached, does not have the key, or signed something else.
        """
        transaction_digest(tx, self._address)  # what nobody could sign does not leave this process
        asked = (transaction_json(tx),)
        answer = await self._rpc.ask(
            [("eth_signTransaction", asked), ("account_signTransaction", asked)], self._address
        )
        if isinstance(answer, Mapping):  # geth and Clef: {"raw": …, "tx": …}
            answer = cast("Mapping[str, object]", answer).get("raw")
        raw = self._bytes(answer, "a signed transaction")
        signed = SignedTx(tx, raw, Bytes32(keccak256(raw)))
        check_signed(tx, signed)
        return signed

    async def aclose(self) -> None:
        """Close the connections, for good."""
        await self._rpc.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _bytes(self, answer: object, what: str) -> bytes:
        try:
            if isinstance(answer, str):
                return hex_to_bytes(answer)
        except ValueError:
            pass  # text, but no hex: said below
        raise SignerError(
            f"{self._rpc.name} answered with something that is not {what}",
            hint="Nothing was sent. Is this the address of a signer?",
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address} at {self._rpc.name})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signer is not copied or pickled: its credentials stay in this process")


def transaction_json(tx: PreparedTx) -> dict[str, object]:
    """Return the transaction object of ``eth_signTransaction`` (execution API specification).

    Every field is there, so that the program has nothing to fill in. ``data`` is spelled the old
    way: every program reads it, and Web3Signer once read nothing else.
    """
    members: dict[str, object] = {
        "type": hex(tx.type),
        "chainId": hex(tx.chain_id),
        "from": tx.sender,
        "nonce": hex(tx.nonce),
        "gas": hex(tx.gas),
        "value": hex(tx.value),
        "data": bytes_to_hex(tx.data),
    }
    if tx.to is not None:
        members["to"] = tx.to
    if tx.type in _ONE_PRICE:
        members["gasPrice"] = hex(tx.max_fee_per_gas)
    else:
        members["maxFeePerGas"] = hex(tx.max_fee_per_gas)
        members["maxPriorityFeePerGas"] = hex(tx.max_priority_fee_per_gas)
    if tx.type is not TxType.LEGACY:
        members["accessList"] = [
            {"address": address, "storageKeys": [str(key) for key in keys]}
            for address, keys in tx.access_list
        ]
    if tx.type is TxType.SET_CODE:
        members["authorizationList"] = [
            {
                "chainId": hex(one.chain_id),
                "address": one.address,
                "nonce": hex(one.nonce),
                "yParity": hex(one.y_parity),
                "r": hex(one.r),
                "s": hex(one.s),
            }
            for one in tx.authorizations
        ]
    return members


def _address(text: str) -> Address:
    try:
        return Address(text)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the remote signer's account is {error}") from error


def _accounts(answer: object, name: str) -> list[Address]:
    try:
        if isinstance(answer, list):
            return [Address(str(one)) for one in cast("list[object]", answer)]
    except ValueError:
        pass  # a list of something else: said below
    raise SignerError(
        f"{name} did not tell its accounts", hint="Name one: RemoteSigner(url, address)."
    )


def _only(accounts: list[Address], name: str) -> Address:
    if len(accounts) == 1:
        return accounts[0]
    has = f"{len(accounts)} accounts, {accounts[0]} the first" if accounts else "no account"
    raise ConfigurationError(
        f"{name} has {has}; one was looked for",
        hint="Name the one that signs: RemoteSigner(url, address).",
    )


def _with_usual_v(signature: bytes) -> bytes:
    # some hardware says 0 or 1, contracts take 27 or 28
    if len(signature) == 65 and signature[64] in (0, 1):
        return signature[:64] + bytes([signature[64] + 27])
    return signature
