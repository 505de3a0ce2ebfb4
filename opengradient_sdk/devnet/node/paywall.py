"""The payment layer: who may pass to a paid route, on which session (protocol notes 2.2, 2.8)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from ..._core.clock import Clock
from ...types import Address
from .facilitator_client import FacilitatorClient, FacilitatorError
from .faults import Faults
from .offers import accepts, decode_payment, encode_header, payment_option, payment_required
from .responses import SESSION_HEADER, Refusal, error
from .sessions import Permit, Session, SessionBook, SessionState
from .shapes import JsonObject

_UNPAID: Final = "Payment required"
_NO_MATCH: Final = "No matching payment requirements"
_NO_PERMIT: Final = "unsupported_payload_type"
_PERMIT_SPENT: Final = "permit2_invalid_nonce"
_BROWSER_PAGE: Final = (
    "<!doctype html><title>Payment required</title><h1>Payment required</h1>"
    "<p>This address answers programs that pay in OPG. Nothing can be bought with a browser.</p>"
)

if TYPE_CHECKING:
    from aiohttp import web


class Paywall:
    """Turns a request into the session that pays for it, or into a 402."""

    def __init__(
        self,
        *,
        book: SessionBook,
        facilitator: FacilitatorClient,
        network: str,
        opg: Address,
        pay_to: Address,
        cap: int,
        clock: Clock,
        faults: Faults,
    ) -> None:
        self._book = book
        self._facilitator = facilitator
        self._network = network
        self._opg = opg
        self._pay_to = pay_to
        self._cap = cap
        self._clock = clock
        self._faults = faults
        self._verifying: dict[str, asyncio.Task[str | None]] = {}

    async def admit(self, request: web.BaseRequest, path: str) -> Session:
        """Return the session for a request to the paid route ``path``.

        A session header wins over a payment header. A payment that was seen before leads to the
        session it opened, once the facilitator has confirmed it again.

        Raises:
            Refusal: 402 with a challenge, 402 without one for a session that cannot be used, a page
                for browsers, or 502 when the facilitator cannot be asked.
        """
        if self._faults.bare_402 > 0:
            self._faults.bare_402 -= 1
            raise _unusable_session()
        if self._faults.never_pay:
            raise await self._challenge(request, path, _UNPAID)
        session_id = request.headers.get(SESSION_HEADER)
        if session_id is not None:
            return self._usable(self._book.find(session_id), path)
        header = request.headers.get("PAYMENT-SIGNATURE")
        payment = decode_payment(header) if header else None
        if header is None or payment is None:
            raise await self._unpaid(request, path)
        option = await self._option()
        if not accepts(option, payment):
            raise await self._challenge(request, path, _NO_MATCH)
        reason = await self._verify(header, payment, option)
        if reason is not None:
            raise await self._challenge(request, path, reason)
        return await self._session(request, path, payment, option)

    async def stop(self) -> None:
        """Give up on verifications that are still under way."""
        for task in self._verifying.values():
            task.cancel()
        await asyncio.gather(*self._verifying.values(), return_exceptions=True)

    async def _session(
        self, request: web.BaseRequest, path: str, payment: JsonObject, option: JsonObject
    ) -> Session:
        permit = Permit.of(payment)
        if permit is None:
            raise await self._challenge(request, path, _NO_PERMIT)
        known = self._book.paid_by(permit)
        if known is None:
            return self._book.open(permit, payment, option, path, self._clock.now())
        if known.state is SessionState.SETTLED:
            # handed in already: the chain may not have spent the nonce yet, but it will
            raise await self._challenge(request, path, _PERMIT_SPENT)
        return self._usable(known, path)

    def _usable(self, session: Session | None, path: str) -> Session:
        if session is None or not session.serves(path):
            raise _unusable_session()
        return session

    async def _verify(self, header: str, payment: JsonObject, option: JsonObject) -> str | None:
        """Ask the facilitator; requests that bring the same header at once share one question."""
        task = self._verifying.get(header)
        if task is None:
            task = asyncio.create_task(self._facilitator.verify(payment, option))
            self._verifying[header] = task
            task.add_done_callback(lambda _: self._verifying.pop(header, None))
        try:
            return await asyncio.shield(task)
        except FacilitatorError as failure:
            raise error(502, f"Facilitator error: {failure}") from failure

    async def _option(self) -> JsonObject:
        try:
            facilitator = await self._facilitator.address()
        except FacilitatorError as failure:
            raise error(502, f"Facilitator error: {failure}") from failure
        return payment_option(
            network=self._network,
            opg=self._opg,
            cap=self._cap,
            pay_to=self._pay_to,
            facilitator=facilitator,
        )

    async def _unpaid(self, request: web.BaseRequest, path: str) -> Refusal:
        accept = request.headers.get("Accept", "")
        if "text/html" in accept and "Mozilla" in request.headers.get("User-Agent", ""):
            return Refusal(402, _BROWSER_PAGE, content_type="text/html")
        return await self._challenge(request, path, _UNPAID)

    async def _challenge(self, request: web.BaseRequest, path: str, reason: str) -> Refusal:
        if self._faults.challenge_header is not None:
            return _payment_required(self._faults.challenge_header)
        # the address as the app behind the TLS proxy sees it: plain http
        url = f"http://{request.host}{request.path}"
        content = payment_required(await self._option(), url=url, path=path, error=reason)
        if self._faults.challenge is not None:
            content = self._faults.challenge(json.loads(json.dumps(content)))
        return _payment_required(encode_header(content))


def _payment_required(header: str) -> Refusal:
    return Refusal(402, "{}", headers={"PAYMENT-REQUIRED": header})


def _unusable_session() -> Refusal:
    return Refusal(402, json.dumps({"error": "Session expired or exhausted"}))
