"""Reverts in words."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from opengradient_sdk.chain import decode_revert, error_table
from opengradient_sdk.chain.reverts import known_errors
from opengradient_sdk.types import keccak256

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def revert(signature: str, *values: object) -> bytes:
    types = [t for t in signature.partition("(")[2][:-1].split(",") if t]
    return keccak256(signature.encode())[:4] + encode(types, values)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no reason given"),
        (revert("Error(string)", "TRANSFER_FROM_FAILED"), "TRANSFER_FROM_FAILED"),
        (revert("Panic(uint256)", 0x11), "panic 0x11: arithmetic overflow or underflow"),
        (revert("Panic(uint256)", 0x99), "panic 0x99: an unknown code"),
        (revert("InvalidNonce()"), "InvalidNonce()"),
        (revert("SignatureExpired(uint256)", 1795000000), "SignatureExpired(1795000000)"),
        (
            revert("ERC20InsufficientBalance(address,uint256,uint256)", ALICE, 1, 2),
            f"ERC20InsufficientBalance({ALICE}, 1, 2)",
        ),
        (revert("AttestationInvalid(string)", "no"), "AttestationInvalid('no')"),
        (
            revert("AccessControlUnauthorizedAccount(address,bytes32)", ALICE, b"\x01" * 32),
            f"AccessControlUnauthorizedAccount({ALICE}, 0x{'01' * 32})",
        ),
        (bytes.fromhex("deadbeef0001"), "an unknown custom error 0xdeadbeef0001"),
        (bytes.fromhex("08c379a0ff"), "an undecodable reason"),
        (bytes.fromhex("4e487b71ff"), "a malformed panic 0x4e487b71ff"),
    ],
)
def test_what_a_revert_says(data: bytes, words: str) -> None:
    assert decode_revert(data) == words


def test_the_short_strings_of_opg_are_known() -> None:
    assert decode_revert(revert("StringTooLong(string)", "long")) == "StringTooLong('long')"
    assert decode_revert(revert("InvalidShortString()")) == "InvalidShortString()"


def test_a_known_error_with_broken_arguments_still_has_its_name() -> None:
    data = revert("SignatureExpired(uint256)", 1)[:20]
    assert decode_revert(data).startswith("SignatureExpired(undecodable: 0x")


def test_further_errors_go_first() -> None:
    table = error_table(["TooLate(uint256,string)"])
    assert decode_revert(revert("TooLate(uint256,string)", 5, "x"), table) == "TooLate(5, 'x')"
    assert decode_revert(revert("InvalidNonce()"), table) == "InvalidNonce()"


def test_the_original_selectors_of_permit2_are_known() -> None:
    assert known_errors()[bytes.fromhex("756688fe")] == "InvalidNonce()"
    assert known_errors()[bytes.fromhex("cd21db4f")] == "SignatureExpired(uint256)"
    assert known_errors()[bytes.fromhex("815e1d64")] == "InvalidSigner()"


@given(st.binary(max_size=200), st.sampled_from(sorted(known_errors())))
def test_no_data_makes_the_explanation_fail(tail: bytes, selector: bytes) -> None:
    for data in (tail, selector + tail, bytes.fromhex("08c379a0") + tail):
        assert isinstance(decode_revert(data), str)
