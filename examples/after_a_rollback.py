"""A version is rolled back: which answers were its answers, and what was made from them?"""

import asyncio

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.ledger.impact import tree


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile) as client,
    ):

        async def ask(question, **more):
            reply = await client.chat.create(model="gpt-5", messages=question, **more)
            return reply.receipt

        async def upgrade(build):
            await net.advance(600)
            await net.upgrade(net.nodes[0], build)
            await client.nodes.list(refresh=True)

        stock = await ask("How many bolts are left?")
        await net.approve_build("devnet-2")
        await upgrade("devnet-2")
        price = await ask("What does a bolt cost?", tag="price")
        await upgrade("devnet-1")
        await net.revoke_build("devnet-2")
        await ask("Write the order.", parents=[stock, price], tag="order")

        print(tree(await client.timeline.impact(version="devnet-2")))
        price = await client.receipts.refresh(price)
        since = price.evidence.get("build_since")
        print(f"then   {price.assurance.name}")
        print(f"since  {since.reason}")


if __name__ == "__main__":
    asyncio.run(main())
