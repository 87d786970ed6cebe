"""A server that answers as the Hugging Face Hub does, as far as zoo asks it."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

__all__ = ["COMMIT", "TOKEN", "HubServer"]

TOKEN = "hf_sesame"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(http.server.ThreadingHTTPServer):
    """Repositories on the loopback interface: `repos["owner/repo"]` maps path to bytes.

    Files larger than 1,000 bytes are LFS files, of which the hub tells the SHA-256. `lies` maps a
    path to a SHA-256 told instead; `requests` holds (path, Authorization). Who writes has to show
    `TOKEN`; `commits` holds what each commit said.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.lies: dict[str, str] = {}
        self.faults: dict[str, int] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.commits: list[str] = []
        self.stored: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append((path, self.headers.get("Authorization")))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self.answer_info("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
            return
        repo, rest = "/".join(parts[:2]), parts[2:]
        content = self.server.repos.get(repo, {}).get("/".join(rest[2:]))
        if rest[:1] != ["resolve"] or rest[1] not in (COMMIT, "main") or content is None:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self.answer(200, content)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((path, self.headers.get("Authorization")))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, b'{"error": "Invalid username or password."}')
        elif path == "/api/repos/create":
            self.answer_create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.answer_validation(json.loads(body)["content"])
        elif path.endswith("/info/lfs/objects/batch"):
            self.answer_batch(json.loads(body))
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["size"] > 1000 else "regular"}
                | {"shouldIgnore": False}
                for f in files
            ]
            self.answer_json({"files": modes})
        else:
            self.answer_commit(*path.split("/")[3:5], body)

    def do_PUT(self) -> None:
        """Take an LFS file; the address has its SHA-256."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stored[hashlib.sha256(content).hexdigest()] = content
        self.answer(200, b"")

    def answer_create(self, body: dict[str, str]) -> None:
        repo = f"{body.get('organization') or 'me'}/{body['name']}"
        there = repo in self.server.repos
        self.server.repos.setdefault(repo, {".gitattributes": b"x"})
        self.answer_json({"url": f"{self.server.url}/{repo}"}, 409 if there else 200)

    def answer_validation(self, content: str) -> None:
        """The Hub refuses metadata that it does not understand."""
        facts = yaml.safe_load(content.split("---")[1])
        right = str(facts["license"]).islower() and isinstance(facts["tags"], list)
        errors = [] if right else [{"message": '"license" must be one of [...]'}]
        self.answer_json({"warnings": [], "errors": errors}, 200 if right else 400)

    def answer_batch(self, body: dict[str, Any]) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.server.url}/store/{each['oid']}"}}}
            for each in body["objects"]
        ]
        self.answer_json({"transfer": "basic", "objects": objects})

    def answer_commit(self, owner: str, name: str, body: bytes) -> None:
        repo = f"{owner}/{name}"
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.server.commits.append(value["summary"])
            elif line["key"] == "file":
                self.server.repos[repo][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.repos[repo][value["path"]] = self.server.stored[value["oid"]]
            else:
                del self.server.repos[repo][value["path"]]
        url = f"{self.server.url}/{repo}/commit/{COMMIT}"
        self.answer_json({"success": True, "commitOid": COMMIT, "commitUrl": url})

    def answer_json(self, facts: object, status: int = 200) -> None:
        self.answer(status, json.dumps(facts).encode(), {"Content-Type": "application/json"})

    def answer_info(self, repo: str, revision: str) -> None:
        if repo in self.server.faults:
            status = self.server.faults[repo]
            code = {401: "RepoNotFound", 403: "GatedRepo", 404: "RepoNotFound"}.get(status, "")
            self.answer(status, b"{}", {"X-Error-Code": code} if code else {})
            return
        if repo not in self.server.repos:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        if revision not in ("main", "v1.0", COMMIT):
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = []
        for path, content in self.server.repos[repo].items():
            entry = {"rfilename": path, "size": len(content), "blobId": "0" * 40}
            if len(content) > 1000:
                sha256 = self.server.lies.get(path, hashlib.sha256(content).hexdigest())
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        facts = {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "tags": []}
        content = json.dumps(facts | {"downloads": 0, "likes": 0, "siblings": siblings}).encode()
        self.answer(200, content, {"Content-Type": "application/json"})

    def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
