"""Serves the page of a run on this machine: for traces that are too many for one file, or of a run that goes on."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

from plastic.errors import PlasticError
from plastic.traces.opened import Run
from plastic.traces.page import Window, encoded, packable, page, within_window

MOST = 50_000_000  # bytes per answer


def server(run: Run, port: int, window: Window | None = None) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 (port 0: a free one), not started; PlasticError if the port is taken or none."""
    html = page(run, window, served=True).encode()
    lock = threading.Lock()  # xarray's lazy arrays are read by one thread at a time

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlparse(self.path)
            if url.path == "/":
                self._answer(200, "text/html; charset=utf-8", html)
            elif url.path == "/data":
                try:
                    with lock:
                        content = data(run, {k: v[0] for k, v in parse_qs(url.query).items()}, window)
                except (KeyError, ValueError, IndexError) as error:
                    self._answer(400, "text/plain; charset=utf-8", f"no such data: {error}".encode())
                    return
                self._answer(200, "application/octet-stream", content)
            else:
                self._answer(404, "text/plain", b"there is / and /data")

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            del format, arguments

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        raise PlasticError(f"cannot serve on port {port} ({error}); choose another --port.") from None


def data(run: Run, query: dict[str, str], window: Window | None) -> bytes:
    """Samples from … to of a variable: of the component `at`, or of all. ValueError for what is not there."""
    array = within_window(run, query["variable"], window)
    begin, end = int(query["from"]), int(query["to"])
    if not 0 <= begin <= end <= array.shape[0]:
        raise ValueError(f"samples {begin} to {end} of {array.shape[0]}")
    at = [int(part) for part in query["at"].split(",")] if query.get("at") else []
    if at and (len(at) != array.ndim - 1 or any(not 0 <= i < n for i, n in zip(at, array.shape[1:], strict=True))):
        raise ValueError(f"component {at} of {array.shape[1:]}")
    chosen = array[begin:end][(slice(None), *at)]
    if chosen.nbytes > MOST:
        raise ValueError(f"{chosen.nbytes} bytes at once")
    return encoded(chosen.values, packable(chosen.dtype))
