"""A server that speaks GitHub's gist API as far as zoo asks for it: shapes, errors, revisions."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any
from urllib.parse import unquote

__all__ = ["TOKEN", "GistServer"]

TOKEN = "ghp_sesame"
SHOWN = 1 << 10  # bytes that the API itself gives of a file; GitHub's limit is 1 MB


class GistServer(http.server.ThreadingHTTPServer):
    """Gists on the loopback interface.

    `gists[id]` is a list of revisions, the last one the newest, each a dict of file name to bytes.
    `faults["/path"]` or `faults["PATCH /path"]` is a status to answer with; `requests` holds
    (path, Authorization), `changes` holds (method, path). Who writes has to show `TOKEN`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.gists: dict[str, list[dict[str, bytes]]] = {}
        self.faults: dict[str, int] = {}
        self.listed: dict[str, bool] = {}
        self.changes: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def revision(self, number: int) -> str:
        """The revision of a gist's state, 40 hex digits as GitHub's are."""
        return f"{number:040x}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: GistServer

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.server.requests.append((path, self.headers.get("Authorization")))
        parts = path.strip("/").split("/")
        if path in self.server.faults:
            self.answer(self.server.faults[path], b'{"message": "no"}')
        elif parts[0] == "gists" and parts[1] in self.server.gists:
            self.answer_gist(*parts[1:])
        elif parts[0] == "raw":
            files = self.server.gists[parts[1]][int(parts[2], 16)]
            self.answer(200, files[parts[3]], "text/plain")
        else:
            self.answer(404, b'{"message": "Not Found"}')

    def do_POST(self) -> None:
        self.change("POST")

    def do_PATCH(self) -> None:
        self.change("PATCH")

    def change(self, method: str) -> None:
        """Make a gist (POST /gists), or a new revision of one (PATCH /gists/ID)."""
        path = unquote(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((path, self.headers.get("Authorization")))
        self.server.changes.append((method, path))
        _, _, id = path.strip("/").partition("/")
        fault = self.server.faults.get(f"{method} {path}")
        if fault or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            said = {"message": f"No, {self.headers.get('Authorization')}"}
            self.answer(fault or 401, json.dumps(said).encode())
        elif method == "PATCH" and id not in self.server.gists:
            self.answer(404, b'{"message": "Not Found"}')
        elif any(file is not None and not file["content"] for file in body["files"].values()):
            self.answer(422, b'{"message": "Validation Failed"}')
        else:
            self.write(method, id, body)

    def write(self, method: str, id: str, body: dict[str, Any]) -> None:
        if method == "POST":
            id = f"{len(self.server.gists) + 1:032x}"
            self.server.listed[id] = body["public"]
        files = dict(self.server.gists.setdefault(id, [{}])[-1])
        for name, file in body["files"].items():
            files.pop(name, None)
            if file is not None:
                files[name] = file["content"].encode()
        self.server.gists[id].append(files)
        self.answer_gist(id, status=201 if method == "POST" else 200)

    def answer_gist(self, id: str, revision: str = "", status: int = 200) -> None:
        states = self.server.gists[id]
        number = int(revision, 16) if revision else len(states) - 1
        version = self.server.revision(number)
        files = {
            name: {
                "filename": name,
                "type": "text/plain",
                "raw_url": f"{self.server.url}/raw/{id}/{version}/{name}",
                "size": len(content),
                "truncated": len(content) > SHOWN,
                "content": content[:SHOWN].decode("utf-8", "replace"),
            }
            for name, content in states[number].items()
        }
        facts = {
            "id": id,
            "html_url": f"https://gist.github.com/someone/{id}",
            "public": True,
            "files": files,
            "owner": {"login": "someone"},
            "history": [{"version": version}],
            "truncated": False,
        }
        self.answer(status, json.dumps(facts).encode(), "application/json")

    def answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
