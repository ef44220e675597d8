"""
A provider that takes its time and no processor: `python -m bench.load.upstream PORT SECONDS`.

It gives tokens at once, and answers every question about a prompt, after SECONDS, with a yes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

_TOKEN = {"access_token": "bench-token", "expires_in": "3599"}
_YES = {
    "ResponseCode": "0",
    "ResponseDescription": "The service request has been accepted successsfully",
    "ResultCode": "0",
    "ResultDesc": "The service request is processed successfully.",
}


async def serve(port: int, latency_s: float) -> None:
    """Serve until told to end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                told = await _answer(line.decode(), await _body(reader), latency_s)
                writer.write(_response(told))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


async def _body(reader: asyncio.StreamReader) -> bytes:
    length = 0
    while (line := await reader.readline()).strip():
        name, _colon, value = line.decode().partition(":")
        length = int(value) if name.lower() == "content-length" else length
    return await reader.readexactly(length)


async def _answer(line: str, body: bytes, latency_s: float) -> dict[str, Any]:
    if "stkpushquery" not in line:
        return _TOKEN
    await asyncio.sleep(latency_s)
    return {**_YES, "CheckoutRequestID": json.loads(body)["CheckoutRequestID"]}


def _response(told: dict[str, Any]) -> bytes:
    body = json.dumps(told).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
