"""Our declarations against the ABIs that the Solidity compiler made of the Devnet's contracts."""

from __future__ import annotations

import json
from importlib.resources import files
from types import ModuleType
from typing import Any

import pytest

from opengradient_sdk.chain.abi import Function
from opengradient_sdk.chain.contracts import (
    Event,
    access_control,
    eip2612,
    erc20,
    inference_verifier,
    multicall,
    permit2,
    proxies,
    settlement_relay,
    tee_events,
    tee_info,
    tee_registry,
    tee_verifier,
)
from opengradient_sdk.chain.reverts import known_errors
from opengradient_sdk.types import keccak256


def compiled(name: str) -> list[dict[str, Any]]:
    folder = files("opengradient_sdk.devnet.contracts") / "artifacts"
    abi: list[dict[str, Any]] = json.loads((folder / f"{name}.json").read_text())["abi"]
    return abi


def types_of(parameters: list[dict[str, Any]]) -> str:
    return ",".join(type_of(parameter) for parameter in parameters)


def type_of(parameter: dict[str, Any]) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({types_of(parameter['components'])})" + kind.removeprefix("tuple")


def signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({types_of(entry['inputs'])})"


CONTRACTS = [
    (erc20, ["OPG"], ()),
    (eip2612, ["OPG"], ()),
    (access_control, ["TEERegistry"], ()),
    (access_control, ["InferenceSettlementRelay"], ()),
    (access_control, ["TEEBatchVerifier"], ()),
    (permit2, ["Permit2"], ()),
    (proxies, ["X402UptoPermit2Proxy", "X402ExactPermit2Proxy"], ()),
    (multicall, ["Multicall3"], ()),
    (tee_info, ["TEERegistry"], ("GET_ACTIVE_TEES_APRIL", "GET_TEE_APRIL", "TEES_APRIL")),
    (tee_info, ["TEERegistryApril"], ("GET_ACTIVE_TEES", "GET_TEE", "TEES")),
    (tee_registry, ["TEERegistry"], ()),
    (tee_registry, ["TEERegistryApril"], ("GET_TEE", "TEES", "GET_ACTIVE_TEES")),
    (tee_events, ["TEERegistry"], ()),
    (tee_events, ["TEERegistryApril"], ()),
    (tee_verifier, ["TEEVerifier"], ()),
    (inference_verifier, ["TEEBatchVerifier"], ()),
    (settlement_relay, ["InferenceSettlementRelay"], ()),
]


@pytest.mark.parametrize(
    ("module", "names", "left_out"), CONTRACTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_declarations_are_what_the_compiler_says(
    module: ModuleType, names: list[str], left_out: tuple[str, ...]
) -> None:
    abi = [entry for name in names for entry in compiled(name)]
    functions = {signature(e): types_of(e["outputs"]) for e in abi if e["type"] == "function"}
    marks = {signature(e): [i["indexed"] for i in e["inputs"]] for e in abi if e["type"] == "event"}
    checked = 0
    for name, value in vars(module).items():
        if name in left_out:
            continue
        if isinstance(value, Function):
            # The endpoint is a string on chain; why it is read as bytes is said in tee_info.
            ours = value.outputs.kind.name.replace("s,address,bytes,", "s,address,string,")
            assert ours == f"({functions[value.signature]})", name
            checked += 1
        elif isinstance(value, Event):
            assert list(value.inputs.indexed) == marks[value.signature], name
            checked += 1
    assert checked


@pytest.mark.parametrize("name", sorted({name for _, names, _ in CONTRACTS for name in names}))
def test_every_custom_error_is_known_by_name(name: str) -> None:
    deployed_only = {"InvalidShortString()", "StringTooLong(string)", "MalformedCbor()"}
    errors = {signature(entry) for entry in compiled(name) if entry["type"] == "error"}
    for text in errors - deployed_only:
        assert known_errors()[keccak256(text.encode())[:4]] == text
