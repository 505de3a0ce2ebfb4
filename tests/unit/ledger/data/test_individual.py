"""What an individual settlement's blob is held to: the hashes that the node signed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.devnet.facilitator.blobs import blob_id_of
from opengradient_sdk.ledger import DataProof, DataState, Receipt
from opengradient_sdk.ledger.data import individual_blob_check
from opengradient_sdk.types import Bytes32, keccak256
from opengradient_sdk.verification import Check, CheckStatus, request_hashes

from .conftest import Scene
from .mock_relay import BORN, CHAIN_ID, RELAY, promised

QUESTION = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
TEXT = "good day"
ANSWER = {
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    ]
}
LAST_FRAME = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
PROMPT = {"model": "gpt-5", "prompt": "hi"}
COMPLETION = {"choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}]}


def settled(question: Any = QUESTION, *, blob_id: str = "", **changes: Any) -> Receipt:
    """A receipt whose answer was settled on its own."""
    receipt = promised(mode="individual")
    proof = DataProof(
        "individual",
        CHAIN_ID,
        RELAY,
        Bytes32(bytes(32)),
        log_index=0,
        block_number=30,
        block_hash=Bytes32(bytes(32)),
        block_timestamp=BORN,
        blob_id=blob_id,
        rpcs=("mock",),
    )
    assert receipt.signed is not None
    (first, *_) = request_hashes(question)
    signed = replace(
        receipt.signed,
        request_hash=first.digest.hex(),
        output_hash=keccak256(TEXT.encode()).hex(),
        signature=base64.b64encode(b"signature").decode(),
    )
    data = replace(receipt.data, state=DataState.SETTLED, proof=proof)
    members = {"signed": signed, "data": data, "route": "/v1/chat/completions"}
    return replace(receipt, **members | changes)


async def checked(
    scene: Scene, held: Any, question: Any = QUESTION, **changes: Any
) -> Check | None:
    """Put something into the store, and check it."""
    blob = held if isinstance(held, bytes) else json.dumps(held).encode()
    scene.store.blobs.put(blob)
    receipt = settled(question, blob_id=blob_id_of(blob), **changes)
    return await individual_blob_check(receipt, scene.reader)


async def test_question_and_answer_are_there(scene: Scene) -> None:
    check = await checked(scene, {"input": QUESTION, "output": ANSWER})
    assert check is not None
    assert (check.name, check.status) == ("data_blob", CheckStatus.PASSED)
    assert check.source.startswith("blob ")


async def test_a_completion(scene: Scene) -> None:
    held = {"input": PROMPT, "output": COMPLETION}
    check = await checked(scene, held, PROMPT, route="/v1/completions")
    assert check is not None
    assert check.status is CheckStatus.PASSED


async def test_a_streams_last_frame(scene: Scene) -> None:
    check = await checked(scene, {"input": QUESTION, "output": LAST_FRAME})
    assert check is not None
    assert check.status is CheckStatus.NOT_CHECKED


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (b"{", "not JSON"),
        (b"[]", "no blob of an individual settlement"),
        ({"input": QUESTION}, "no blob of an individual settlement"),
        ({"input": "hi", "output": ANSWER}, "no blob of an individual settlement"),
        ({"input": PROMPT, "output": ANSWER}, "another question"),
        ({"input": {"messages": 5}, "output": ANSWER}, "a question without a hash"),
        ({"input": PROMPT, "output": LAST_FRAME}, "another question"),
        ({"input": QUESTION, "output": {"choices": []}}, "an unreadable answer"),
        ({"input": QUESTION, "output": {"choices": ["hi"]}}, "an unreadable answer"),
        (
            {"input": QUESTION, "output": json.loads(json.dumps(ANSWER).replace(TEXT, "bad day"))},
            "another answer",
        ),
        (
            json.dumps({"input": QUESTION, "output": ANSWER}).replace(TEXT, "\\ud800").encode(),
            "no UTF-8 form",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_not_the_right_blob_fails(scene: Scene, held: Any, why: str) -> None:
    check = await checked(scene, held)
    assert check is not None
    assert check.status is CheckStatus.FAILED
    assert why in check.reason


async def test_a_blob_that_is_gone_is_not_checked(scene: Scene) -> None:
    receipt = settled(blob_id=blob_id_of(b"gone"))
    check = await individual_blob_check(receipt, scene.reader)
    assert check is not None
    assert check.status is CheckStatus.NOT_CHECKED
    assert "404" in check.reason


async def test_nothing_to_check(scene: Scene) -> None:
    assert await individual_blob_check(promised(mode="individual"), scene.reader) is None
    assert await individual_blob_check(promised(), scene.reader) is None
    assert await individual_blob_check(settled(signed=None), scene.reader) is None
    assert scene.store.asked == []
