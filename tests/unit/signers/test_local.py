"""A key in this process: what it signs, and that it never shows."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.errors import ConfigurationError, SignerError
from opengradient_sdk.signers import LocalSigner, Signer, signer_from
from opengradient_sdk.signers import local as local_module
from opengradient_sdk.signers._recover import recover_address
from opengradient_sdk.types import Address, Bytes32, PreparedTx, TypedData, keccak256

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
MNEMONIC = "test test test test test test test test test test test junk"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = ORDER // 2
PASSWORD = "correct horse"
OTHER_PASSWORD = "battery staple"

TRANSACTION = PreparedTx(
    chain_id=8453,
    sender=ADDRESS,
    nonce=7,
    to=Address("0x" + "11" * 20),
    data=b"\x01\x02",
    value=5,
    gas=70_000,
    max_fee_per_gas=10**9,
    max_priority_fee_per_gas=10**6,
    access_list=((Address("0x" + "22" * 20), (Bytes32(b"\x01" * 32),)),),
)


def typed_data(number: object = 1) -> TypedData:
    domain = (("name", "string"),)
    return TypedData(domain, {"name": "t"}, (("M", (("n", "uint256"),)),), "M", {"n": number})


@pytest.mark.parametrize("key", [KEY, KEY[2:], KEY.upper().replace("0X", "0x"), "0X" + KEY[2:]])
def test_a_key_is_read_in_every_usual_spelling(key: str) -> None:
    assert LocalSigner(key).address == LocalSigner.from_key(key).address == ADDRESS
    assert LocalSigner.from_key(bytes.fromhex(KEY[2:])).address == ADDRESS


@given(st.integers(1, ORDER - 1))
def test_addresses_agree_with_eth_account(number: int) -> None:
    key = number.to_bytes(32, "big")
    assert LocalSigner.from_key(key).address == Account.from_key(key).address


@given(st.integers(1, ORDER - 1), st.integers(0, 2**256 - 1))
async def test_signatures_agree_with_eth_account(number: int, value: int) -> None:
    """Deterministic (RFC 6979), low s, v = 27 or 28."""
    key, data = number.to_bytes(32, "big"), typed_data(value)
    signature = await LocalSigner.from_key(key).sign_typed_data(data)
    assert signature == Account.unsafe_sign_hash(data.digest(), key).signature
    assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    assert recover_address(data.digest(), signature) == LocalSigner.from_key(key).address


async def test_typed_data_that_does_not_fit_its_types_is_not_signed() -> None:
    with pytest.raises(SignerError, match="does not fit uint256"):
        await LocalSigner(KEY).sign_typed_data(typed_data(-1))


@pytest.mark.parametrize(
    "tx",
    [TRANSACTION, replace(TRANSACTION, to=None, access_list=()), replace(TRANSACTION, nonce=0)],
)
async def test_transactions_agree_with_eth_account(tx: PreparedTx) -> None:
    signed = await LocalSigner(KEY).sign_transaction(tx)
    expected = Account.sign_transaction(
        {
            "type": 2,
            "chainId": tx.chain_id,
            "nonce": tx.nonce,
            "to": tx.to or b"",
            "data": tx.data,
            "value": tx.value,
            "gas": tx.gas,
            "maxFeePerGas": tx.max_fee_per_gas,
            "maxPriorityFeePerGas": tx.max_priority_fee_per_gas,
            "accessList": tuple(
                {"address": address, "storageKeys": tuple(map(str, keys))}
                for address, keys in tx.access_list
            ),
        },
        KEY,
    )
    assert signed.raw == bytes(expected.raw_transaction)
    assert signed.hash == bytes(expected.hash) == keccak256(signed.raw)
    assert signed.tx == tx


async def test_another_accounts_transaction_is_not_signed() -> None:
    tx = replace(TRANSACTION, sender=Address("0x" + "33" * 20))
    with pytest.raises(SignerError, match="this signer is"):
        await LocalSigner(KEY).sign_transaction(tx)


@pytest.mark.parametrize("change", [{"nonce": -1}, {"value": -1}, {"gas": 1.5}])
async def test_a_transaction_that_cannot_be_encoded_is_a_signer_error(change: Any) -> None:
    with pytest.raises(SignerError, match="cannot be signed"):
        await LocalSigner(KEY).sign_transaction(replace(TRANSACTION, **change))


# Each of these is what somebody has pasted; the pattern is in the message or its hint.
BAD_KEYS = {
    "63 digits": (KEY[:-1], "63 hex digits"),
    "65 digits": (KEY + "0", "65 hex digits"),
    "line break": (KEY + "\n", "line break"),
    "leading blank": (" " + KEY, "line break or blank"),
    "zero": ("0x" + "00" * 32, "is zero"),
    "order": (f"0x{ORDER:064x}", "not below the order"),
    "above order": ("f" * 64, "not below the order"),
    "mnemonic": (MNEMONIC, "from_mnemonic"),
    "long mnemonic": (MNEMONIC + " " + MNEMONIC, "from_mnemonic"),
    "keystore": ('{"version": 3, "crypto": {"secretword": 1}}', "from_keystore"),
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "address": (str(ADDRESS), "are an address"),
    "public key": ("04" * 64, "public key or a signature"),
    "not hex": (KEY[:-1] + "g", "not hex digits"),
    "non-ASCII digits": (KEY[:-1] + "٣", "not hex digits"),
    "placeholder": ("YOUR_PRIVATE_KEY", "not hex digits"),
    "short bytes": (b"\x01" * 31, "31 bytes"),
    "number": (5, "is a int"),
    "nothing": (None, "NoneType"),
}


def bad_keys() -> list[Any]:
    return [pytest.param(key, why, id=name) for name, (key, why) in BAD_KEYS.items()]


def everything_shown(error: BaseException) -> str:
    """Return what an error reporter may print: text, causes, and the locals of our frames."""
    shown = ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]
    assert error.__cause__ is None
    assert error.__context__ is None
    frame: TracebackType | None = error.__traceback__
    while frame is not None:
        if "opengradient_sdk" in frame.tb_frame.f_code.co_filename:
            shown.append(repr(frame.tb_frame.f_locals))
        frame = frame.tb_next
    return "\n".join(shown)


@pytest.mark.parametrize("make", [LocalSigner, LocalSigner.from_key])
@pytest.mark.parametrize(("key", "why"), bad_keys())
def test_a_bad_key_is_explained_and_never_repeated(make: Any, key: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        make(key)
    assert caught.value.hint
    if isinstance(key, str | bytes) and len(key.strip()) > 16:
        assert str(key).strip() not in everything_shown(caught.value)


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "\n", MNEMONIC])
def test_signer_from_does_not_repeat_a_key_either(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        signer_from(key)
    assert key.strip() not in everything_shown(caught.value)


def test_the_key_does_not_show(caplog: pytest.LogCaptureFixture) -> None:
    signer = LocalSigner(KEY)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("%s %r %s", signer, signer, [signer])
    for shown in (repr(signer), str(signer), caplog.text, f"{signer}"):
        assert KEY[2:] not in shown
        assert ADDRESS in shown
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_signer_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not copied or pickled"):
        pickle.dumps(LocalSigner(KEY), protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_signer_is_not_copied(duplicate: Any) -> None:
    with pytest.raises(TypeError, match="not copied or pickled"):
        duplicate(LocalSigner(KEY))


def test_a_mnemonic_leads_to_the_usual_accounts() -> None:
    assert LocalSigner.from_mnemonic(MNEMONIC).address == ADDRESS
    assert LocalSigner.from_mnemonic(f"  {MNEMONIC}\n").address == ADDRESS
    second = LocalSigner.from_mnemonic(MNEMONIC, "m/44'/60'/0'/0/1").address
    assert second == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert LocalSigner.from_mnemonic(MNEMONIC, passphrase="x").address not in (ADDRESS, second)


@pytest.mark.parametrize(
    ("words", "path", "why"),
    [
        (MNEMONIC.replace("junk", "test"), local_module.ETHEREUM_PATH, "not valid"),
        (MNEMONIC.replace("junk", "zzzz"), local_module.ETHEREUM_PATH, "not valid"),
        (KEY, local_module.ETHEREUM_PATH, "not valid"),
        ("", local_module.ETHEREUM_PATH, "not valid"),
        (MNEMONIC, "44/60", "not a derivation path"),
    ],
)
def test_a_bad_mnemonic_is_explained_and_never_repeated(words: str, path: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        LocalSigner.from_mnemonic(words, path)
    if words:
        assert words not in everything_shown(caught.value)


@pytest.fixture(scope="module")
def keystore() -> str:
    return json.dumps(Account.encrypt(KEY, PASSWORD, iterations=2))


def test_a_keystore_is_opened_from_text_and_from_a_file(keystore: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(keystore)
    for source in (keystore, file, str(file)):
        assert LocalSigner.from_keystore(source, PASSWORD).address == ADDRESS


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{}", "no keystore"),
        ("{broken", "no keystore"),
        ('{"version": 3, "crypto": {}}', "no keystore"),
        ('{"version": 9}', "no keystore"),
        ("/no/such/file", "cannot be read"),
        (KEY, "cannot be read"),
        ("a\0b", "cannot be read"),
    ],
)
def test_what_is_no_keystore_is_explained(source: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        LocalSigner.from_keystore(source, PASSWORD)
    shown = everything_shown(caught.value)
    assert PASSWORD not in shown
    assert KEY not in caught.value.short_message + caught.value.hint


async def test_a_keystore_is_opened_while_other_tasks_go_on(keystore: str) -> None:
    assert (await LocalSigner.open_keystore(keystore, PASSWORD)).address == ADDRESS
    with pytest.raises(ConfigurationError, match="another password") as caught:
        await LocalSigner.open_keystore(keystore, OTHER_PASSWORD)
    assert OTHER_PASSWORD not in everything_shown(caught.value)


def damaged(keystore: str) -> Iterator[tuple[str, str]]:
    """Yield (what was done, the keystore afterwards): each member left out, or replaced by junk."""

    def walk(node: dict[str, Any], path: str) -> Iterator[str]:
        for name in list(node):
            value = node.pop(name)
            yield f"{path}{name} left out"
            for junk in (None, "junk", "zz", [], {}, -1):
                node[name] = junk
                yield f"{path}{name} = {junk!r}"
            node[name] = value
            if isinstance(value, dict):
                yield from walk(value, f"{path}{name}.")

    document: dict[str, Any] = json.loads(keystore)
    for done in walk(document, ""):
        yield done, json.dumps(document)


def opened(text: str) -> LocalSigner | ConfigurationError:
    try:
        return LocalSigner.from_keystore(text, PASSWORD)
    except ConfigurationError as error:
        return error


def test_a_damaged_keystore_is_explained_whatever_is_damaged(keystore: str) -> None:
    still_open: set[str] = set()
    for done, text in damaged(keystore):
        outcome = opened(text)
        if isinstance(outcome, ConfigurationError):
            assert PASSWORD not in everything_shown(outcome), done
        else:
            assert outcome.address == ADDRESS, done
            still_open.add(done.split()[0])
    assert still_open <= {"address", "id", "crypto.kdfparams.dklen"}, "these are for readers only"


def test_another_password_is_explained(keystore: str) -> None:
    with pytest.raises(ConfigurationError, match="another password") as caught:
        LocalSigner.from_keystore(keystore, OTHER_PASSWORD)
    assert OTHER_PASSWORD not in everything_shown(caught.value)


def test_signer_from_takes_keys_and_signers() -> None:
    signer = LocalSigner(KEY)
    assert signer_from(signer) is signer
    assert isinstance(signer, Signer)
    assert signer_from(KEY).address == signer_from(bytes.fromhex(KEY[2:])).address == ADDRESS


def test_an_eth_account_is_told_from_a_signer() -> None:
    """It has the three names, so only its home tells it apart; its methods are synchronous."""
    with pytest.raises(ConfigurationError, match=r"account\.key"):
        signer_from(Account.from_key(KEY))


@pytest.mark.parametrize("value", [None, 5, object(), ["key"]])
def test_what_is_no_signer_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="no signer"):
        signer_from(value)
