"""The first block of a devnet: every contract in place, as if constructors had run.

Code is linked and storage is computed here, so a devnet starts without a single transaction, and
the same genesis serves any chain id: nothing in it has a chain id baked in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...types import Address, keccak256
from . import addresses, artifacts
from .storage import bytes_slots, mapping_slot, namespaced_slot, short_text, uint8_array_slots, word

HEARTBEAT_MAX_AGE: Final = 1800
TEE_TYPES: Final[Mapping[int, str]] = {0: "LLMProxy", 1: "Validator"}
DEFAULT_ADMIN_ROLE: Final = bytes(32)
TEE_OPERATOR: Final = keccak256(b"TEE_OPERATOR")
SETTLEMENT_RELAY_ROLE: Final = keccak256(b"SETTLEMENT_RELAY_ROLE")

_OPG_NAME: Final = "OpenGradient"
_OPG_SYMBOL: Final = "OPG"
_OPG_VERSION: Final = "1"
_NOT_ENTERED: Final = 1  # what the constructor of OpenZeppelin's reentrancy guard writes
_FORKS_BY_BLOCK: Final = (
    *("homestead", "eip150", "eip155", "eip158", "byzantium"),
    *("constantinople", "petersburg", "istanbul", "berlin", "london"),
)


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account of the first block. ``balance`` is in wei; ``storage`` maps slots to words."""

    code: bytes = field(default=b"", repr=False)
    storage: Mapping[int, int] = field(default_factory=dict[int, int], repr=False)
    balance: int = 0
    nonce: int = 0


def genesis_alloc(
    *,
    admin: Address,
    operators: Iterable[Address] = (),
    relayers: Iterable[Address] = (),
    opg_balances: Mapping[Address, int] | None = None,
    eth_balances: Mapping[Address, int] | None = None,
    root_certificate: bytes = b"",
    heartbeat_max_age: int = HEARTBEAT_MAX_AGE,
    timestamp: int = 1,
    registry: Address = addresses.TEE_REGISTRY,
) -> dict[Address, GenesisAccount]:
    """Return the accounts of a devnet's first block: all contracts, and the balances asked for.

    Args:
        admin: Administers both registries, the relay and the verifiers, and may do what operators
            and relayers may.
        operators: May register TEEs too.
        relayers: May write settlements too.
        opg_balances: Atoms of OPG for each holder; the token's supply is their sum.
        eth_balances: Wei for each account.
        root_certificate: The PEM that attestation documents are checked against; empty means AWS.
        heartbeat_max_age: Seconds until a TEE without a heartbeat counts as gone.
        timestamp: Unix seconds of the first block, at which the TEE types count as added.
        registry: The registry that settlement verifies against; both registries are always there.

    Raises:
        ValueError: A balance is negative, or ``timestamp`` is not positive (0 means "never added").
    """
    if timestamp <= 0:
        raise ValueError("the genesis timestamp must be positive")
    operators, relayers = (admin, *operators), (admin, *relayers)

    def registry_account(name: str) -> GenesisAccount:
        storage = _registry_storage(
            artifacts.load(name), admin, operators, root_certificate, heartbeat_max_age, timestamp
        )
        return _contract(name, storage)

    verifier = addresses.TEE_INFERENCE_VERIFIER
    alloc = {
        addresses.OPG: _token(opg_balances or {}),
        addresses.PERMIT2: _contract("Permit2"),
        addresses.EXACT_PROXY: _proxy("X402ExactPermit2Proxy"),
        addresses.UPTO_PROXY: _proxy("X402UptoPermit2Proxy"),
        addresses.MULTICALL3: _contract("Multicall3"),
        addresses.TEE_VERIFIER: _contract("TEEVerifier"),
        addresses.TEE_REGISTRY: registry_account("TEERegistry"),
        addresses.TEE_REGISTRY_APRIL: registry_account("TEERegistryApril"),
        verifier: _verifier("TEEInferenceVerifier", admin, registry),
        addresses.TEE_BATCH_VERIFIER: _verifier("TEEBatchVerifier", admin, registry),
        addresses.SETTLEMENT_RELAY: _relay(admin, relayers, verifier),
    }
    for account, balance in (eth_balances or {}).items():
        held = alloc.get(account, GenesisAccount())
        alloc[account] = GenesisAccount(held.code, held.storage, _checked(balance), held.nonce)
    return alloc


def to_geth_genesis(
    alloc: Mapping[Address, GenesisAccount],
    *,
    chain_id: int,
    timestamp: int,
    gas_limit: int = 30_000_000,
    base_fee: int = 1_000_000_000,
) -> dict[str, Any]:
    """Return the genesis as the JSON that geth and ``anvil --init`` read.

    The forks up to Cancun, for which the contracts are compiled, are on from the first block. anvil
    takes the forks from its ``--hardfork`` instead (and Osaka's dearer modexp unless told).
    ``timestamp`` is in Unix seconds, ``base_fee`` in wei per unit of gas.
    """
    return {
        "config": {
            "chainId": chain_id,
            **{f"{fork}Block": 0 for fork in _FORKS_BY_BLOCK},
            "shanghaiTime": 0,
            "cancunTime": 0,
            "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": True,
        },
        "nonce": "0x0",
        "timestamp": hex(timestamp),
        "extraData": "0x",
        "gasLimit": hex(gas_limit),
        "difficulty": "0x0",
        "mixHash": "0x" + "00" * 32,
        "coinbase": "0x" + "00" * 20,
        "baseFeePerGas": hex(base_fee),
        "alloc": {address: _geth_account(account) for address, account in alloc.items()},
    }


def _geth_account(account: GenesisAccount) -> dict[str, Any]:
    return {
        "balance": hex(account.balance),
        "nonce": hex(account.nonce),
        "code": "0x" + account.code.hex(),
        "storage": {
            "0x" + word(slot).hex(): "0x" + word(value).hex()
            for slot, value in account.storage.items()
        },
    }


def _contract(
    name: str,
    storage: Mapping[int, int] | None = None,
    immutables: Mapping[str, bytes] | None = None,
) -> GenesisAccount:
    code = artifacts.load(name).linked(immutables or {})
    return GenesisAccount(code, storage or {}, nonce=1)  # contracts start at nonce 1 (EIP-161)


def _proxy(name: str) -> GenesisAccount:
    guard = namespaced_slot("openzeppelin.storage.ReentrancyGuard")
    immutables = {"PERMIT2": word(addresses.PERMIT2.to_bytes())}
    return _contract(name, {guard: _NOT_ENTERED}, immutables)


def _token(balances: Mapping[Address, int]) -> GenesisAccount:
    slots = artifacts.load("OPG").slots
    storage = {
        slots["_totalSupply"]: sum(balances.values()),
        **bytes_slots(slots["_name"], _OPG_NAME.encode()),
        **bytes_slots(slots["_symbol"], _OPG_SYMBOL.encode()),
    }
    for holder, balance in balances.items():
        storage[mapping_slot(slots["_balances"], holder.to_bytes())] = _checked(balance)
    immutables = {
        # a cache that belongs to no contract is never used: the domain then follows the chain id
        "_cachedThis": bytes(32),
        "_cachedChainId": bytes(32),
        "_cachedDomainSeparator": bytes(32),
        "_hashedName": keccak256(_OPG_NAME.encode()),
        "_hashedVersion": keccak256(_OPG_VERSION.encode()),
        "_name": short_text(_OPG_NAME),
        "_version": short_text(_OPG_VERSION),
    }
    return _contract("OPG", storage, immutables)


def _registry_storage(
    artifact: artifacts.Artifact,
    admin: Address,
    operators: Iterable[Address],
    root_certificate: bytes,
    heartbeat_max_age: int,
    timestamp: int,
) -> dict[int, int]:
    slots = artifact.slots
    storage = {
        **_role(slots, DEFAULT_ADMIN_ROLE, (admin,)),
        **_role(slots, TEE_OPERATOR, operators),
        **bytes_slots(slots["awsRootCertificate"], root_certificate),
        **uint8_array_slots(slots["_teeTypeList"], bytes(TEE_TYPES)),
        slots["heartbeatMaxAge"]: heartbeat_max_age,
    }
    for type_id, name in TEE_TYPES.items():
        info = mapping_slot(slots["teeTypes"], type_id)  # struct: name, addedAt
        storage |= {**bytes_slots(info, name.encode()), info + 1: timestamp}
    return storage


def _verifier(name: str, admin: Address, registry: Address) -> GenesisAccount:
    slots = artifacts.load(name).slots
    storage = {
        **_role(slots, DEFAULT_ADMIN_ROLE, (admin,)),
        slots["registry"]: int.from_bytes(registry.to_bytes(), "big"),
    }
    return _contract(name, storage)


def _relay(admin: Address, relayers: Iterable[Address], verifier: Address) -> GenesisAccount:
    slots = artifacts.load("InferenceSettlementRelay").slots
    storage = {
        **_role(slots, DEFAULT_ADMIN_ROLE, (admin,)),
        **_role(slots, SETTLEMENT_RELAY_ROLE, relayers),
    }
    immutables = {"SETTLEMENT_CONTRACT": word(verifier.to_bytes())}
    return _contract("InferenceSettlementRelay", storage, immutables)


def _role(slots: Mapping[str, int], role: bytes, members: Iterable[Address]) -> dict[int, int]:
    # the first member of the role's struct is the mapping of its members, at the struct's own slot
    granted = mapping_slot(slots["_roles"], role)
    return {mapping_slot(granted, member.to_bytes()): 1 for member in members}


def _checked(balance: int) -> int:
    if balance < 0:
        raise ValueError(f"a balance cannot be negative: {balance}")
    return balance
