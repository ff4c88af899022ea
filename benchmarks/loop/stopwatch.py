"""A loopback relay between Label Studio and the backend, which times every webhook as Label Studio sees it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

_CHUNK = 65_536
_WEBHOOK = b"POST /webhook"


@contextmanager
def timed_relay(url: str) -> Iterator[tuple[str, list[float]]]:
    """Run a relay in a thread.

    Args:
        url: the backend's origin.

    Yields:
        The relay's origin, and the growing list of seconds from each webhook's first bytes to the backend's answer.
    """
    relay = _Relay(url)
    loop = asyncio.new_event_loop()
    port = loop.run_until_complete(relay.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", relay.seconds
    finally:
        asyncio.run_coroutine_threadsafe(relay.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Relay:
    def __init__(self, url: str) -> None:
        self.seconds: list[float] = []
        self._backend = urlsplit(url)
        self._connections: set[asyncio.Task[Any] | None] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        open_ones = [connection for connection in self._connections if connection is not None]
        for connection in open_ones:
            connection.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        self._connections.add(connection)
        try:
            await self._relay(reader, writer)
        except OSError:
            # Either side may close at any time; Label Studio then says so itself.
            pass
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(self._backend.hostname, self._backend.port)
        began: list[float] = []
        try:
            await asyncio.gather(self._requests(reader, to_writer, began), self._answers(to_reader, writer, began))
        finally:
            to_writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: list[float]) -> None:
        while chunk := await reader.read(_CHUNK):
            if chunk.startswith(_WEBHOOK):
                began.append(time.perf_counter())
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: list[float]) -> None:
        while chunk := await reader.read(_CHUNK):
            if began:
                self.seconds.append(time.perf_counter() - began.pop())
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
