"""The ``erc20ApprovalGasSponsoring`` extension: an approve transaction whose gas we pay.

The live facilitator pays whatever gas a payer's transaction asks for (protocol notes, S11). This
one states its bounds, ``SponsorBounds``, and refuses what lies outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ...profiles import DEVNET
from ...types import Address, hex_to_bytes, keccak256
from . import abi
from .eip2612 import signed_info
from .evm import ChainReader
from .permit import Json, Permit
from .reasons import Reason, RefusedError
from .recovery import recover_parity
from .rlp_reader import list_of, read_list

EXTENSION: Final = "erc20ApprovalGasSponsoring"
_ADDRESS: Final = re.compile(r"0x[a-fA-F0-9]{40}\Z")
_FORMATS: Final = {
    "from": _ADDRESS,
    "asset": _ADDRESS,
    "spender": _ADDRESS,
    "amount": re.compile(r"[0-9]{1,78}\Z"),
    "signedTransaction": re.compile(r"0x([a-fA-F0-9]{2}){1,2048}\Z"),
    "version": re.compile(r"[0-9]+(\.[0-9]+)*\Z"),
}
_EIP1559: Final = 0x02
_APPROVE_BYTES: Final = 4 + 32 + 32


@dataclass(frozen=True, slots=True)
class SponsorBounds:
    """What an approval may cost the facilitator at most.

    ``max_fee_per_gas`` is in wei per gas, ``max_funding`` in wei per approval.
    """

    max_gas: int = 100_000
    max_fee_per_gas: int = 50 * 10**9
    max_funding: int = 5 * 10**15


@dataclass(frozen=True, slots=True)
class Approval:
    """A signed EIP-1559 transaction that calls ``approve``, decoded; fees are in wei per gas."""

    chain_id: int
    nonce: int
    max_fee_per_gas: int
    gas: int
    to: bytes
    value: int
    data: bytes = field(repr=False)
    signer: Address
    raw: bytes = field(repr=False)

    @property
    def prepayment(self) -> int:
        """The wei that the payer's account must hold for a chain to accept the transaction."""
        return self.gas * self.max_fee_per_gas + self.value

    @property
    def amount(self) -> int:
        """The allowance it sets, in atoms."""
        return int.from_bytes(self.data[36:68], "big")


def sponsored_approval(extensions: Json, permit: Permit) -> Approval | None:
    """Return the approval that came with a payment, or ``None`` where there is none.

    Raises:
        RefusedError: It does not belong to this payment, or is malformed.
    """
    info = signed_info(extensions, EXTENSION, _FORMATS)
    return None if info is None else check_approval(info, permit)


def check_approval(info: Json, permit: Permit) -> Approval:
    """Return the approval in ``info`` after the checks of the protocol notes, in their order.

    Raises:
        RefusedError: A check failed.
    """
    texts = {name: str(info.get(name, "")) for name in _FORMATS}
    if not all(pattern.match(texts[name]) for name, pattern in _FORMATS.items()):
        raise RefusedError(Reason.APPROVAL_FORMAT, "a member of the approval entry is malformed")
    if texts["from"].lower() != permit.owner.lower():
        raise RefusedError(Reason.APPROVAL_FROM, "the approval is of another owner")
    if texts["asset"].lower() != permit.token.lower():
        raise RefusedError(Reason.APPROVAL_ASSET, "the approval is for another token")
    if texts["spender"].lower() != DEVNET.permit2.lower():
        raise RefusedError(Reason.APPROVAL_SPENDER, "the approval is not for Permit2")
    approval = decode_approval(hex_to_bytes(texts["signedTransaction"]))
    _check_call(approval, permit)
    return approval


def _check_call(approval: Approval, permit: Permit) -> None:
    if approval.to != permit.token.to_bytes():
        raise RefusedError(Reason.APPROVAL_TX_TARGET, "the transaction does not call the token")
    if approval.data[:4] != abi.APPROVE:
        raise RefusedError(Reason.APPROVAL_TX_SELECTOR, "the transaction is no approve call")
    if len(approval.data) < _APPROVE_BYTES:
        raise RefusedError(Reason.APPROVAL_TX_CALLDATA, "the approve call is too short")
    if approval.data[4:36] != DEVNET.permit2.to_bytes().rjust(32, b"\0"):
        raise RefusedError(Reason.APPROVAL_TX_SPENDER, "the transaction does not approve Permit2")
    if approval.signer != permit.owner:
        raise RefusedError(
            Reason.APPROVAL_TX_SIGNER, "the transaction is signed by another account"
        )


async def check_bounds(
    approval: Approval, permit: Permit, chain: ChainReader, bounds: SponsorBounds
) -> None:
    """Return if sponsoring ``approval`` is useful, safe and cheap enough.

    Raises:
        RefusedError: With ``erc20_approval_tx_out_of_bounds`` and what is out of which bound.
    """
    if approval.chain_id != chain.chain_id:
        raise _out(f"chain id {approval.chain_id} instead of {chain.chain_id}")
    if approval.value != 0:
        raise _out(f"it sends {approval.value} wei")
    if approval.amount < permit.cap:
        raise _out(f"it approves {approval.amount} atoms, the payment needs {permit.cap}")
    if approval.gas > bounds.max_gas:
        raise _out(f"gas {approval.gas} exceeds {bounds.max_gas}")
    if approval.max_fee_per_gas > bounds.max_fee_per_gas:
        raise _out(f"maxFeePerGas {approval.max_fee_per_gas} exceeds {bounds.max_fee_per_gas}")
    expected = await chain.next_nonce(permit.owner)
    if approval.nonce != expected:
        raise _out(f"its nonce is {approval.nonce}, the account's next is {expected}")
    funding = await missing_gas_money(approval, chain)
    if funding > bounds.max_funding:
        raise _out(f"the payer lacks {funding} wei of gas, more than {bounds.max_funding}")


async def missing_gas_money(approval: Approval, chain: ChainReader) -> int:
    """Return the wei that the payer lacks to send ``approval``."""
    return max(0, approval.prepayment - await chain.wei(approval.signer))


def _out(what: str) -> RefusedError:
    return RefusedError(Reason.APPROVAL_TX_OUT_OF_BOUNDS, f"the approval is not sponsored: {what}")


def decode_approval(raw: bytes) -> Approval:
    """Return the EIP-1559 transaction in ``raw``, with the account that signed it.

    Raises:
        RefusedError: Another kind of transaction, no RLP, or no valid signature.
    """
    if raw[0] != _EIP1559:
        raise RefusedError(
            Reason.APPROVAL_TX_SIGNATURE, "no signer: this is no EIP-1559 transaction"
        )
    try:
        payload, fields = read_list(raw[1:])
        chain_id, nonce, _tip, max_fee, gas, to, value, data, access, parity, r, s = fields
        r_s = r.integer().to_bytes(32, "big") + s.integer().to_bytes(32, "big")
        unsigned = bytes([_EIP1559]) + list_of(payload[: access.end])
        signer = recover_parity(keccak256(unsigned), r_s, parity.integer())
        if signer is None:
            raise RefusedError(
                Reason.APPROVAL_TX_SIGNATURE, "the transaction's signature is invalid"
            )
        return Approval(
            chain_id=chain_id.integer(),
            nonce=nonce.integer(),
            max_fee_per_gas=max_fee.integer(),
            gas=gas.integer(),
            to=to.content,
            value=value.integer(),
            data=data.content,
            signer=signer,
            raw=raw,
        )
    except ValueError:
        raise RefusedError(
            Reason.APPROVAL_TX_PARSE, "the signed transaction cannot be decoded"
        ) from None
