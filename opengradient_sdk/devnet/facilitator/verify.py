"""Is this payment good? The checks of the protocol notes (2.9), in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ..._core.clock import Clock
from ...errors import RpcError
from ...profiles import DEVNET
from ...types import Address
from . import abi, eip2612, sponsoring
from .eip2612 import TokenPermit
from .evm import ChainReader, revert_data
from .permit import Payment, Permit, Requirements, chain_spender
from .reasons import Reason, RefusedError
from .recovery import recover
from .sponsoring import Approval, SponsorBounds

_SETTLEMENT_MARGIN: Final = 6
"""Seconds that a permit must still be valid: settling takes a block or two."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A payment that can be settled now, and what must happen first.

    ``approval`` is set when the payer's approve transaction must be sent before, ``token_permit``
    when the settlement itself sets the allowance.
    """

    permit: Permit
    token_permit: TokenPermit | None = None
    approval: Approval | None = None

    def calldata(self, amount: int) -> bytes:
        """Return the proxy call that moves ``amount`` atoms."""
        if self.token_permit is not None:
            return abi.settle_with_permit(self.permit, amount, self.token_permit)
        return abi.settle(self.permit, amount)


class Verifier:
    """Decides on payments of one chain; it reads the chain and changes nothing."""

    def __init__(
        self, chain: ChainReader, *, facilitator: Address, clock: Clock, bounds: SponsorBounds
    ) -> None:
        self._chain = chain
        self._facilitator = facilitator
        self._clock = clock
        self._bounds = bounds

    async def check(self, payment: Payment) -> Checked:
        """Return how ``payment`` can be settled for its full cap.

        Raises:
            RefusedError: It cannot, and why.
            RpcError: The chain did not answer.
        """
        scheme = self._check_kind(payment)
        permit = payment.permit()
        self._check_terms(permit, payment.required, scheme)
        await self._check_signature(permit)
        checked = await self._check_allowance(permit, payment)
        if await self._chain.token_balance(permit.token, permit.owner) < permit.cap:
            raise RefusedError(Reason.INSUFFICIENT_BALANCE, "the payer holds less than the cap")
        await self._simulate(checked)
        return checked

    def _check_kind(self, payment: Payment) -> Literal["upto", "exact"]:
        if payment.version != 2:
            raise RefusedError(Reason.UNSUPPORTED_VERSION, "only version 2 of x402 is spoken here")
        scheme = payment.required.scheme
        if scheme == "exact":
            if "authorization" in payment.payload:
                raise RefusedError(Reason.EIP3009_NOT_SUPPORTED, "OPG has no EIP-3009 transfers")
            self._check_echo(payment, Reason.EXACT_SCHEME, Reason.EXACT_NETWORK)
            return "exact"
        if scheme != "upto":
            raise RefusedError(Reason.UPTO_SCHEME, "the schemes here are upto and exact")
        if "permit2Authorization" not in payment.payload:
            raise RefusedError(
                Reason.UNSUPPORTED_PAYLOAD, "the payload has no permit2Authorization"
            )
        self._check_echo(payment, Reason.UPTO_SCHEME, Reason.UPTO_NETWORK)
        return "upto"

    def _check_echo(self, payment: Payment, scheme: Reason, network: Reason) -> None:
        """Compare what the client accepted, what the node demands and where this chain is."""
        required = payment.required
        if payment.accepted.get("scheme") != required.scheme:
            raise RefusedError(scheme, f"the client accepted another scheme than {required.scheme}")
        here = f"eip155:{self._chain.chain_id}"
        if not payment.accepted.get("network") == required.network == here:
            raise RefusedError(network, f"the payment is not for {here}")

    def _check_terms(
        self, permit: Permit, required: Requirements, scheme: Literal["upto", "exact"]
    ) -> None:
        now = self._clock.now()
        if permit.spender != chain_spender(scheme):
            raise RefusedError(Reason.INVALID_SPENDER, f"the spender must be the {scheme} proxy")
        if permit.recipient != required.pay_to:
            raise RefusedError(Reason.RECIPIENT_MISMATCH, "the permit pays somebody else")
        if permit.facilitator not in (None, self._facilitator):
            raise RefusedError(Reason.FACILITATOR_MISMATCH, "the permit names another facilitator")
        if permit.deadline < now + _SETTLEMENT_MARGIN:
            raise RefusedError(Reason.DEADLINE_EXPIRED, "the permit expires too soon to be settled")
        if permit.valid_after > now:
            raise RefusedError(Reason.NOT_YET_VALID, "the permit is not valid yet")
        if permit.cap != required.amount:
            raise RefusedError(
                Reason.AMOUNT_MISMATCH, f"signed for {permit.cap} atoms, not {required.amount}"
            )
        if permit.token != required.asset:
            raise RefusedError(Reason.TOKEN_MISMATCH, "the permit is for another token")

    async def _check_signature(self, permit: Permit) -> None:
        """Accept the owner's signature, and leave a contract owner's to the simulation."""
        digest = permit.typed_data(self._chain.chain_id).digest()
        if recover(digest, permit.signature) == permit.owner:
            return
        if not await self._chain.has_code(permit.owner):
            raise RefusedError(Reason.INVALID_SIGNATURE, "the signature is not the payer's")

    async def _check_allowance(self, permit: Permit, payment: Payment) -> Checked:
        token_permit = eip2612.token_permit(payment.extensions, permit, now=self._clock.now())
        if token_permit is not None:
            return Checked(permit, token_permit=token_permit)
        approval = sponsoring.sponsored_approval(payment.extensions, permit)
        allowed = await self._chain.allowance(permit.token, permit.owner, DEVNET.permit2)
        if allowed >= permit.cap:
            return Checked(permit)
        if approval is None:
            raise RefusedError(
                Reason.ALLOWANCE_REQUIRED,
                f"Permit2 may take {allowed} atoms of the payer, {permit.cap} are needed",
            )
        await sponsoring.check_bounds(approval, permit, self._chain, self._bounds)
        return Checked(permit, approval=approval)

    async def _simulate(self, checked: Checked) -> None:
        """Run the settlement of the full cap, without a transaction, as this facilitator.

        While the approval is not on chain yet the token itself must refuse; Permit2 asks it last,
        so that everything else has been judged by then.
        """
        permit = checked.permit
        if not await self._chain.has_code(permit.spender):
            raise RefusedError(Reason.PROXY_NOT_DEPLOYED, f"no contract at {permit.spender}")
        try:
            await self._chain.call(
                permit.spender, checked.calldata(permit.cap), sender=self._facilitator
            )
        except RpcError as error:
            reverted = revert_data(error)
            if reverted is None:
                raise
            if checked.approval is not None and abi.is_failed_transfer(reverted):
                return
            reason = abi.reason_of_revert(reverted) or Reason.SIMULATION_FAILED
            raise RefusedError(
                reason, f"the settlement would fail: {error.short_message}"
            ) from error
