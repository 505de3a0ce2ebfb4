"""What is refused is refused with the codes and words of Ethereum clients."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from opengradient_sdk.devnet.contracts import addresses, artifacts
from opengradient_sdk.devnet.evm import JsonRpcError

STRANGER = "0x" + "22" * 20
OPG = artifacts.load("OPG")


def call(to, data, **more):
    return {"to": to, "data": "0x" + data.hex(), **more}


async def test_a_revert_has_code_3_and_its_data(chain):
    message = call(addresses.OPG, OPG.encode_call("transfer", STRANGER, 1), **{"from": STRANGER})
    for method in ("eth_call", "eth_estimateGas"):
        error = await chain.refused(method, message)
        assert error["code"] == 3
        assert error["message"].startswith("execution reverted")
        name, values = OPG.decode_error(bytes.fromhex(error["data"][2:]))
        assert name == "ERC20InsufficientBalance"
        assert values[1:] == (0, 1)


async def test_a_reason_is_told_in_the_message(pyevm):
    # code that copies its calldata into a revert
    echo = bytes.fromhex("366000600037366000fd")
    init = bytes.fromhex(f"69{echo.hex()}600052600a6016f3")
    deployed = await pyevm.send(to="", data=init)
    target = deployed["contractAddress"]
    assert await pyevm.ask("eth_getCode", target, "latest") == "0x" + echo.hex()

    async def message_of(data):
        return (await pyevm.refused("eth_call", call(target, data)))["message"]

    reason = bytes.fromhex("08c379a0") + encode(["string"], ["no such luck"])
    assert await message_of(reason) == "execution reverted: no such luck"
    panic = bytes.fromhex("4e487b71")
    overflow = "execution reverted: arithmetic underflow or overflow"
    assert await message_of(panic + encode(["uint256"], [0x11])) == overflow
    unknown = "execution reverted: unknown panic code: 0x99"
    assert await message_of(panic + encode(["uint256"], [0x99])) == unknown
    for data in (b"", b"\x01\x02\x03\x04", bytes.fromhex("08c379a0") + b"\xff" * 40):
        assert await message_of(data) == "execution reverted"


async def test_other_failures_are_named(pyevm):
    def creation(code):
        return {"from": pyevm.address, "data": "0x" + code}

    assert (await pyevm.refused("eth_call", creation("fe")))["message"] == "invalid opcode"
    assert (await pyevm.refused("eth_call", creation("6000 56".replace(" ", ""))))[
        "message"
    ] == "invalid jump destination"
    assert (await pyevm.refused("eth_call", creation("01")))["message"] == "stack underflow"
    endless = await pyevm.refused("eth_call", {**creation("5b600056"), "gas": "0x186a0"})
    assert endless["message"] == "out of gas"
    poor = {"from": STRANGER, "to": pyevm.address, "value": "0x1"}
    assert "insufficient funds" in (await pyevm.refused("eth_call", poor))["message"]


async def test_nonces_are_refused_in_geths_words(pyevm):
    raw = pyevm.raw(nonce=0, to=STRANGER)
    await pyevm.ask("eth_sendRawTransaction", raw)
    assert (await pyevm.refused("eth_sendRawTransaction", raw))["message"] == "already known"
    low = await pyevm.refused("eth_sendRawTransaction", pyevm.raw(nonce=0, to=STRANGER, value=1))
    assert low["message"] == "nonce too low: next nonce 1, tx nonce 0"
    high = await pyevm.refused("eth_sendRawTransaction", pyevm.raw(nonce=2, to=STRANGER))
    assert high["message"] == f"nonce too high: address {pyevm.address}, tx: 2 state: 1"
    assert await pyevm.nonce() == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": 10**24}, "insufficient funds for gas * price + value: balance"),
        ({"gas": 20_000}, "intrinsic gas too low: gas 20000, minimum needed 21000"),
        ({"gas": 21_100, "data": b"\1" * 10}, "intrinsic gas too low"),
        ({"gas": 10**9}, "exceeds block gas limit"),
        (
            {"maxFeePerGas": 1, "maxPriorityFeePerGas": 1},
            "max fee per gas less than block base fee",
        ),
        ({"maxFeePerGas": 10**8, "maxPriorityFeePerGas": 10**9}, "max priority fee per gas higher"),
        ({"chainId": 1}, "invalid sender: invalid chain id for signer: have 1 want 8453"),
        ({"to": "", "data": b"\0" * 49153, "gas": 10**7}, "max initcode size exceeded"),
    ],
)
async def test_transactions_are_refused_in_geths_words(pyevm, fields, words):
    error = await pyevm.refused("eth_sendRawTransaction", pyevm.raw(nonce=0, **fields))
    assert error["code"] == -32000
    assert error["message"].startswith(words)
    assert await pyevm.ask("eth_blockNumber") == "0x0"


async def test_a_legacy_transaction_is_mined_if_it_names_the_chain(pyevm):
    fields = {"to": STRANGER, "value": 1, "gas": 21_000, "gasPrice": 10**9, "nonce": 0}
    unprotected = pyevm.account.sign_transaction(fields).raw_transaction
    error = await pyevm.refused("eth_sendRawTransaction", "0x" + unprotected.hex())
    assert error["message"].startswith("only replay-protected (EIP-155) transactions")
    signed = pyevm.account.sign_transaction({**fields, "chainId": 8453}).raw_transaction
    tx_hash = await pyevm.ask("eth_sendRawTransaction", "0x" + signed.hex())
    transaction = await pyevm.ask("eth_getTransactionByHash", tx_hash)
    assert (transaction["type"], transaction["gasPrice"]) == ("0x0", hex(10**9))


async def test_a_failing_transaction_is_mined_and_says_so(chain):
    receipt = await chain.send(data=OPG.encode_call("transfer", STRANGER, 10**30))
    assert receipt["status"] == "0x0"
    assert receipt["logs"] == []
    assert await chain.nonce() == 1


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("eth_nothing", [], -32601),
        ("eth_getBalance", [], -32602),
        ("eth_getBalance", ["0x1234"], -32602),
        ("eth_getBalance", [STRANGER, "newest"], -32602),
        ("eth_getBalance", [STRANGER, "0x01"], -32602),
        ("eth_getBalance", [STRANGER, 1], -32602),
        ("eth_getBalance", [STRANGER, {"blockHash": "0x00"}], -32602),
        ("eth_getBalance", [STRANGER, {}], -32602),
        ("eth_getBlockByNumber", ["latest", "yes"], -32602),
        ("eth_chainId", [1], -32602),
        ("eth_call", ["what"], -32602),
        ("eth_call", [{"data": "0xzz", "to": STRANGER}], -32602),
        ("eth_call", [{"data": "0x00", "input": "0x01", "to": STRANGER}], -32602),
        ("eth_call", [{"from": STRANGER}], -32602),
        ("eth_sendRawTransaction", ["0x"], -32602),
        ("eth_sendRawTransaction", ["0x02c0"], -32602),
        ("eth_sendRawTransaction", ["0x7fc0"], -32602),
        ("eth_getLogs", [[]], -32602),
        ("eth_feeHistory", ["0x0", "latest", []], -32602),
        ("evm_mine", ["0xffffffff"], -32602),
        ("web3_sha3", [5], -32602),
    ],
)
async def test_what_cannot_be_understood_is_said_to_be_so(pyevm, method, params, code):
    assert (await pyevm.refused(method, *params))["code"] == code


async def test_batches_notifications_and_nonsense(pyevm):
    ask = {"jsonrpc": "2.0", "method": "eth_chainId", "params": []}
    answers = await pyevm.post([{**ask, "id": 1}, ask, 5, {**ask, "id": "two", "method": "x"}])
    assert [a["id"] for a in answers] == [1, None, "two"]
    assert answers[0]["result"] == "0x2105"
    assert [a["error"]["code"] for a in answers[1:]] == [-32600, -32601]
    assert (await pyevm.post([]))["error"]["code"] == -32600
    assert (await pyevm.post({"id": 1}))["error"]["code"] == -32600
    assert (await pyevm.post({**ask, "id": 1, "params": {"a": 1}}))["error"]["code"] == -32600
    async with pyevm.session.post(pyevm.evm.rpc_url, data=b"{") as response:
        assert (await response.json())["error"]["code"] == -32700
    async with pyevm.session.post(pyevm.evm.rpc_url, json=ask) as response:
        assert (response.status, await response.read()) == (204, b"")
    async with pyevm.session.options(pyevm.evm.rpc_url) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_the_shortcut_raises_what_http_answers(chain):
    message = call(addresses.OPG, OPG.encode_call("transfer", STRANGER, 1))
    with pytest.raises(JsonRpcError, match="execution reverted") as caught:
        await chain.evm.request("eth_call", [message])
    assert caught.value.code == 3
    assert str(caught.value.data).startswith("0x")


async def test_a_chain_that_is_stopped_says_so(chain):
    await chain.evm.stop()
    with pytest.raises(RuntimeError, match="not running"):
        await chain.evm.request("eth_chainId")
