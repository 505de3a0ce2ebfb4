"""A real chain for the contracts: anvil on our genesis, rolled back after each test."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.devnet.anvil_path import find_anvil
from opengradient_sdk.devnet.contracts import addresses, genesis_alloc, to_geth_genesis

from .chainkit import (
    ADMIN,
    GENESIS_TIME,
    LEGACY_OPG,
    NOW,
    OG_CHAIN_OPG,
    OPERATOR,
    PAYERS,
    RELAYER,
    RICH,
    STRANGER,
    Anvil,
)


@pytest.fixture(scope="session")
def genesis_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    alloc = genesis_alloc(
        admin=ADMIN,
        operators=[OPERATOR],
        relayers=[RELAYER],
        opg_balances=dict.fromkeys(PAYERS, RICH),
        eth_balances=dict.fromkeys((ADMIN, OPERATOR, RELAYER, STRANGER, *PAYERS), RICH),
        root_certificate=b"-----BEGIN CERTIFICATE-----\n" + b"A" * 700,
        timestamp=GENESIS_TIME,
    )
    # the vectors pay in OPG of other chains too
    alloc[LEGACY_OPG] = alloc[OG_CHAIN_OPG] = alloc[addresses.OPG]
    file = tmp_path_factory.mktemp("genesis") / "genesis.json"
    file.write_text(json.dumps(to_geth_genesis(alloc, chain_id=8453, timestamp=GENESIS_TIME)))
    return file


@pytest.fixture(scope="session")
def anvil(genesis_file: Path) -> Any:
    program = find_anvil()
    if program is None:
        pytest.fail("anvil is needed; `make test` fetches it")
    arguments = ["--init", str(genesis_file), "--port", "0", "--auto-impersonate", "--no-cors"]
    arguments += ["--accounts", "0", "--hardfork", "cancun", "--no-mining"]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("Listening on"))
        drain = threading.Thread(target=deque, args=(process.stdout, 0), daemon=True)
        drain.start()
        yield Anvil(f"http://{address.split()[-1]}")
    finally:
        process.terminate()
        process.wait(timeout=10)
        drain.join(timeout=10)
        process.stdout.close()


@pytest.fixture
def chain(anvil: Anvil) -> Any:
    """The chain at NOW, as its genesis left it."""
    snapshot = anvil.request("evm_snapshot")
    anvil.set_time(NOW)
    yield anvil
    assert anvil.request("evm_revert", snapshot)
