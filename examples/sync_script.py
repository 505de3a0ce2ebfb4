"""Without async: the same names and arguments, in a plain script or a notebook."""

import asyncio

from opengradient_sdk import Devnet, OpenGradient


def script(net: Devnet) -> None:
    # on the real network: OpenGradient(budget="1 OPG") and OG_PRIVATE_KEY in the environment
    with OpenGradient(signer=net.accounts[0], network=net.profile, budget="1 OPG") as client:
        print(f"wallet     {client.wallet.address} has {client.wallet.balances().opg}")

        estimate = client.chat.estimate(model="openai/gpt-5", messages="hi", max_tokens=64)
        print(f"estimate   {estimate.expected}, at most {estimate.maximum}")

        reply = client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        print(f"answer     {reply.text}")
        print(f"cost       {reply.receipt.cost}")

        with client.chat.stream(model="openai/gpt-5", messages="And now in pieces.") as stream:
            print(f"pieces     {' | '.join(stream.text_stream)}")
            print(f"assurance  {stream.get_final_reply().receipt.assurance.name}")


async def main() -> None:
    async with Devnet() as net:  # it lives in this thread, so the script gets one of its own
        await asyncio.to_thread(script, net)


if __name__ == "__main__":
    asyncio.run(main())
