"""A transaction by hand: build, sign, send, wait, with everything visible before it is signed."""

import asyncio

from opengradient_sdk import Amount, Chain, Devnet, OpenGradientError, TxRequest


async def main() -> None:
    async with (
        Devnet() as net,
        Chain.connect(net.chain.rpc_url, signer=net.accounts[0]) as chain,
    ):
        friend = net.accounts[1].address
        quarter = Amount.parse("0.25").atoms  # OPG and ETH have 18 decimals alike

        prepared = await chain.build(TxRequest(to=friend, value=quarter))
        print(f"prepared  nonce {prepared.nonce}, gas {prepared.gas}, type {prepared.type.name}")
        print(f"at most   {prepared.estimate()}, fee and value")

        signed = await chain.sign(prepared)  # written down; nothing has been sent
        print(f"signed    {signed.hash}")

        pending = await chain.send(signed)
        receipt = await pending.wait(confirmations=1, timeout=60)
        print(f"mined     in block {receipt.block_number} for {receipt.fee}")

        too_much = TxRequest(to=friend, value=10**30)
        try:
            await chain.execute(too_much)
        except OpenGradientError as error:  # refused before it was signed; no nonce is lost
            print(f"refused   {error.short_message}")
            print(f"spent     {error.spent.value}")


if __name__ == "__main__":
    asyncio.run(main())
