"""A payroll that can be run again: many transactions of one account, each paid exactly once."""

import asyncio
import tempfile
from pathlib import Path

from opengradient_sdk import Amount, Chain, Devnet, LocalSigner, TxReceipt, TxRequest
from opengradient_sdk.chain.contracts import Multicall3

PEOPLE = [LocalSigner(number.to_bytes(32, "big")).address for number in range(1, 41)]
WAGES = [TxRequest(to=person, value=10**15) for person in PEOPLE]
NAMES = [f"wage-2026-11-{person}" for person in PEOPLE]  # what makes each of them happen once


async def pay_everybody(net: Devnet, store: Path) -> list[TxReceipt]:
    """Pay; what an earlier run has paid, or only sent, is found in the store and not paid again."""
    async with Chain.connect(net.chain.rpc_url, signer=net.accounts[0], store=str(store)) as chain:
        outcomes = await chain.execute_many(WAGES, request_ids=NAMES)
    for person, outcome in zip(PEOPLE, outcomes, strict=True):
        if not isinstance(outcome, TxReceipt):  # one failure is a value: the others were paid
            print(f"not paid  {person}: {outcome.short_message}")
    return [outcome for outcome in outcomes if isinstance(outcome, TxReceipt)]


async def main() -> None:
    async with Devnet() as net, Chain.connect(net.chain.rpc_url) as chain:
        with tempfile.TemporaryDirectory() as folder:
            first = await pay_everybody(net, Path(folder) / "payroll.sqlite")
            again = await pay_everybody(net, Path(folder) / "payroll.sqlite")  # as after a crash
        print(f"paid      {len(first)} people in {len({one.hash for one in first})} transactions")
        print(f"again     {len(again)} receipts, the same ones: {first == again}")

        multicall = Multicall3(chain.rpc)  # which reads all balances in one call
        balances = await chain.read_many([multicall.eth_balance(person) for person in PEOPLE])
        print(f"each has  {' or '.join(str(Amount(one, 'ETH', 18)) for one in set(balances))}")


if __name__ == "__main__":
    asyncio.run(main())
