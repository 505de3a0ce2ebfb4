"""From an offer to an authorization: allowed, covered, reserved, signed, written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from .._core.clock import Clock
from ..profiles import Profile
from ..signers import Signer
from ..types import Address, Bytes32, TypedData
from .allowance import AllowanceKeeper, Funds
from .budget import Standing, crossed_low
from .challenge import Offer, PaymentRequired
from .journal import PaymentJournal, Reservation
from .policy import PaymentPolicy
from .schemes import Authorization, authorization_for, integer, typed_data_for
from .state import OpenAuthorization


class Authorizer:
    """Signs payments; every signature has passed policy, allowance, budget and journal."""

    def __init__(
        self,
        *,
        profile: Profile,
        policy: PaymentPolicy,
        signer: Signer,
        allowance: AllowanceKeeper,
        journal: PaymentJournal,
        clock: Clock,
        on_low: Callable[[Standing], None],
    ) -> None:
        self._profile = profile
        self._policy = policy
        self._signer = signer
        self._allowance = allowance
        self._journal = journal
        self._clock = clock
        self._on_low = on_low

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
        self._policy.check(offer, payee, tee_id=tee_id)
        data = self._draft(offer)  # what cannot be signed must not cost an approval
        now = self._clock.now()
        reservation = Reservation(
            nonce=integer(data.message, "nonce"),
            cap=offer.amount,
            asset=self._profile.opg,
            recipient=payee,
            deadline=integer(data.message, "deadline"),
            tee_id=tee_id,
            route=route,
            at=now,
        )
        try:
            self._reserved(await self._journal.reserve(reservation), offer.amount)
            funds = funds or await self._allowance.funds()
            attached = await self._allowance.cover(offer.amount, funds, required.extensions)
            self._policy.grant(offer, payee, data, tee_id=tee_id)
            authorization = await self._signed(offer, required, data, attached)
            life = OpenAuthorization(
                authorization=authorization,
                tee_id=tee_id,
                route=route,
                signed_at=now,
                from_block=funds.block_number,
            )
            await self._journal.write(life)
        except BaseException:
            # nothing has left this process, so nothing can be charged; the journal hears of it
            # also when the caller was cancelled
            await asyncio.shield(self._journal.withdraw(reservation.nonce))
            raise
        return life

    def _reserved(self, standing: Standing, cap: int) -> None:
        before = replace(standing, exposed=standing.exposed - cap)
        if crossed_low(before, standing, cap):
            self._on_low(standing)

    def _draft(self, offer: Offer) -> TypedData:
        return typed_data_for(
            offer, owner=self._signer.address, profile=self._profile, now=int(self._clock.now())
        )

    async def _signed(
        self,
        offer: Offer,
        required: PaymentRequired,
        data: TypedData,
        attached: Mapping[str, object] | None,
    ) -> Authorization:
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
