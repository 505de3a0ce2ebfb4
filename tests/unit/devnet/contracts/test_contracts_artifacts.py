"""The artefacts come from the sources, and are read and encoded rightly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from opengradient_sdk.devnet import anvil_path
from opengradient_sdk.devnet.contracts import addresses, artifacts

from .chainkit import ROOT

COMPILER = ROOT / "scripts" / "compile-contracts"
SOURCES = ROOT / "opengradient_sdk" / "devnet" / "contracts" / "src"
KEPT = ROOT / "opengradient_sdk" / "devnet" / "contracts" / "artifacts"


def test_the_artefacts_are_of_these_sources() -> None:
    """What the compiler has noted of the sources; the nightly test compiles them again."""
    hashed = sha256()
    for file in sorted(
        SOURCES.rglob("*.sol"), key=lambda file: file.relative_to(SOURCES).as_posix()
    ):
        name = file.relative_to(SOURCES).as_posix().encode()
        hashed.update(name + b"\0" + file.read_bytes() + b"\0")
    noted = {json.loads(file.read_text())["sourcesSha256"] for file in KEPT.iterdir()}
    assert noted == {hashed.hexdigest()}


@pytest.fixture(scope="module")
def compiler() -> Path:
    """The compile script with its packages installed."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are needed to compile the contracts")
        pytest.skip("node and npm are not installed, so the contracts cannot be compiled")
    if not (COMPILER / "node_modules" / "solc").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=COMPILER, check=True)
    return COMPILER / "compile.mjs"


@pytest.mark.nightly
def test_the_artefacts_come_from_the_sources(compiler: Path, tmp_path: Path) -> None:
    subprocess.run(["node", str(compiler), str(tmp_path)], check=True)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    kept = {file.name: file.read_bytes() for file in KEPT.iterdir()}
    assert made.keys() == kept.keys() == {f"{name}.json" for name in artifacts.NAMES}
    assert [name for name in made if made[name] != kept[name]] == []


def test_nothing_of_the_compilers_machine_is_in_the_artefacts() -> None:
    for file in KEPT.iterdir():
        assert str(ROOT) not in file.read_text()


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(ValueError, match="no contract is called 'Ponzi'"):
        artifacts.load("Ponzi")


def test_functions_are_found_by_name_or_signature() -> None:
    token = artifacts.load("OPG")
    assert token.selector("approve").hex() == "095ea7b3"
    assert token.selector("approve(address,uint256)").hex() == "095ea7b3"
    with pytest.raises(KeyError, match="0 entries for the function 'burn'"):
        token.selector("burn")


@pytest.mark.parametrize(
    ("contract", "function", "selector"),
    [
        ("X402UptoPermit2Proxy", "settle", "ff11e7b4"),
        ("X402UptoPermit2Proxy", "settleWithPermit", "016c1748"),
        ("X402ExactPermit2Proxy", "settle", "13cd3b53"),
        ("X402ExactPermit2Proxy", "settleWithPermit", "fa340378"),
        ("TEERegistry", "getActiveTEEs", "4b6014da"),
        ("TEERegistryApril", "getActiveTEEs", "4b6014da"),
        ("TEERegistry", "heartbeat", "42830ad8"),
        ("TEEVerifier", "verifyRSAPSS", "7e26679a"),
        ("TEEVerifier", "verifyAttestation", "f7cf40d3"),
    ],
)
def test_the_selectors_of_the_protocol(contract: str, function: str, selector: str) -> None:
    assert artifacts.load(contract).selector(function).hex() == selector


def test_calls_and_results_are_encoded() -> None:
    token = artifacts.load("OPG")
    data = token.encode_call("approve", addresses.PERMIT2, 5)
    assert data == bytes.fromhex(
        "095ea7b3" + addresses.PERMIT2[2:].rjust(64, "0") + "5".rjust(64, "0")
    )
    assert token.decode_output("balanceOf", (7).to_bytes(32, "big")) == (7,)


def test_errors_are_decoded_and_strangers_are_not() -> None:
    permit2 = artifacts.load("Permit2")
    expired = bytes.fromhex("cd21db4f") + (9).to_bytes(32, "big")
    assert permit2.decode_error(expired) == ("SignatureExpired", (9,))
    assert permit2.decode_error(bytes.fromhex("12345678")) is None
    assert permit2.decode_error(b"") is None


def test_a_log_of_another_event_is_refused() -> None:
    token = artifacts.load("OPG")
    with pytest.raises(ValueError, match="the log is not OPG"):
        token.decode_event("Transfer", [token.topic("Approval"), bytes(32), bytes(32)], bytes(32))


def test_code_is_linked_completely_or_not_at_all() -> None:
    proxy = artifacts.load("X402UptoPermit2Proxy")
    value = b"\x22" * 32
    code = proxy.linked({"PERMIT2": value})
    assert code.count(value) == len(proxy.immutables["PERMIT2"]) > 0
    for wrong in ({}, {"PERMIT2": value, "OTHER": value}, {"PERMIT2": value[1:]}):
        with pytest.raises(ValueError, match="PERMIT2"):
            proxy.linked(wrong)


def test_anvil_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil_path, "_REPOSITORY", tmp_path)
    monkeypatch.delenv("OG_ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert anvil_path.find_anvil() is None

    on_path = tmp_path / "bin" / "anvil"
    fetched = tmp_path / ".tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
    named = tmp_path / "mine"
    for program in (on_path, fetched, named):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch(mode=0o755)
        if program is named:
            monkeypatch.setenv("OG_ANVIL", str(named))
        assert anvil_path.find_anvil() == program

    monkeypatch.setenv("OG_ANVIL", str(tmp_path / "gone"))
    assert anvil_path.find_anvil() is None
