"""A stream that was refused at its end is counted once, however often it is asked for."""

from __future__ import annotations

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.faults import inject
from opengradient_sdk.errors import VerificationError

from .kit import CustomerFactory


async def test_a_refused_stream_is_counted_once(net: Devnet, customer: CustomerFactory) -> None:
    buyer = await customer()
    async with (
        inject(net, "wrong-proof"),
        buyer.client.chat.stream(**buyer.question()) as stream,
    ):
        with pytest.raises(VerificationError) as first:
            await stream.get_final_reply()
        with pytest.raises(VerificationError) as second:
            await stream.get_final_reply()
    assert second.value is first.value
    (receipt,) = await buyer.client.receipts.list()
    assert receipt.id == first.value.receipt_id
    (life,) = buyer.client.payments.unresolved
    assert (life.calls, life.served) == (1, receipt.cost and receipt.cost.atoms)
    assert buyer.client.verification.statistics().answers == 1
    assert (await buyer.client.ledger.check()).receipts == 1
