"""A model that calls a function of yours, and answers with what it returned."""

import asyncio
import json
from collections.abc import Mapping

from opengradient_sdk import AsyncOpenGradient, Devnet

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


def get_weather(city: str) -> str:
    return f"18 degrees in {city}"


async def main() -> None:
    async with (
        Devnet() as net,
        AsyncOpenGradient(signer=net.accounts[0], network=net.profile) as client,
    ):
        # the Devnet's built-in model calls the tool that it is told to call
        messages: list[Mapping[str, object]] = [
            {"role": "user", "content": "Please call get_weather."}
        ]
        asked = await client.chat.create(model="openai/gpt-5", messages=messages, tools=[TOOL])

        messages.append(asked.message)
        for call in asked.tool_calls:  # name and arguments are covered by the node's signature
            result = get_weather(**json.loads(call.arguments))
            print(f"the model calls {call.name}({call.arguments}): {result}")
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        reply = await client.chat.create(model="openai/gpt-5", messages=messages, tools=[TOOL])
        print(f"the model says  {reply.text}")


if __name__ == "__main__":
    asyncio.run(main())
