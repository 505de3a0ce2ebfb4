"""Addresses, hashes and keccak, held to eth-utils and pycryptodome."""

from __future__ import annotations

import pytest
from Crypto.Hash import keccak as public_keccak
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.types import Address, Bytes32, bytes_to_hex, hex_to_bytes, keccak256
from opengradient_sdk.types import keccak as keccak_module

OPG = "0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB"


@given(st.binary(max_size=600))
def test_keccak_agrees_with_pycryptodome(data: bytes) -> None:
    expected = public_keccak.new(digest_bits=256, data=data).digest()
    assert keccak256(data) == expected
    assert keccak_module._public()(data) == expected


@pytest.mark.parametrize("size", [135, 136, 137, 271, 272, 273, 100_000])
def test_keccak_agrees_around_its_block_size(size: int) -> None:
    data = b"\xa5" * size
    assert keccak256(data) == public_keccak.new(digest_bits=256, data=data).digest()


def test_the_compiled_hash_is_found_here() -> None:
    """Without it every hash costs several times as much; that should not go unnoticed."""
    assert keccak_module._compiled() is not None


def test_without_a_compiled_library_the_public_module_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keccak_module, "_hasher", None)
    monkeypatch.setattr(keccak_module, "_compiled", lambda: None)
    assert keccak256(b"") == keccak_module._EMPTY


@given(st.binary(min_size=20, max_size=20))
def test_checksums_agree_with_eth_utils(raw: bytes) -> None:
    address = Address.from_bytes(raw)
    assert address == to_checksum_address(raw)
    assert Address("0x" + raw.hex()) == Address("0x" + raw.hex().upper()) == address
    assert address.to_bytes() == raw
    assert Address(address) is address


@pytest.mark.parametrize(
    "text", ["", "0x", OPG[2:], OPG + "0", OPG[:-1], OPG + "\n", " " + OPG, "0x" + "g" * 40]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Address(text)


def test_a_mistyped_digit_is_noticed() -> None:
    with pytest.raises(ValueError, match="EIP-55"):
        Address(OPG.replace("Fb", "Fa", 1))


@pytest.mark.parametrize("size", [0, 19, 21, 32])
def test_an_address_has_20_bytes(size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        Address.from_bytes(bytes(size))


def test_32_bytes_in_every_spelling_are_the_same() -> None:
    raw = bytes(range(32))
    assert Bytes32(raw) == Bytes32(raw.hex()) == Bytes32("0x" + raw.hex()) == raw
    assert str(Bytes32(raw)) == "0x" + raw.hex()
    assert repr(Bytes32(raw)) == f"Bytes32('0x{raw.hex()}')"
    assert Bytes32(Bytes32(raw)) is not raw


@pytest.mark.parametrize(
    ("value", "why"),
    [(b"", "not 0"), (bytes(31), "not 31"), ("0x12", "not 1"), ("zz" * 32, "not hex")],
)
def test_other_lengths_and_other_text_are_refused(value: bytes | str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Bytes32(value)


@given(st.binary())
def test_hex_there_and_back(data: bytes) -> None:
    assert hex_to_bytes(bytes_to_hex(data)) == data


@pytest.mark.parametrize("text", ["", "12", "0x1", "0xzz"])
def test_what_is_no_hex_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hex"):
        hex_to_bytes(text)
