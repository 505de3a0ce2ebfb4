"""A streamed answer: text as it arrives, then the verified whole."""

import asyncio

from opengradient_sdk import AsyncOpenGradient, Devnet


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile) as client,
        client.chat.stream(model="openai/gpt-5", messages="Count to three.") as stream,
    ):
        print("provisional: ", end="")
        async for piece in stream.text_stream:  # nothing is proven about these yet
            print(piece, end="", flush=True)
        print()

        reply = await stream.get_final_reply()  # raises when a word was changed or is missing
        print(f"verified:    {reply.text}")
        print(f"assurance:   {reply.receipt.assurance.name}")


if __name__ == "__main__":
    asyncio.run(main())
