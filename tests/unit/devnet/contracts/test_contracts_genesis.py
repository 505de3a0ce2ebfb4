"""The first block holds what the constructors would have written, on any chain id, at once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from opengradient_sdk.devnet.contracts import (
    GenesisAccount,
    addresses,
    artifacts,
    genesis_alloc,
    to_geth_genesis,
)
from opengradient_sdk.devnet.contracts.storage import bytes_slots, short_text, uint8_array_slots
from opengradient_sdk.types import Address, keccak256

from .chainkit import ADMIN, NOW, PAYERS, RICH, Anvil

ROOT_PEM = b"-----BEGIN CERTIFICATE-----\n" + b"M" * 900
CACHED = ("_cachedThis", "_cachedChainId", "_cachedDomainSeparator")


@pytest.fixture(scope="module")
def alloc() -> dict[Address, GenesisAccount]:
    return genesis_alloc(
        admin=ADMIN, opg_balances={PAYERS[0]: RICH}, root_certificate=ROOT_PEM, timestamp=NOW
    )


def deploy(chain: Anvil, name: str, *arguments: Any) -> Address:
    """Run a constructor, as the administrator, and return where the contract is."""
    from eth_abi.abi import encode

    contract = artifacts.load(name)
    constructors = [entry for entry in contract.abi if entry["type"] == "constructor"]
    types = [item["type"] for entry in constructors for item in entry["inputs"]]
    transaction = {
        "from": ADMIN,
        "data": "0x" + (contract.bytecode + encode(types, arguments)).hex(),
        "gas": hex(10_000_000),
    }
    transaction_hash = chain.request("eth_sendTransaction", transaction)
    chain.request("evm_mine")
    receipt = chain.request("eth_getTransactionReceipt", transaction_hash)
    assert receipt["status"] == "0x1"
    return Address(receipt["contractAddress"])


def whole_storage(chain: Anvil, contract: Address) -> dict[int, int]:
    """Return every slot that is not zero, from a dump of the whole state."""
    state = json.loads(gzip.decompress(bytes.fromhex(chain.request("anvil_dumpState")[2:])))
    storage: Mapping[str, str] = state["accounts"][contract.lower()]["storage"]
    slots = {int(slot, 16): int(value, 16) for slot, value in storage.items()}
    return {slot: value for slot, value in slots.items() if value}


def code_at(chain: Anvil, contract: Address) -> bytes:
    return bytes.fromhex(chain.request("eth_getCode", contract, "latest")[2:])


CONSTRUCTED = {
    addresses.PERMIT2: ("Permit2",),
    addresses.MULTICALL3: ("Multicall3",),
    addresses.TEE_VERIFIER: ("TEEVerifier",),
    addresses.EXACT_PROXY: ("X402ExactPermit2Proxy", addresses.PERMIT2),
    addresses.UPTO_PROXY: ("X402UptoPermit2Proxy", addresses.PERMIT2),
    addresses.TEE_INFERENCE_VERIFIER: ("TEEInferenceVerifier", addresses.TEE_REGISTRY),
    addresses.TEE_BATCH_VERIFIER: ("TEEBatchVerifier", addresses.TEE_REGISTRY),
    addresses.SETTLEMENT_RELAY: ("InferenceSettlementRelay", addresses.TEE_INFERENCE_VERIFIER),
}


@pytest.mark.anvil
@pytest.mark.parametrize("place", CONSTRUCTED, ids=lambda place: CONSTRUCTED[place][0])
def test_it_is_what_the_constructor_makes(
    chain: Anvil, alloc: dict[Address, GenesisAccount], place: Address
) -> None:
    contract = deploy(chain, *CONSTRUCTED[place])
    assert code_at(chain, contract) == alloc[place].code
    assert whole_storage(chain, contract) == alloc[place].storage
    assert alloc[place].nonce == int(
        chain.request("eth_getTransactionCount", contract, "latest"), 16
    )


@pytest.mark.anvil
def test_the_token_is_what_the_constructor_makes(
    chain: Anvil, alloc: dict[Address, GenesisAccount]
) -> None:
    token = artifacts.load("OPG")
    contract = deploy(chain, "OPG", PAYERS[0], RICH)
    code = bytearray(code_at(chain, contract))
    for name in CACHED:  # a genesis leaves them empty on purpose
        for offset in token.immutables[name]:
            code[offset : offset + 32] = bytes(32)
    assert bytes(code) == alloc[addresses.OPG].code
    assert whole_storage(chain, contract) == alloc[addresses.OPG].storage


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("TEERegistry", addresses.TEE_REGISTRY),
        ("TEERegistryApril", addresses.TEE_REGISTRY_APRIL),
    ],
)
def test_a_registry_is_what_constructor_and_set_up_make(
    chain: Anvil, alloc: dict[Address, GenesisAccount], name: str, place: Address
) -> None:
    contract = deploy(chain, name)
    chain.send(ADMIN, contract, name, "addTEEType", 0, "LLMProxy")
    chain.send(ADMIN, contract, name, "addTEEType", 1, "Validator")
    chain.send(ADMIN, contract, name, "setAWSRootCertificate", ROOT_PEM)
    assert code_at(chain, contract) == alloc[place].code
    assert whole_storage(chain, contract) == alloc[place].storage


@pytest.mark.anvil
@pytest.mark.parametrize("chain_id", [8453, 10740, 31337])
def test_the_tokens_domain_follows_the_chain_id(chain: Anvil, chain_id: int) -> None:
    from eth_abi.abi import encode

    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    expected = keccak256(
        keccak256(kind.encode())
        + keccak256(b"OpenGradient")
        + keccak256(b"1")
        + encode(["uint256", "address"], [chain_id, addresses.OPG])
    )
    chain.request("anvil_setChainId", chain_id)
    try:
        assert chain.call(addresses.OPG, "OPG", "DOMAIN_SEPARATOR") == expected
        domain = chain.call(addresses.OPG, "OPG", "eip712Domain")
        assert domain[1:5] == ("OpenGradient", "1", chain_id, addresses.OPG.lower())
    finally:
        chain.request("anvil_setChainId", 8453)


@pytest.mark.anvil
def test_the_token_presents_itself(chain: Anvil) -> None:
    for function, value in (("name", "OpenGradient"), ("symbol", "OPG"), ("decimals", 18)):
        assert chain.call(addresses.OPG, "OPG", function) == value
    assert chain.call(addresses.OPG, "OPG", "totalSupply") == RICH * len(PAYERS)
    assert chain.call(addresses.OPG, "OPG", "balanceOf", PAYERS[1]) == RICH


def test_an_accounts_ether_and_a_contracts_code_share_an_entry() -> None:
    alloc = genesis_alloc(admin=ADMIN, eth_balances={addresses.OPG: 5, ADMIN: 7})
    assert alloc[addresses.OPG].balance == 5
    assert alloc[addresses.OPG].code
    assert alloc[ADMIN] == GenesisAccount(balance=7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timestamp": 0},
        {"opg_balances": {ADMIN: -1}},
        {"eth_balances": {ADMIN: -1}},
    ],
)
def test_an_impossible_genesis_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"negative|positive"):
        genesis_alloc(admin=ADMIN, **wrong)


def test_the_geth_genesis_is_json(alloc: dict[Address, GenesisAccount]) -> None:
    genesis = json.loads(json.dumps(to_geth_genesis(alloc, chain_id=10740, timestamp=NOW)))
    assert genesis["config"]["chainId"] == 10740
    assert int(genesis["timestamp"], 16) == NOW
    opg = genesis["alloc"][addresses.OPG]
    assert bytes.fromhex(opg["code"][2:]) == alloc[addresses.OPG].code
    assert {int(k, 16): int(v, 16) for k, v in opg["storage"].items()} == (
        alloc[addresses.OPG].storage
    )


def test_short_and_long_values_are_laid_out_differently() -> None:
    assert bytes_slots(3, b"x" * 31) == {3: int.from_bytes(b"x" * 31 + bytes([62]), "big")}
    long = bytes_slots(3, b"x" * 33)
    data = int.from_bytes(keccak256((3).to_bytes(32, "big")), "big")
    assert long == {
        3: 67,
        data: int.from_bytes(b"x" * 32, "big"),
        data + 1: int.from_bytes(b"x" + bytes(31), "big"),
    }
    assert uint8_array_slots(3, bytes([1, 2])) == {3: 2, data: 0x0201}
    with pytest.raises(ValueError, match="at most 31 bytes"):
        short_text("x" * 32)
