"""``ogsdk devnet up`` runs a network until it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from opengradient_sdk.signers import LocalSigner

RUN_MAIN = "from opengradient_sdk.cli import main; main()"
OGSDK = [sys.executable, "-m", "opengradient_sdk.cli"]


def exported(lines):
    """Return what a shell would have after evaluating ``lines``."""
    script = "".join(lines) + "env"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs if name.startswith("OG_")}


def chain_id_at(url):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["result"], 16)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="py-evm"),
        pytest.param(("--evm", "anvil"), id="anvil", marks=pytest.mark.anvil),
    ],
)
def test_it_prints_the_environment_and_ends_cleanly(number, options):
    command = [*OGSDK, "devnet", "up", "--chain-id", "8453", "--chains", "2", *options]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OG_") or k == "OG_ANVIL"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean
    ) as process:
        try:
            env = exported([process.stdout.readline() for _ in range(8)])
            assert env["OG_NETWORK"] == "devnet:8453:10740"
            assert chain_id_at(env["OG_PAYMENT_RPC_URL"]) == 8453
            assert chain_id_at(env["OG_REGISTRY_RPC_URL"]) == 10740
            assert LocalSigner.from_key(env["OG_PRIVATE_KEY"]).address
            assert env["OG_TEE_REGISTRY"].startswith("0x")
            process.send_signal(number)
            rest, told = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, told
    assert rest == ""
    assert "node-0" in told
    assert "Traceback" not in told


def run(*arguments, code=""):
    command = [sys.executable, "-c", code, *arguments] if code else [*OGSDK, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_tells_its_version_and_what_it_can_do():
    assert run("--version").stdout.startswith("opengradient-sdk ")
    assert "devnet" in run("--help").stdout
    assert "--upstream" in run("devnet", "up", "--help").stdout


def test_what_cannot_be_run_is_an_error_and_not_a_traceback():
    done = run("devnet", "up", "--chains", "2", "--chain-id", "10740")
    assert done.returncode == 2
    assert "registry_chain_id" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("devnet", "up", "--chains", "3").returncode == 2


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_extra_it_says_how_to_get_it(missing):
    code = f"import sys; sys.modules[{missing!r}] = None\n{RUN_MAIN}"
    done = run(code=code)
    assert done.returncode == 2
    assert done.stderr.strip() == 'ogsdk needs an extra: pip install "opengradient-sdk[cli]"'


def test_without_the_devnet_extra_the_command_says_how_to_get_it():
    code = (
        "import sys, importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'eth' else find(name, *a)\n"
        + RUN_MAIN
    )
    done = run("devnet", "up", code=code)
    assert done.returncode == 2
    assert "opengradient-sdk[devnet]" in done.stderr


def test_importing_the_command_loads_nothing_heavy():
    code = (
        "import sys, opengradient_sdk.cli\n"
        "heavy = {'typer', 'rich', 'web3', 'eth', 'aiohttp', 'eth_account'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = run(code=code)
    assert (done.returncode, done.stderr) == (0, "")
