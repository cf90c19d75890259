"""Passes TCP connections on to several ports of this machine, by turns.

usage: by_turns.py PORT TO_PORT..."""

import asyncio
import itertools
import sys

targets = itertools.cycle([int(port) for port in sys.argv[2:]])


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", next(targets))
    await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer), return_exceptions=True)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=200)
    await server.serve_forever()


asyncio.run(main())
