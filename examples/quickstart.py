"""A paid, verified answer and its settlement, on a whole network inside this process."""

import asyncio

from opengradient_sdk import AsyncOpenGradient, Devnet


async def main() -> None:
    async with (
        Devnet() as net,
        # on the real network: AsyncOpenGradient(budget="1 OPG"), with OG_PRIVATE_KEY set
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile, budget="1 OPG") as client,
    ):
        reply = await client.chat.create(
            model="openai/gpt-5", messages="Who pays for this answer?", max_tokens=64
        )
        receipt = reply.receipt
        print(f"answer      {reply.text}")
        print(f"cost        {receipt.cost} (computed)")
        print(f"node        {receipt.tee_id} at {receipt.endpoint}")
        print(f"assurance   {receipt.assurance.name}")
        print(f"not proven  {', '.join(receipt.uncovered)}")

        await net.advance(seconds=130)  # nodes settle a session that was idle for 100 seconds
        receipt = await client.receipts.wait(receipt)
        print(f"settled by  {receipt.payment.transaction}")
        print(f"charged     {receipt.payment.amount}")


if __name__ == "__main__":
    asyncio.run(main())
