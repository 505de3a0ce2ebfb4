"""The payment layer: who may pass to a paid route, on which session (protocol notes 2.2, 2.8)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request to the paid route ``path``, and the faults that it meets."""

    request: web.BaseRequest
    path: str
    faults: Faults


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
    ) -> None:
        self._book = book
        self._facilitator = facilitator
        self._network = network
        self._opg = opg
        self._pay_to = pay_to
        self._cap = cap
        self._clock = clock
        self._verifying: dict[str, asyncio.Task[str | None]] = {}

    async def admit(self, request: web.BaseRequest, path: str, faults: Faults) -> Session:
        """Return the session for a request to the paid route ``path``, met by ``faults``.

        A session header wins over a payment header. A payment that was seen before leads to the
        session it opened, once the facilitator has confirmed it again.

        Raises:
            Refusal: 402 with a challenge, 402 without one for a session that cannot be used, a page
                for browsers, or 502 when the facilitator cannot be asked.
        """
        if faults.bare_402 > 0:
            faults.bare_402 -= 1
            raise _unusable_session()
        asked = _Asked(request, path, faults)
        if faults.never_pay:
            raise await self._challenge(asked, _UNPAID)
        session_id = request.headers.get(SESSION_HEADER)
        if session_id is not None:
            return self._usable(self._book.find(session_id), path)
        header = request.headers.get("PAYMENT-SIGNATURE")
        payment = decode_payment(header) if header else None
        if header is None or payment is None:
            raise await self._unpaid(asked)
        if faults.refuse_payment is not None:
            raise await self._challenge(asked, faults.refuse_payment)
        option = await self._option()
        if not accepts(option, payment):
            raise await self._challenge(asked, _NO_MATCH)
        reason = await self._verify(header, payment, option)
        if reason is not None:
            raise await self._challenge(asked, reason)
        return await self._session(asked, payment, option)

    async def stop(self) -> None:
        """Give up on verifications that are still under way."""
        for task in self._verifying.values():
            task.cancel()
        await asyncio.gather(*self._verifying.values(), return_exceptions=True)

    async def _session(self, asked: _Asked, payment: JsonObject, option: JsonObject) -> Session:
        permit = Permit.of(payment)
        if permit is None:
            raise await self._challenge(asked, _NO_PERMIT)
        known = self._book.paid_by(permit)
        if known is None:
            return self._book.open(permit, payment, option, asked.path, self._clock.now())
        if known.state is SessionState.SETTLED:
            # handed in already: the chain may not have spent the nonce yet, but it will
            raise await self._challenge(asked, _PERMIT_SPENT)
        return self._usable(known, asked.path)

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

    async def _unpaid(self, asked: _Asked) -> Refusal:
        headers = asked.request.headers
        browsing = "Mozilla" in headers.get("User-Agent", "")
        if browsing and "text/html" in headers.get("Accept", ""):
            return Refusal(402, _BROWSER_PAGE, content_type="text/html")
        return await self._challenge(asked, _UNPAID)

    async def _challenge(self, asked: _Asked, reason: str) -> Refusal:
        request, faults = asked.request, asked.faults
        if faults.challenge_header is not None:
            return _payment_required(faults.challenge_header)
        # the address as the app behind the TLS proxy sees it: plain http
        url = f"http://{request.host}{request.path}"
        content = payment_required(await self._option(), url=url, path=asked.path, error=reason)
        if faults.challenge is not None:
            content = faults.challenge(json.loads(json.dumps(content)))
        return _payment_required(encode_header(content))


def _payment_required(header: str) -> Refusal:
    return Refusal(402, "{}", headers={"PAYMENT-REQUIRED": header})


def _unusable_session() -> Refusal:
    return Refusal(402, json.dumps({"error": "Session expired or exhausted"}))
