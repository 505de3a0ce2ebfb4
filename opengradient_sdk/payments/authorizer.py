"""From an offer to an authorization: allowed, covered, reserved, signed, written down."""

from __future__ import annotations

from collections.abc import Mapping

from .._core.clock import Clock
from ..profiles import Profile
from ..signers import Signer
from ..types import Address, Bytes32, TypedData
from .allowance import AllowanceKeeper, Funds
from .budget import Budget
from .challenge import Offer, PaymentRequired
from .journal import Journal
from .policy import PaymentPolicy
from .schemes import Authorization, authorization_for, typed_data_for
from .state import OpenAuthorization


class Authorizer:
    """Signs payments; every signature has passed policy, allowance, budget and journal."""

    def __init__(
        self,
        *,
        profile: Profile,
        policy: PaymentPolicy,
        budget: Budget,
        signer: Signer,
        allowance: AllowanceKeeper,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._profile = profile
        self._policy = policy
        self._budget = budget
        self._signer = signer
        self._allowance = allowance
        self._journal = journal
        self._clock = clock

    @property
    def policy(self) -> PaymentPolicy:
        """The rules that decide what may be signed."""
        return self._policy

    async def funds(self) -> Funds:
        """Return what the wallet holds, to be passed to ``authorize``."""
        return await self._allowance.funds()

    async def authorize(
        self,
        offer: Offer,
        required: PaymentRequired,
        *,
        payee: Address,
        tee_id: Bytes32,
        route: str,
        funds: Funds | None = None,
    ) -> OpenAuthorization:
        """Return a signed, journalled authorization for exactly ``offer``.

        **Money**: what is returned is worth up to ``offer.amount`` atoms to the offer's recipient
        until its deadline; that much of the budget stays reserved until the chain has spoken.

        Raises:
            PolicyRejectedError, InvalidChallengeError: The offer is not allowed, or cannot be
                signed; nothing was.
            BudgetExceededError: The budget does not cover the cap; nothing was signed.
            InsufficientOPGError, AllowanceError: It could not be collected; nothing was signed.
            LedgerError: It could not be written down and was thrown away.
        """
        self._policy.check(offer, payee)
        self._draft(offer)  # what cannot be signed must not cost an approval
        self._budget.reserve(offer.amount)
        try:
            funds = funds or await self._allowance.funds()
            attached = await self._allowance.cover(offer.amount, funds, required.extensions)
            authorization = await self._signed(offer, required, payee, attached)
            life = OpenAuthorization(
                authorization=authorization,
                tee_id=tee_id,
                route=route,
                signed_at=self._clock.now(),
                from_block=funds.block_number,
            )
            await self._journal.write(life)
        except BaseException:
            # nothing has left this process, so nothing can be charged
            self._budget.release(offer.amount)
            raise
        return life

    def _draft(self, offer: Offer) -> TypedData:
        return typed_data_for(
            offer, owner=self._signer.address, profile=self._profile, now=int(self._clock.now())
        )

    async def _signed(
        self,
        offer: Offer,
        required: PaymentRequired,
        payee: Address,
        attached: Mapping[str, object] | None,
    ) -> Authorization:
        data = self._draft(offer)
        self._policy.grant(offer, payee, data)
        try:
            signature = await self._signer.sign_typed_data(data)
        finally:
            self._policy.revoke(data)
        return authorization_for(
            offer,
            required,
            owner=self._signer.address,
            data=data,
            signature=signature,
            attached=attached,
        )
