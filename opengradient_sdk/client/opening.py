"""Opening a session: challenge, rules, signature; nothing is sent that was not written down."""

from __future__ import annotations

import asyncio

from .._core.tasks import together
from ..errors import (
    BudgetExceededError,
    InvalidChallengeError,
    NodeProtocolError,
    NoNodeAvailableError,
)
from ..network.connection import NodeConnection
from ..network.records import NodeRecord
from ..payments.challenge import PaymentRequired, parse_402
from ..payments.state import OpenAuthorization
from ..types import Amount
from ..verification.signature import prepare
from .call import Call
from .core import Core
from .events import PaymentAuthorized
from .status import status_error


async def open_session(core: Core, connection: NodeConnection, call: Call) -> OpenAuthorization:
    """Ask a node for its challenge and return a signed, journalled authorization for it.

    The wallet and the node's price are read, and its key is loaded, while the node is asked.

    **Money**: signs one authorization of exactly what the node offers, if the policy allows that
    and the budget covers it.

    Raises:
        PaymentError: The offer is refused, or cannot be paid; nothing was signed.
        NetworkError, APIStatusError: The node did not make an offer.
    """
    required, funds, *_ = await together(
        challenge(connection, call),
        core.authorizer.funds(),
        connection.opg_usd(),
        asyncio.to_thread(prepare, connection.record.public_key_der),
    )
    record = connection.record
    _refuse_misconduct(core, record)
    offer = core.policy.choose(required.offers, record.payment_address, tee_id=record.tee_id)

    async def authorized() -> OpenAuthorization:
        return await core.authorizer.authorize(
            offer,
            required,
            payee=record.payment_address,
            tee_id=record.tee_id,
            route=call.route,
            funds=funds,
        )

    try:
        life = await authorized()
    except BudgetExceededError:
        await core.reconciler.look_up_retired()  # what has settled meanwhile is free again
        life = await authorized()
    core.signed(life)
    signed = life.authorization
    core.emit(PaymentAuthorized(call.route, life.tee_id, Amount(signed.max_amount), signed.nonce))
    return life


def _refuse_misconduct(core: Core, record: NodeRecord) -> None:
    if reason := core.conduct.verdict(record.tee_id):
        raise NoNodeAvailableError(
            f"nothing more is signed for node {record.tee_id}: {reason}",
            hint="Another node is used where there is one. The open caps are shown by "
            "client.payments.unresolved until the chain has spoken.",
        )


async def challenge(connection: NodeConnection, call: Call) -> PaymentRequired:
    """Send ``call`` without any payment and return the node's demand.

    **Money**: nothing is signed or paid.

    Raises:
        InvalidChallengeError: The 402 has no usable challenge.
        NodeProtocolError: The node answered something else.
        APIStatusError: The node refused the request before asking for payment.
    """
    answer = await connection.post(call.route, call.payload, call.headers, timeout=call.timeout)
    if answer.status == 402:
        required = parse_402(answer.headers, answer.body)
        if isinstance(required, PaymentRequired):
            return required
        raise InvalidChallengeError(
            f"the node asks for payment without saying how: {required.error or 'no challenge'}",
            hint="Nothing was signed. Another node may do better.",
        )
    if answer.status >= 400:
        raise status_error(answer.status, answer.body)
    raise NodeProtocolError(
        f"the node answered an unpaid request with status {answer.status}",
        hint="Nothing was paid. Its payment layer is not active; use another node.",
    )
