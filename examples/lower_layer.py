"""A payment and a transaction by hand: what a call does by itself, one step at a time."""

import asyncio

from opengradient_sdk import Amount, AsyncOpenGradient, Devnet


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile) as client,
    ):
        print(f"allowance   {await client.wallet.ensure_allowance('1 OPG')} for Permit2")

        request = {"model": "openai/gpt-5", "messages": "hi"}
        challenge = await client.payments.challenge(None, request)  # the 402; nothing is signed
        offer = challenge.offers[0]
        print(f"asked       {offer.scheme}, up to {Amount(offer.amount)} to {offer.pay_to}")

        authorization = await client.payments.authorize(offer)  # signed and written down
        print(f"authorized  nonce {authorization.nonce}, good until {authorization.deadline}")
        print(f"status      {await client.payments.status(authorization)}")
        print(f"cancelled   {await client.payments.cancel(authorization)}")

        chain, opg = client.chains.payments, client.contracts.opg
        friend = net.accounts[1].address
        prepared = await chain.build(opg.transfer(friend, Amount.parse("2.5 OPG").atoms))
        print(f"transfer    nonce {prepared.nonce}, at most {prepared.estimate()} for gas")
        signed = await chain.sign(prepared)
        pending = await chain.send(signed)
        receipt = await pending.wait()
        print(f"mined       in block {receipt.block_number} for {receipt.fee}")
        print(f"the friend  has {Amount(await opg.balance_of(friend))}")


if __name__ == "__main__":
    asyncio.run(main())
