"""An answer as a bundle that anybody can check, and what happens when somebody changes it."""

import asyncio
import json

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.errors import VerificationError
from opengradient_sdk.ledger.bundle import verify_bundle


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile) as client,
    ):
        reply = await client.chat.create(
            model="openai/gpt-5", messages="Is the bridge safe?", max_tokens=64
        )
        for seconds in (130, 300):  # the node settles the payment, then the hashes
            await net.advance(seconds)
        receipt = await client.receipts.refresh(reply.receipt)
        text = json.dumps(await client.receipts.export(receipt), ensure_ascii=False)
        short = await client.receipts.export(receipt, request=False)

    # from here on nobody is asked: the network is gone
    report = verify_bundle(text)
    print(f"answer     {report.bundle.output.text}")
    print(f"proven     {report.assurance.name}, {len(report.proven)} members")
    print(f"unproven   {len(report.unproven)} members")
    try:
        verify_bundle(text.replace("bridge safe", "bridge sage"))
    except VerificationError as error:
        print(f"changed    {error.short_message}")
    print(f"left out   {verify_bundle(short).evidence.get('request_hash').reason}")


if __name__ == "__main__":
    asyncio.run(main())
