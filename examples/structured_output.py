"""An answer as an object of a pydantic class, instead of text."""

import asyncio

from pydantic import BaseModel

from opengradient_sdk import AsyncOpenGradient, Devnet


class Invoice(BaseModel):
    """What the model is asked to fill in."""

    customer: str
    total: float
    paid: bool


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile) as client,
    ):
        answer = await client.chat.parse(
            model="openai/gpt-5",
            messages="Ada owes 12.50 for two lamps.",
            response_model=Invoice,  # its JSON schema travels with the request, and is signed
        )
        # the Devnet's built-in model fills the form in without reading the text
        print(f"object     {answer.parsed!r}")
        print(f"text       {answer.text}")
        print(f"assurance  {answer.receipt.assurance.name}")


if __name__ == "__main__":
    asyncio.run(main())
