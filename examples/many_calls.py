"""Fifty calls at once: one signature pays for all of them, and a budget bounds the sum."""

import asyncio

from opengradient_sdk import Amount, AsyncOpenGradient, Devnet

QUESTIONS = [f"What is {number} times {number}?" for number in range(50)]


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile, budget="1 OPG") as client,
    ):
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(client.chat.create(model="openai/gpt-5-mini", messages=question))
                for question in QUESTIONS
            ]
        receipts = [call.result().receipt for call in calls]

        signed = client.payments.unresolved
        print(f"answers     {len(receipts)}, all {min(r.assurance for r in receipts).name}")
        print(f"computed    {sum((r.cost for r in receipts if r.cost), Amount(0))}")
        print(f"signatures  {len(signed)}, for at most {Amount(sum(one.cap for one in signed))}")

        await net.advance(seconds=130)  # nodes settle a session that was idle for 100 seconds
        settled = await client.receipts.wait(receipts[0])
        print(f"charged     {settled.payment.amount} for the whole session")


if __name__ == "__main__":
    asyncio.run(main())
