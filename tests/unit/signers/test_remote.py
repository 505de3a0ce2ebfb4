"""A key in another program: what is asked of it, and that nothing it says is taken on trust."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from eth_account import Account

from opengradient_sdk.errors import SignerError
from opengradient_sdk.signers import LocalSigner, RemoteSigner
from opengradient_sdk.types import Address, PreparedTx, TypedData

from .fake_signer import FakeSigner, serving
from .kinds import KINDS, RICH, changed_fields
from .test_guard import OTHER_KEY, high_s
from .test_local import ADDRESS, KEY, ORDER, TRANSACTION, typed_data

DYNAMIC = KINDS["dynamic fee"]


@pytest.mark.parametrize("tx", KINDS.values(), ids=KINDS)
async def test_what_is_asked_for_is_what_a_local_key_would_sign(
    signer: RemoteSigner, tx: PreparedTx
) -> None:
    assert await signer.sign_transaction(tx) == await LocalSigner(KEY).sign_transaction(tx)


async def test_a_contract_is_created_by_sending_to_nobody(signer: RemoteSigner) -> None:
    tx = replace(DYNAMIC, to=None)
    assert await signer.sign_transaction(tx) == await LocalSigner(KEY).sign_transaction(tx)


@pytest.mark.parametrize("data", [typed_data(2**255), typed_data(3), RICH])
async def test_typed_data_is_what_a_local_key_would_sign(
    signer: RemoteSigner, data: TypedData
) -> None:
    assert await signer.sign_typed_data(data) == await LocalSigner(KEY).sign_typed_data(data)


# what comes back is changed


async def signed_as(tx: PreparedTx, key: str = KEY) -> str:
    signed = await LocalSigner(key).sign_transaction(replace(tx, sender=LocalSigner(key).address))
    return "0x" + signed.raw.hex()


@pytest.mark.parametrize(("asked", "returned"), changed_fields())
async def test_every_field_that_comes_back_changed_is_noticed(
    fake: FakeSigner, signer: RemoteSigner, asked: PreparedTx, returned: PreparedTx
) -> None:
    raw = await signed_as(returned)
    fake.methods["eth_signTransaction"] = lambda _: raw
    with pytest.raises(SignerError, match=r"not the transaction that was asked for"):
        await signer.sign_transaction(asked)


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize("returned", KINDS)
async def test_another_type_of_transaction_is_noticed(
    fake: FakeSigner, signer: RemoteSigner, asked: str, returned: str
) -> None:
    raw = await signed_as(KINDS[returned])
    fake.methods["eth_signTransaction"] = lambda _: raw
    if asked == returned:
        assert (await signer.sign_transaction(KINDS[asked])).raw.hex() == raw[2:]
        return
    with pytest.raises(SignerError, match="are not an EIP-"):
        await signer.sign_transaction(KINDS[asked])


@pytest.mark.parametrize("tx", KINDS.values(), ids=KINDS)
async def test_another_keys_transaction_is_noticed(
    fake: FakeSigner, signer: RemoteSigner, tx: PreparedTx
) -> None:
    raw = await signed_as(tx, OTHER_KEY)
    fake.methods["eth_signTransaction"] = lambda _: raw
    with pytest.raises(SignerError, match=f"not one of {ADDRESS}"):
        await signer.sign_transaction(tx)


def malleated(raw: str) -> str:
    """Return the EIP-1559 transaction with s mirrored and the parity flipped."""
    envelope = bytearray.fromhex(raw[2:])
    s = int.from_bytes(envelope[-32:], "big")
    envelope[-32:] = (ORDER - s).to_bytes(32, "big")
    parity = len(envelope) - 67  # parity, then 0xa0 and r, then 0xa0 and s
    envelope[parity] = 0x01 if envelope[parity] == 0x80 else 0x80
    return "0x" + envelope.hex()


async def test_a_high_s_is_noticed(fake: FakeSigner, signer: RemoteSigner) -> None:
    raw = malleated(await signed_as(DYNAMIC))
    assert Account.recover_transaction(raw) == ADDRESS  # valid for who does not know EIP-2
    fake.methods["eth_signTransaction"] = lambda _: raw
    with pytest.raises(SignerError, match="no chain takes"):
        await signer.sign_transaction(DYNAMIC)


GARBAGE = {
    "nothing": None,
    "a number": 5,
    "no hex": "0xzz",
    "hex without 0x": "02ff",
    "an object without bytes": {"tx": {}},
    "an object with other bytes": {"raw": 7},
    "a list": ["0x02"],
    "empty text": "",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_no_signature(
    fake: FakeSigner, signer: RemoteSigner, answer: object
) -> None:
    fake.methods = dict.fromkeys(fake.methods, lambda _: answer)
    with pytest.raises(SignerError, match="not a signed transaction"):
        await signer.sign_transaction(DYNAMIC)
    with pytest.raises(SignerError, match="not a signature"):
        await signer.sign_typed_data(RICH)


@pytest.mark.parametrize("raw", ["0x", "0x02", "0x02c0", "0xf80102", "0x05c0"])
async def test_bytes_that_are_no_transaction_are_refused(
    fake: FakeSigner, signer: RemoteSigner, raw: str
) -> None:
    fake.methods["eth_signTransaction"] = lambda _: raw
    with pytest.raises(SignerError, match="not an EIP-1559 transaction"):
        await signer.sign_transaction(DYNAMIC)


FORGED = {
    "too short": (lambda s: s[:64], "65 bytes"),
    "too long": (lambda s: s + b"\0", "65 bytes"),
    "v of a chain": (lambda s: s[:64] + b"\x25", "v = 27 or 28"),
    "other parity": (lambda s: s[:64] + bytes([55 - s[64]]), "not one of|no key"),
    "high s": (high_s, "EIP-2"),
    "zero": (lambda _: bytes(65), "no key"),
}


@pytest.mark.parametrize(("forge", "why"), FORGED.values(), ids=FORGED)
async def test_a_forged_signature_is_noticed(
    fake: FakeSigner, signer: RemoteSigner, forge: Any, why: str
) -> None:
    forged = "0x" + forge(await LocalSigner(KEY).sign_typed_data(RICH)).hex()
    fake.methods["eth_signTypedData_v4"] = lambda _: forged
    with pytest.raises(SignerError, match=why):
        await signer.sign_typed_data(RICH)


async def test_a_signature_over_other_data_is_noticed(
    fake: FakeSigner, signer: RemoteSigner
) -> None:
    other = "0x" + (await LocalSigner(KEY).sign_typed_data(typed_data(8))).hex()
    fake.methods["eth_signTypedData_v4"] = lambda _: other
    with pytest.raises(SignerError, match=f"not one of {ADDRESS} over this M"):
        await signer.sign_typed_data(typed_data(7))


# what breaks on the way

REPLIES = {
    "HTTP 500": (lambda: web.Response(status=500, text="oops"), "HTTP 500"),
    "HTML": (
        lambda: web.Response(text="<html>sign in</html>", content_type="text/html"),
        "no JSON-RPC answer",
    ),
    "a list": (lambda: web.json_response([1]), "no JSON-RPC answer"),
    "no result": (lambda: web.json_response({"id": 1}), "no JSON-RPC answer"),
    "a result and HTTP 502": (lambda: web.json_response({"result": "0x"}, status=502), "HTTP 502"),
    "an error that is text": (lambda: web.json_response({"error": "busy"}), "could not sign: busy"),
    "nothing": (lambda: web.Response(), "no JSON-RPC answer"),
    "JSON that is cut": (lambda: web.Response(text='{"result": "0x'), "no JSON-RPC answer"),
    "a redirect": (
        lambda: web.Response(status=307, headers={"Location": "http://elsewhere.test"}),
        "redirect",
    ),
    "no entry": (lambda: web.Response(status=401), "refuses the connection"),
}


@pytest.mark.parametrize(("reply", "why"), REPLIES.values(), ids=REPLIES)
async def test_an_answer_that_is_none_is_explained(
    fake: FakeSigner, signer: RemoteSigner, reply: Any, why: str
) -> None:
    fake.reply = reply()
    with pytest.raises(SignerError, match=why) as caught:
        await signer.sign_transaction(DYNAMIC)
    assert fake.url in str(caught.value)
    assert len(fake.asked) == 1


async def test_a_program_that_does_not_answer_is_left(fake: FakeSigner) -> None:
    fake.hangs = True
    async with RemoteSigner(fake.url, ADDRESS, timeout=0.05) as signer:
        with pytest.raises(SignerError, match=r"within 0\.05 s") as caught:
            await signer.sign_typed_data(RICH)
    assert "longer timeout=" in caught.value.hint


async def test_a_program_that_is_not_there_is_explained() -> None:
    async with serving(FakeSigner()) as gone:
        pass
    async with RemoteSigner(gone.url, ADDRESS) as signer:
        with pytest.raises(SignerError, match="cannot be reached"):
            await signer.sign_typed_data(RICH)


async def test_a_closed_signer_says_so(fake: FakeSigner, signer: RemoteSigner) -> None:
    await signer.aclose()
    with pytest.raises(SignerError, match="closed"):
        await signer.sign_typed_data(RICH)
    assert fake.asked == []


async def test_what_nobody_could_sign_does_not_leave(
    fake: FakeSigner, signer: RemoteSigner
) -> None:
    with pytest.raises(SignerError, match="does not fit uint256"):
        await signer.sign_typed_data(typed_data(-1))
    with pytest.raises(SignerError, match="cannot be signed"):
        await signer.sign_transaction(replace(TRANSACTION, nonce=-1))
    with pytest.raises(SignerError, match="this signer is"):
        await signer.sign_transaction(replace(TRANSACTION, sender=Address("0x" + "33" * 20)))
    assert fake.asked == []
