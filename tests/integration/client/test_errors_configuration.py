"""What a client is told wrongly is refused before anything is asked, signed or sent."""

from __future__ import annotations

import traceback
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk import AsyncOpenGradient, Devnet, OpenGradient
from opengradient_sdk.errors import ConfigurationError, LedgerError, OpenGradientError, Spent

from .kit import MODEL, CustomerFactory, refused

_DIGITS = "4c0883a69102937d6231471b5dbb6204fe512961708279f23efb3c0c9e3a1d5f"
_WORDS = "test test test test test test test test test test test junk"

_KEYS = {
    "63 digits": (_DIGITS[:63], "63 hex digits, not 64", "lost or doubled"),
    "65 digits": ("0x" + _DIGITS + "a", "65 hex digits, not 64", "lost or doubled"),
    "a line break": (_DIGITS + "\n", "line break", "strip it"),
    "zero": ("0" * 64, "is zero", "no account"),
    "beyond the curve": ("f" * 64, "order of secp256k1", "mistyped"),
    "a mnemonic": (_WORDS, "list of words", "from_mnemonic"),
    "an address": ("0x" + _DIGITS[:40], "40 hex digits", "are an address"),
    "no hex": ("0x" + "zz" + _DIGITS[2:], "not hex", "64 hex digits"),
    "empty": ("", "is empty", "OG_PRIVATE_KEY"),
}


@pytest.mark.parametrize("client", [AsyncOpenGradient, OpenGradient])
@pytest.mark.parametrize("slip", _KEYS)
def test_a_key_that_is_none_is_refused_without_being_repeated(
    net: Devnet, slip: str, client: type[AsyncOpenGradient] | type[OpenGradient]
) -> None:
    key, words, hint = _KEYS[slip]

    with refused(ConfigurationError, "private key", words, hint=hint) as caught:
        client(signer=key, network=net.profile)

    _assert_forgotten(caught.error, key)


@pytest.mark.parametrize("slip", _KEYS)
def test_a_key_in_the_environment_is_read_as_strictly(
    net: Devnet, slip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, words, hint = _KEYS[slip]
    monkeypatch.setenv("OG_PRIVATE_KEY", key)

    with refused(ConfigurationError, "private key", words, hint=hint) as caught:
        AsyncOpenGradient(network=net.profile)

    _assert_forgotten(caught.error, key)


def test_a_client_without_a_key_says_where_keys_come_from(
    net: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OG_PRIVATE_KEY", raising=False)

    with refused(ConfigurationError, "no wallet", hint="OG_PRIVATE_KEY"):
        AsyncOpenGradient(network=net.profile)


def test_a_good_key_is_forgotten_when_another_argument_is_wrong(net: Devnet) -> None:
    with refused(ConfigurationError, "budget", hint='"1 OPG"') as caught:
        AsyncOpenGradient(signer=_DIGITS, network=net.profile, budget="a lot")

    _assert_forgotten(caught.error, _DIGITS)


def test_a_good_key_in_the_environment_is_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OG_PRIVATE_KEY", _DIGITS)

    with refused(ConfigurationError, "unknown network", hint="mainnet") as caught:
        AsyncOpenGradient(network="moon")

    _assert_forgotten(caught.error, _DIGITS)


_ARGUMENTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a budget in words": ({"budget": "a lot"}, "budget", '"1 OPG"'),
    "a budget in another token": ({"budget": "1 ETH"}, "amount of OPG", '"1 OPG"'),
    "a negative budget": ({"budget": "-1 OPG"}, "budget", '"1 OPG"'),
    "a budget finer than an atom": ({"budget": Decimal("1e-19")}, "finer", '"1 OPG"'),
    "a settlement of its own": ({"settlement": "public"}, "settlement is 'public'", "private"),
    "a settlement of another kind": ({"settlement": 7}, "settlement is 7", "batch"),
    "another way with ambiguity": ({"on_ambiguous": "ignore"}, "on_ambiguous", "retry_same"),
    "no time": ({"timeout": 0}, "timeout is 0", "positive"),
    "a time in words": ({"timeout": "60"}, "timeout is '60'", "positive"),
    "a time that is true": ({"timeout": True}, "timeout is True", "positive"),
    "no number as time": ({"timeout": float("nan")}, "timeout is nan", "positive"),
    "an unknown assurance": ({"require": 9}, "9 is neither a level", "Assurance.REGISTERED"),
    "an unknown network": ({"network": "testnet"}, "unknown network 'testnet'", "mainnet"),
    "a network of another kind": ({"network": 8453}, "unknown network 8453", "mainnet"),
    "a signer of another kind": ({"signer": 7}, "int is no signer", "private key"),
    "a store of another kind": ({"store": 7}, "store is 7", "path"),
}


@pytest.mark.parametrize("slip", _ARGUMENTS)
def test_an_argument_of_the_wrong_kind_is_named(net: Devnet, slip: str) -> None:
    arguments, words, hint = _ARGUMENTS[slip]
    usual: dict[str, Any] = {"signer": net.accounts[0], "network": net.profile}

    with refused(ConfigurationError, words, hint=hint):
        AsyncOpenGradient(**usual | arguments)


@pytest.mark.parametrize("budget", [1.0, 0.1, True])
def test_a_budget_is_never_a_float(net: Devnet, budget: Any) -> None:
    with pytest.raises(TypeError, match="money is never a"):
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile, budget=budget)


_ENVIRONMENTS = {
    "no chain": ({"OG_NETWORK": "devnet"}, "no RPC endpoint", "OG_RPC_URL"),
    "no network": ({"OG_NETWORK": "moon"}, "unknown network 'moon'", "mainnet"),
    "no address of a chain": (
        {"OG_NETWORK": "devnet", "OG_RPC_URL": "localhost:8545"},
        "OG_PAYMENT_RPC_URL is not an http(s) address",
        "http://",
    ),
    "no address of a registry": (
        {"OG_NETWORK": "mainnet", "OG_TEE_REGISTRY": "0x1234"},
        "OG_TEE_REGISTRY",
        "40 hex digits",
    ),
}


@pytest.mark.parametrize("slip", _ENVIRONMENTS)
def test_an_environment_variable_that_is_wrong_is_named(
    net: Devnet, slip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ, words, hint = _ENVIRONMENTS[slip]
    for name in net.env:
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    with refused(ConfigurationError, words, hint=hint):
        AsyncOpenGradient(signer=net.accounts[0])


@pytest.mark.parametrize(
    "part", ["chat", "completions", "models", "nodes", "wallet", "receipts", "payments", "chains"]
)
async def test_a_client_is_used_inside_its_block(net: Devnet, part: str) -> None:
    client = AsyncOpenGradient(signer=net.accounts[0], network=net.profile, store=":memory:")
    with refused(ConfigurationError, "not open", hint="async with"):
        getattr(client, part)
    async with client:
        getattr(client, part)
    with refused(ConfigurationError, "not open", hint="async with"):
        getattr(client, part)


_REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "tokens in words": ({"max_tokens": "64"}, "max_tokens"),
    "half a token": ({"max_tokens": 0.5}, "max_tokens"),
    "a token less than none": ({"max_tokens": -1}, "max_tokens"),
    "true tokens": ({"max_tokens": True}, "max_tokens"),
    "no messages": ({"messages": []}, "messages"),
    "an empty text": ({"messages": ""}, "messages"),
    "messages of another kind": ({"messages": 7}, "messages"),
    "one message as it is": ({"messages": {"role": "user", "content": "hi"}}, "messages"),
    "a message of another kind": ({"messages": ["hi"]}, "messages[0]"),
    "a message of nobody": ({"messages": [{"content": "hi"}]}, "messages[0]"),
    "a message of a stranger": ({"messages": [{"role": "root", "content": "hi"}]}, "messages[0]"),
    "content of another kind": ({"messages": [{"role": "user", "content": 7}]}, "messages[0]"),
    "a temperature in words": ({"temperature": "hot"}, "temperature"),
    "too hot": ({"temperature": 2.5}, "temperature"),
    "not a temperature": ({"temperature": float("nan")}, "temperature"),
    "a model of another kind": ({"model": 7}, "model"),
    "no model": ({"model": ""}, "model"),
    "a stop of another kind": ({"stop": [7]}, "stop"),
    "tools of another kind": ({"tools": "all"}, "tools"),
    "a format of another kind": ({"response_format": "json"}, "response_format"),
    "a search in words": ({"web_search": "yes"}, "web_search"),
    "no time": ({"timeout": 0}, "timeout"),
    "a time in words": ({"timeout": "soon"}, "timeout"),
    "a node that is none": ({"node": "the fast one"}, "names no node"),
}


@pytest.mark.parametrize("slip", _REQUESTS)
async def test_a_request_of_the_wrong_kind_is_refused_and_costs_nothing(
    customer: CustomerFactory, slip: str
) -> None:
    arguments, words = _REQUESTS[slip]
    one = await customer()

    with pytest.raises(ConfigurationError) as info:
        await one.ask(**arguments)

    assert words in info.value.short_message
    assert info.value.hint
    assert info.value.spent is Spent.NO
    await one.assert_nothing_happened()


async def test_a_store_that_cannot_be_written_stops_the_payment(
    customer: CustomerFactory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    one = await customer(store=tmp_path / "file" / "journal.sqlite")

    with refused(ConfigurationError, "cannot be made", hint="store="):
        await one.ask()

    await _assert_nothing_paid(one)


async def test_a_store_that_is_no_database_stops_the_payment(
    customer: CustomerFactory, tmp_path: Path
) -> None:
    (tmp_path / "journal.sqlite").write_text("this is no database" * 100)
    one = await customer(store=tmp_path / "journal.sqlite")

    with refused(LedgerError, "not a database", hint="store="):
        await one.ask()

    await _assert_nothing_paid(one)


async def test_a_wallet_without_a_server_for_its_store_pays_nothing(
    customer: CustomerFactory,
) -> None:
    store = "postgresql://me:pass-word@127.0.0.1:1/journal?connect_timeout=1"
    one = await customer(store=store)

    with refused(LedgerError, "me:***@127.0.0.1:1", hint="Is PostgreSQL running") as caught:
        await one.ask()

    _assert_forgotten(caught.error, "pass-word")
    await _assert_nothing_paid(one)


def test_the_url_of_a_store_goes_through_and_its_password_is_not_shown(net: Devnet) -> None:
    store = "postgresql://me:pass-word@host/journal?sslmode=require"
    client = AsyncOpenGradient(signer="0x" + _DIGITS, network=net.profile, store=store)

    assert client.config.store == store
    for shown in (repr(client), repr(client.config), str(client.config)):
        assert "postgresql://me:***@host/journal?sslmode=require" in shown
        assert "pass-word" not in shown


@pytest.mark.parametrize("store", ["mysql://me:pass-word@host/journal", "sqlite:///journal.sqlite"])
def test_the_url_of_another_kind_of_store_is_refused(net: Devnet, store: str) -> None:
    kind = store.partition(":")[0]

    with refused(ConfigurationError, f"{kind}://", hint="postgresql://") as caught:
        AsyncOpenGradient(signer="0x" + _DIGITS, network=net.profile, store=store)

    assert "pass-word" not in str(caught.error)


async def test_a_client_of_an_unreachable_folder_works_with_another_store(
    net: Devnet, customer: CustomerFactory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    profile = replace(net.profile, state_dir=str(tmp_path / "file"))
    one = await customer(network=profile, store=None)
    with refused(ConfigurationError, "cannot be made", hint="OG_STATE_DIR"):
        await one.ask()

    other = await customer(network=profile, store=tmp_path / "journal.sqlite")

    assert (await other.ask()).text
    await other.assert_exposed(caps=1)


@pytest.mark.parametrize("model", [MODEL, "gpt-5", " GPT-5 ", "anyone/gpt-5"])
async def test_a_model_is_found_with_and_without_its_provider(
    customer: CustomerFactory, model: str
) -> None:
    one = await customer()

    reply = await one.ask(model=model)

    assert reply.text
    assert reply.receipt.cost is not None
    await one.assert_exposed(caps=1)


async def _assert_nothing_paid(one: Any) -> None:
    """A signature that could not be written down has left neither a reservation nor a trace."""
    assert one.client.payments.unresolved == ()
    assert one.client.payments.unresolved == ()
    assert one.book is None


def _assert_forgotten(error: OpenGradientError, key: str) -> None:
    """No frame of this package has kept the text of the key among its locals."""
    frames = traceback.StackSummary.extract(
        (
            (frame, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if "/tests/" not in frame.f_code.co_filename
        ),
        capture_locals=True,
    )
    told = "".join(frames.format()) + "".join(traceback.format_exception(error))
    if key:
        assert key not in told
