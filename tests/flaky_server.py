"""A web server on the loopback interface that can send ranges, and fail in every way that some do.

    web = FlakyServer()
    url = web.serve("/tiny.caffemodel", content, cut(1000), status(503))

The first request for that path is cut after 1000 bytes, the second one gets a 503, all others are
answered as they should be.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

LAST_CHANGE = 1_400_000_000


@dataclass
class File:
    """What a path gives, and how."""

    content: bytes
    etag: str | None = None
    last_modified: bool = False
    ranges: bool = True
    rate: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def validators(self) -> dict[str, str]:
        etag = f'"{hashlib.sha1(self.content).hexdigest()}"' if self.etag is None else self.etag
        found = {"ETag": etag} if etag else {}
        if self.last_modified:
            found["Last-Modified"] = formatdate(LAST_CHANGE, usegmt=True)
        return found


@dataclass(frozen=True)
class Request:
    """What was asked for; the names of headers are as they came."""

    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.requests.append(Request(self.path, dict(self.headers)))
            faults = self.server.faults.get(path, [])
            fault = faults.pop(0) if faults else None
        file = self.server.files.get(path)
        if fault is not None:
            fault(self, file or File(b""))
        elif file is None:
            self.send_whole(b"nothing here", 404)
        else:
            self.send_file(file)

    def send_file(self, file: File) -> None:
        """As a good server does."""
        start, stop, asked = self.asked_range(file)
        total = len(file.content)
        if asked and start >= total:
            self.begin(416, 0, {"Content-Range": f"bytes */{total}", **file.validators()})
            return
        headers = {**file.validators(), **file.headers}
        if file.ranges:
            headers["Accept-Ranges"] = "bytes"
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        self.begin(206 if asked else 200, stop - start, headers)
        self.send_body(file.content[start:stop], file.rate)

    def asked_range(self, file: File) -> tuple[int, int, bool]:
        total = len(file.content)
        text = self.headers.get("Range", "")
        current = self.headers.get("If-Range", "") in ("", *file.validators().values())
        if not text.startswith("bytes=") or not file.ranges or not current:
            return 0, total, False
        first, _, last = text[6:].partition("-")
        return int(first), min(total, int(last) + 1 if last else total), True

    def begin(self, status: int, length: int | None, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
            self.send_header(name, value)
        if length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_whole(self, content: bytes, code: int = 200, headers: Mapping[str, str] = {}) -> None:
        self.begin(code, len(content), headers)
        self.wfile.write(content)

    def send_body(self, content: bytes, rate: float | None) -> None:
        if rate is None:
            self.wfile.write(content)
            return
        began = time.monotonic()
        for start in range(0, len(content), 1 << 16):
            self.wfile.write(content[start : start + (1 << 16)])
            ahead = start / rate - (time.monotonic() - began)
            if ahead > 0 and self.server.stopped.wait(ahead):
                return

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


Fault = Callable[[Handler, File], None]


def cut(after: int) -> Fault:
    """Announce all that was asked for, send some of it and end."""

    def answer(handler: Handler, file: File) -> None:
        start, stop, asked = handler.asked_range(file)
        headers = {**file.validators(), "Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(file.content)}"
        handler.begin(206 if asked else 200, stop - start, headers)
        handler.wfile.write(file.content[start:stop][:after])
        handler.close_connection = True

    return answer


def reset(after: int) -> Fault:
    """Send some of it, then reset the connection."""

    def answer(handler: Handler, file: File) -> None:
        cut(after)(handler, file)
        handler.wfile.flush()
        time.sleep(0.1)
        # Closing with a linger time of 0 resets the connection instead of ending it.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return answer


def stall(after: int) -> Fault:
    """Send some of it, then nothing more for as long as the server lives; 0 is no answer at all."""

    def answer(handler: Handler, file: File) -> None:
        if after:
            cut(after)(handler, file)
            handler.wfile.flush()
        handler.server.stopped.wait(60)
        handler.close_connection = True

    return answer


def drip(pause: float) -> Fault:
    """A byte at a time."""

    def answer(handler: Handler, file: File) -> None:
        handler.begin(200, len(file.content), file.validators())
        for start in range(len(file.content)):
            handler.wfile.write(file.content[start : start + 1])
            handler.wfile.flush()
            if handler.server.stopped.wait(pause):
                return

    return answer


def status(code: int, **headers: str) -> Fault:
    """Another status; `Retry_After="1"` becomes Retry-After: 1."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, file: handler.send_whole(b"sorry", code, named)


def redirect(url: str, code: int = 302) -> Fault:
    return status(code, Location=url)


def page(title: str = "Sign in") -> Fault:
    content = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>".encode()
    kind = {"Content-Type": "text/html; charset=utf-8"}
    return lambda handler, file: handler.send_whole(content, 200, kind)


def sends(content: bytes, **headers: str) -> Fault:
    """Something else, whatever was asked for."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, file: handler.send_whole(content, 200, named)


def wrong_length(by: int) -> Fault:
    """The whole file under another length."""

    def answer(handler: Handler, file: File) -> None:
        handler.begin(200, len(file.content) + by, file.validators())
        handler.wfile.write(file.content)
        handler.close_connection = True

    return answer


def unknown_length(handler: Handler, file: File) -> None:
    """The whole file, whose end is the end of the connection."""
    handler.begin(200, None, file.validators())
    handler.wfile.write(file.content)


class FlakyServer(http.server.ThreadingHTTPServer):
    """The server; a context manager."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> FlakyServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def serve(self, path: str, content: bytes, *faults: Fault, **how: object) -> str:
        """Give a file, after some faults; its address."""
        self.files[path] = File(content, **how)
        self.faults[path] = list(faults)
        return self.url + path

    def handle_error(self, *_: object) -> None:
        pass

    def ranges(self) -> list[str | None]:
        """The ranges that were asked for."""
        return [request.range for request in self.requests]
