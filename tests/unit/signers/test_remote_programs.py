"""Programs with keys: their dialects and refusals, their accounts, and the way to them."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest

from opengradient_sdk.errors import ConfigurationError, SignerError, SigningRejectedError
from opengradient_sdk.signers import LocalSigner, RemoteSigner, Signer, signer_from

from .fake_signer import FakeSigner, Method, Refusal, signed_transaction, signed_typed_data
from .kinds import KINDS, RICH
from .test_local import ADDRESS, KEY

DYNAMIC = KINDS["dynamic fee"]

# how programs speak


@pytest.mark.parametrize("less", [0, 27], ids=["27 or 28", "0 or 1"])
async def test_v_is_read_in_both_spellings(
    fake: FakeSigner, signer: RemoteSigner, less: int
) -> None:
    expected = await LocalSigner(KEY).sign_typed_data(RICH)
    spelled = "0x" + (expected[:64] + bytes([expected[64] - less])).hex()
    fake.methods["eth_signTypedData_v4"] = lambda _: spelled
    assert await signer.sign_typed_data(RICH) == expected


def downstream(_: Any) -> Any:
    raise Refusal(-32000, "Failed to connect to downstream node")


def text_only(params: Any) -> str:
    assert isinstance(params[1], str)
    return signed_typed_data(params)


def in_an_object(params: Any) -> dict[str, object]:
    return {"raw": signed_transaction(params), "tx": {"nonce": "0x0"}}


PROGRAMS: dict[str, dict[str, Method]] = {
    "Web3Signer alone": {
        "eth_signTransaction": signed_transaction,
        "eth_signTypedData_v4": downstream,
        "eth_signTypedData": text_only,
    },
    "Web3Signer before a node": {
        "eth_signTransaction": signed_transaction,
        "eth_signTypedData": text_only,
    },
    "Clef": {
        "account_signTransaction": in_an_object,
        "account_signTypedData": signed_typed_data,
    },
    "geth": {"eth_signTransaction": in_an_object, "eth_signTypedData_v4": signed_typed_data},
}


@pytest.mark.parametrize("methods", PROGRAMS.values(), ids=PROGRAMS)
async def test_the_dialects_of_programs_are_spoken(
    fake: FakeSigner, signer: RemoteSigner, methods: dict[str, Method]
) -> None:
    fake.methods = methods
    local = LocalSigner(KEY)
    assert await signer.sign_transaction(DYNAMIC) == await local.sign_transaction(DYNAMIC)
    assert await signer.sign_typed_data(RICH) == await local.sign_typed_data(RICH)


async def test_the_dialect_is_found_out_once(fake: FakeSigner, signer: RemoteSigner) -> None:
    fake.methods = PROGRAMS["Clef"]
    for _ in range(2):
        await signer.sign_transaction(DYNAMIC)
    assert fake.asked == ["eth_signTransaction", *["account_signTransaction"] * 2]


async def test_a_program_without_these_methods_is_told(
    fake: FakeSigner, signer: RemoteSigner
) -> None:
    fake.methods = {}
    with pytest.raises(SignerError, match="eth_signTransaction, account_signTransaction") as caught:
        await signer.sign_transaction(DYNAMIC)
    assert "RPC providers hold no keys" in caught.value.hint


REFUSALS = {
    "Clef": (-32000, "Request denied"),
    "a wallet": (4001, "User rejected the request."),
    "WalletConnect": (5000, "User disapproved requested methods"),
    "Clef's rules": (-32000, "validation failed: Value is huge"),
}


@pytest.mark.parametrize(("code", "text"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_is_told_from_a_failure(
    fake: FakeSigner, signer: RemoteSigner, code: int, text: str
) -> None:
    def refuse(_: Any) -> Any:
        raise Refusal(code, text)

    fake.methods = dict.fromkeys(fake.methods, refuse)
    with pytest.raises(SigningRejectedError, match="refused to sign"):
        await signer.sign_transaction(DYNAMIC)
    with pytest.raises(SigningRejectedError, match=text):
        await signer.sign_typed_data(RICH)


NO_KEY = {
    "Web3Signer": "No unlocked account matches the Sender",
    "anvil": "No Signer available",
    "geth": "authentication needed: password or unlock",
    "geth without it": "unknown account",
    "Clef": "could not decrypt key with given password",
}


@pytest.mark.parametrize("text", NO_KEY.values(), ids=NO_KEY)
async def test_a_key_that_the_program_does_not_have_is_hinted_at(
    fake: FakeSigner, signer: RemoteSigner, text: str
) -> None:
    def refuse(_: Any) -> Any:
        raise Refusal(-32000, text)

    fake.methods["eth_signTransaction"] = refuse
    with pytest.raises(SignerError, match=text) as caught:
        await signer.sign_transaction(DYNAMIC)
    assert not isinstance(caught.value, SigningRejectedError)
    assert f"no unlocked key of {ADDRESS}" in caught.value.hint


async def test_a_blocked_request_is_not_mistaken_for_a_locked_account(
    fake: FakeSigner, signer: RemoteSigner
) -> None:
    def refuse(_: Any) -> Any:
        raise Refusal(-32000, "blocked by the gateway")

    fake.methods["eth_signTransaction"] = refuse
    with pytest.raises(SignerError, match="blocked by the gateway") as caught:
        await signer.sign_transaction(DYNAMIC)
    assert caught.value.hint == ""


# what is secret

SECRETS = ("hunter2-password", "path-key-123456", "header-token-9")


def secretive(fake: FakeSigner, **more: Any) -> RemoteSigner:
    host = fake.url.removeprefix("http://")
    return RemoteSigner(
        f"http://user:{SECRETS[0]}@{host}/{SECRETS[1]}",
        ADDRESS,
        headers={"X-Api-Key": f"Bearer {SECRETS[2]}"},
        **more,
    )


async def test_credentials_are_sent(fake: FakeSigner) -> None:
    async with secretive(fake) as signer:
        await signer.sign_typed_data(RICH)
    assert fake.paths == [f"/{SECRETS[1]}"]
    assert fake.headers[0]["Authorization"].startswith("Basic ")
    assert fake.headers[0]["X-Api-Key"] == f"Bearer {SECRETS[2]}"


async def test_credentials_are_not_shown(fake: FakeSigner) -> None:
    def echo(_: Any) -> Any:
        seen = {**fake.headers[-1], "path": fake.paths[-1]}
        raise Refusal(-32000, " ".join(seen.values()))

    fake.methods = dict.fromkeys(fake.methods, echo)
    shown: list[str] = []
    async with secretive(fake) as signer:
        shown += [repr(signer), str(signer)]
        with pytest.raises(SignerError, match="could not sign") as caught:
            await signer.sign_typed_data(RICH)
        shown += traceback.format_exception(caught.value)
        login = fake.headers[-1]["Authorization"].removeprefix("Basic ")
    async with secretive(fake, timeout=0.05) as signer:
        fake.hangs = True
        with pytest.raises(SignerError) as caught:
            await signer.sign_typed_data(RICH)
        shown += traceback.format_exception(caught.value)
    for secret in (*SECRETS, login):
        assert secret not in "\n".join(shown)
    assert f"{fake.url}/…" in shown[0]


@pytest.mark.parametrize("url", ["", "signer:9000", "ftp://host", "http://", "http://h:port"])
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not an http\(s\) URL"):
        RemoteSigner(url, ADDRESS)


@pytest.mark.parametrize("address", ["", "0x12", ADDRESS.swapcase(), None])
def test_what_is_no_address_is_refused(address: Any) -> None:
    with pytest.raises(ConfigurationError, match="remote signer's account"):
        RemoteSigner("http://localhost", address)


def test_it_is_a_signer_and_neither_copied_nor_pickled() -> None:
    signer = RemoteSigner("http://localhost", ADDRESS.lower())
    assert isinstance(signer, Signer)
    assert signer_from(signer) is signer
    assert signer.address == ADDRESS
    for duplicate in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied or pickled"):
            duplicate(signer)


# which account


@pytest.mark.parametrize("method", ["eth_accounts", "account_list"])
async def test_the_only_account_is_found(fake: FakeSigner, method: str) -> None:
    del fake.methods["eth_accounts"]
    fake.methods[method] = lambda _: [ADDRESS.lower()]
    async with await RemoteSigner.connect(fake.url) as signer:
        assert signer.address == ADDRESS
        await signer.sign_typed_data(RICH)


@pytest.mark.parametrize(
    ("accounts", "error", "why"),
    [
        ([], ConfigurationError, "no account"),
        ([str(ADDRESS), "0x" + "33" * 20], ConfigurationError, "2 accounts"),
        (["0x33"], SignerError, "did not tell"),
        ("0x33", SignerError, "did not tell"),
    ],
)
async def test_any_other_number_of_accounts_is_explained(
    fake: FakeSigner, accounts: Any, error: type[Exception], why: str
) -> None:
    fake.methods["eth_accounts"] = lambda _: accounts
    with pytest.raises(error, match=why) as caught:
        await RemoteSigner.connect(fake.url)
    assert "RemoteSigner(url, address)" in str(caught.value)
