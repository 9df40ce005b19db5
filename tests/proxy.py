"""A proxy between the product and a tracking server that does to single calls what networks do."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("refused", "answer lost", "500", "404 page", "200 page", "slow", "truncated", "401")
"""What may happen to a call: the server never sees it; it acts and its answer is lost, or cut short; a proxy
answers in its place; the answer takes seconds; credentials are renewed just now."""

PAGE = b"<html><body><h1>nginx</h1></body></html>"
SLOW_SECONDS = 1.5
_API = re.compile(r"^/api/\d\.\d/(mlflow/)?")
_IDS = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}|(?<=/)\d+(?=/|$)")


def kind(method: str, path: str) -> str:
    """What a request asks for, without the ids in it: ``POST runs/create``."""
    bare = _API.sub("", urlsplit(path).path)
    if bare.startswith("mlflow-artifacts/artifacts"):
        return f"{method} artifacts"
    return f"{method} {_IDS.sub('ID', bare)}"


class Proxy:
    """Forwards to the server at ``target``; what ``fault(kind, n)`` says is done to the n-th call of a kind.

    Attributes:
        seen: how many calls of each kind came.
        done: the faults that were done, as (kind, fault).
    """

    def __init__(self, target: str, fault: Callable[[str, int], str | None] = lambda kind, n: None):
        self.target, self.fault = urlsplit(target), fault
        self.seen: Counter[str] = Counter()
        self.done: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(self, method: str, path: str) -> str | None:
        """Count a call; what is to be done to it."""
        if path == "/health":
            return None
        what = kind(method, path)
        with self._lock:
            self.seen[what] += 1
            n = self.seen[what]
        fault = self.fault(what, n)
        if fault:
            self.done.append((what, fault))
        return fault

    def _forwarded(self, method: str, path: str, body: bytes, headers: dict) -> tuple[int, dict, bytes]:
        to = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=60)
        try:
            to.request(method, path, body, headers)
            answer = to.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            to.close()

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy._asked(self.command, self.path)
                if fault == "refused":
                    return self.reset()
                if fault in ("500", "404 page", "200 page"):
                    return self.answer(int(fault[:3]), {"Content-Type": "text/html"}, PAGE)
                if fault == "401":
                    return self.answer(401, {"Content-Type": "text/plain"}, b"You are not authenticated.")
                if fault == "slow":
                    time.sleep(SLOW_SECONDS)
                headers = {
                    k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")
                }
                try:
                    status, given, content = proxy._forwarded(self.command, self.path, body, headers)
                except OSError:
                    return self.reset()
                if fault == "answer lost":
                    return self.reset()
                return self.answer(status, given, content, cut=fault == "truncated")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815

            def answer(self, status: int, headers: dict, content: bytes, cut: bool = False) -> None:
                self.send_response_only(status)
                dropped = ("content-length", "transfer-encoding", "connection", "content-encoding")
                for name, value in headers.items():
                    if name.lower() not in dropped or name.lower() == "content-encoding":
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if cut else content)
                if cut:
                    self.reset()

            def reset(self) -> None:
                """End the connection without another byte."""
                self.close_connection = True
                with suppress(OSError):
                    self.wfile.flush()
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.shutdown(socket.SHUT_WR)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
