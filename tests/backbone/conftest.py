"""A server on this machine that can be made to misbehave."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from classicvision.backbone import download
from classicvision.backbone.registry import Entry


class Server(ThreadingHTTPServer):
    """Sends `content` at any path; what differs from a good server is in the other attributes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = bytes(range(256)) * 4096  # 1 MiB
        self.requests = []  # of each request its path and its Range
        self.statuses = []  # answers to give first, one per request
        self.cuts = []  # after how many bytes to hang up, one per request
        self.ranges = True  # whether Range is obeyed
        self.states_length = True
        self.misplaced = 0  # bytes by which an answer to a Range begins elsewhere
        self.pause = 0.0  # seconds before the content

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def entry(self, content=None, **changes):
        """Return an entry of a registry for what the server should send."""
        content = self.content if content is None else content
        values = {
            "name": "net-7",
            "family": "tests",
            "url": f"{self.url}/net-7.onnx",
            "sha256": hashlib.sha256(content).hexdigest(),
            "n_bytes": len(content),
            "opset": 7,
        }
        return Entry(**values | changes)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        if self.server.statuses and (status := self.server.statuses.pop(0)):
            self.send_error(status)
            return
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        time.sleep(self.server.pause)
        self.send_content(wanted if self.server.ranges else None)

    def send_content(self, wanted):
        content = self.server.content
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if wanted and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            start += self.server.misplaced
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.states_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = start + self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.delenv("CLASSICVISION_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
