"""nginx, started on free ports of the loopback interface with a configuration of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

CONFIGURATION = """
daemon off; pid {here}/pid; error_log {here}/error.log; worker_processes 1; {user}
events {{ worker_connections 128; }}
http {{
  access_log {here}/access.log;
  client_body_temp_path {here}/a; proxy_temp_path {here}/b; fastcgi_temp_path {here}/c;
  uwsgi_temp_path {here}/d; scgi_temp_path {here}/e;
  sendfile on; root {root}; autoindex on; default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port};
    location ~ ^/rate/(\\d+m)(/.*)$ {{ alias {root}$2; limit_rate $1; }}
  }}
  server {{
    listen 127.0.0.1:{tls_port} ssl;
    ssl_certificate {here}/server.pem; ssl_certificate_key {here}/server.key;
    location /plain/ {{ return 302 http://127.0.0.1:{port}/; }}
    location ~ ^/plain(/.+)$ {{ return 302 http://localhost:{port}$1; }}
  }}
}}
"""
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def why_not() -> str:
    """Why nginx cannot be used here, or ""."""
    missing = [
        name for name in ("nginx", "openssl") if shutil.which(name, path=search_path()) is None
    ]
    return f"{' and '.join(missing)} not installed; Debian has the package" if missing else ""


def search_path() -> str:
    # A user's PATH has no sbin on Debian.
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


class Nginx:
    """A running nginx that serves `root`; a context manager.

    `url` and `tls_url` are its addresses, `ca` the certificate that vouches for the second.
    """

    def __init__(self, here: Path, root: Path) -> None:
        self._here, self.root = here, root
        self.ca = here / "ca.pem"
        port, tls_port = free_ports(2)
        self.url, self.tls_url = f"http://127.0.0.1:{port}", f"https://localhost:{tls_port}"
        make_certificates(here)
        user = "user root;" if os.getuid() == 0 else ""
        (here / "nginx.conf").write_text(
            CONFIGURATION.format(here=here, root=root, port=port, tls_port=tls_port, user=user)
        )
        self._port = port

    def __enter__(self) -> Nginx:
        program = shutil.which("nginx", path=search_path())
        assert program
        self._process = subprocess.Popen(
            [program, "-c", self._here / "nginx.conf", "-e", self._here / "error.log"]
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return self
            except OSError:
                assert time.monotonic() < deadline, (self._here / "error.log").read_text()
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def statuses(self) -> list[int]:
        """The status of every answer that ended."""
        text = (self._here / "access.log").read_text()
        return [int(status) for status in re.findall(r'HTTP/1\.1" (\d+) ', text)]


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def make_certificates(here: Path) -> None:
    """A certificate authority, and a certificate of it for this machine."""
    (here / "names").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
        "authorityKeyIdentifier=keyid\n"
    )
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(here, "req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=Authority of the tests", *usage)  # fmt: skip
    openssl(here, "req", *KEY, "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=localhost")  # fmt: skip
    openssl(here, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names")  # fmt: skip


def openssl(here: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=here, check=True, capture_output=True)
