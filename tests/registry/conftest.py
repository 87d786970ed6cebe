"""Small models on disk, and a real web server that can misbehave in every way that servers do."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from flaky_server import FlakyServer

WEIGHTS = bytes(range(256)) * 1200  # 307,200 bytes, more than one piece of a download
DEPLOY = 'name: "tiny"\nlayer { name: "data" type: "Input" top: "data" }\n'


def sha1_of(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def write_model(
    root: Path, name: str = "tiny", *, weights: bytes | None = WEIGHTS, **keys: str | None
) -> Path:
    """A model directory; `keys` change its card, None leaves a key out."""
    directory = root / name
    directory.mkdir(parents=True)
    facts = {
        "name": f"The {name.title()} Model",
        "caffemodel": f"{name}.caffemodel",
        "license": "BSD-2-Clause",
        "sha1": sha1_of(weights or WEIGHTS),
        **keys,
    }
    lines = [f"{key}: {value}" for key, value in facts.items() if value is not None]
    text = "\n".join(["---", *lines, "---", "", f"Reads {name} things.", ""])
    (directory / "readme.md").write_text(text)
    (directory / "deploy.prototxt").write_text(DEPLOY)
    if weights is not None:
        (directory / f"{name}.caffemodel").write_bytes(weights)
    return directory


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `server.faults` says which path is answered in which wrong way."""

    server: Server

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.server.requests.append(path)
        fault = self.server.faults.get(path) or self.server.faults.get("*")
        if path.endswith("/") and not self.server.listing:
            self.send_error(404)
        elif fault is None:
            super().do_GET()
        elif isinstance(fault, int):
            self.send_error(fault)
        else:
            getattr(self, f"answer_{fault}")(Path(self.translate_path(self.path)))

    def begin(self, length: int | None, kind: str = "application/octet-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def answer_truncated(self, file: Path) -> None:
        content = file.read_bytes()
        self.begin(len(content))
        self.wfile.write(content[: len(content) // 2])

    def answer_dying(self, file: Path) -> None:
        content = file.read_bytes()
        self.begin(len(content))
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        time.sleep(0.1)
        # Closing with a linger time of 0 resets the connection instead of ending it.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def answer_corrupted(self, file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        self.begin(len(content))
        self.wfile.write(content)

    def answer_page(self, file: Path) -> None:
        content = b"<!DOCTYPE html>\n<html><body>Sign in to see this file</body></html>"
        self.begin(len(content), "text/html")
        self.wfile.write(content)

    def answer_empty(self, file: Path) -> None:
        self.begin(0)

    def answer_without_length(self, file: Path) -> None:
        self.begin(None)
        self.wfile.write(file.read_bytes())

    def answer_late(self, file: Path) -> None:
        time.sleep(1.5)
        content = file.read_bytes()
        self.begin(len(content))
        self.wfile.write(content)

    def answer_slowly(self, file: Path) -> None:
        content = file.read_bytes()
        self.begin(len(content))
        for start in range(0, len(content), 1024):
            self.wfile.write(content[start : start + 1024])
            self.wfile.flush()
            time.sleep(0.05)

    def finish(self) -> None:
        # answer_dying closed the connection, or the client was killed.
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """The folder `root` on the loopback interface."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root: Path) -> None:
        self.requests: list[str] = []
        self.faults: dict[str, str | int] = {}
        self.listing = True
        self.root = root

        def handler(*args: object) -> Handler:
            return Handler(*args, directory=str(root))

        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_: object) -> None:
        pass

    def index(self) -> None:
        """Write the index.json that a published folder has."""
        entries = [
            {
                "name": model.name,
                "files": [{"name": f.name, "size": f.stat().st_size} for f in model.iterdir()],
            }
            for model in sorted(self.root.iterdir())
            if model.is_dir()
        ]
        (self.root / "index.json").write_text(json.dumps(entries))


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    servers = []

    def start(root: Path) -> Server:
        server = Server(root)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with two models."""
    root = tmp_path / "models"
    write_model(root, "tiny")
    write_model(root, "other", license="non-commercial", task="segmentation")
    return root


@pytest.fixture
def server(serve: Callable[[Path], Server], models: Path) -> Server:
    return serve(models)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def web() -> Iterator[FlakyServer]:
    with FlakyServer() as server:
        yield server


@pytest.fixture(scope="module")
def s3_server():
    import moto.server as server_module

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A bucket, with s3fs told by the environment where it is."""
    import s3fs

    for key, value in {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "sesame-open",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
    }.items():
        monkeypatch.setenv(key, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    if not files.exists("zoo-models"):
        files.mkdir("zoo-models")
    yield files
    files.rm("zoo-models", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def memory():
    import fsspec

    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]
