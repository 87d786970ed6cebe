"""Fetching a large file from a web server on this machine, beside curl, pooch and huggingface_hub.

The server is nginx. curl only writes the file; pooch takes its SHA-256 afterwards; huggingface_hub
compares its size; zoo takes SHA-1 and SHA-256 while it comes, and asks the disk to keep it.
A second server gives each connection a part of its rate only, as far-away ones seem to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import Peer, paired_ratio
from benchmarks.tables import against, table

__all__ = ["rows", "section"]

MEBIBYTES = 512
ROUNDS = 9
LIMITED_ROUNDS = 3
RATE = "64m"  # bytes a second for each connection
NAME = "weights.caffemodel"
COMMIT = "0" * 40

CONFIGURATION = """
daemon off; pid {here}/pid; error_log {here}/error.log; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; root {here}/root;
  client_body_temp_path {here}/a; proxy_temp_path {here}/b; fastcgi_temp_path {here}/c;
  uwsgi_temp_path {here}/d; scgi_temp_path {here}/e;
  server {{
    listen 127.0.0.1:{port};
    location /limited/ {{ alias {here}/root/; limit_rate {rate}; }}
    location /bench/model/resolve/main/ {{
      alias {here}/root/; add_header X-Repo-Commit {commit};
    }}
  }}
}}
"""


def rows(mebibytes: int = MEBIBYTES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure every way, in turns.

    Returns
    -------
    One row a way and server: ``server`` ("open" or "limited"), ``way``, ``median_s``, ``min_s``,
    ``mib_per_s`` at the median, and ``ratio``, the time of zoo relative to this way's.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        digest = write_file(here / "root" / NAME, mebibytes)
        with nginx(here) as url:
            return [
                *measured("open", f"{url}/", digest, here, mebibytes, rounds, list(WAYS)),
                *measured(
                    "limited",
                    f"{url}/limited/",
                    digest,
                    here,
                    mebibytes,
                    min(rounds, LIMITED_ROUNDS),
                    ["zoo", "curl", "pooch"],
                ),
            ]


def measured(
    server: str, url: str, digest: str, here: Path, mebibytes: int, rounds: int, ways: list[str]
) -> list[dict[str, Any]]:
    """The rows of one server."""
    times: dict[str, list[list[float]]] = {way: [] for way in ways}
    with ExitStack() as running:
        peers = {
            way: running.enter_context(
                Peer("benchmarks.download", way, url, str(here / f"{server}-{way}"), digest)
            )
            for way in ways
        }
        for number in range(rounds + 1):
            for way, peer in peers.items():
                seconds = peer.ask(round=number)
                if number:  # the first one only warms up
                    times[way].append([seconds])
    return [
        {
            "server": server,
            "way": way,
            "median_s": (median := statistics.median(one for (one,) in found)),
            "min_s": min(one for (one,) in found),
            "mib_per_s": mebibytes / median,
            "ratio": paired_ratio(times["zoo"], found),
        }
        for way, found in times.items()
    ]


def write_file(path: Path, mebibytes: int) -> str:
    """Write random bytes; their SHA-256."""
    path.parent.mkdir(parents=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(mebibytes):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


@contextmanager
def nginx(here: Path) -> Iterator[str]:
    """A running nginx; its address."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = "user root;" if os.getuid() == 0 else ""
    text = CONFIGURATION.format(here=here, port=port, user=user, rate=RATE, commit=COMMIT)
    (here / "nginx.conf").write_text(text)
    process = subprocess.Popen([program, "-c", here / "nginx.conf", "-e", here / "error.log"])
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def section() -> str:
    """Downloads: a table a server."""
    servers = {
        "open": "nginx on this machine. Aim: at most 1.05 of curl's time, two hashes and all.",
        "limited": f"The same, but {RATE} bytes a second for each connection.",
    }
    found = rows()
    parts = [f"## Downloads\n\nA file of {MEBIBYTES} MiB."]
    for server, what in servers.items():
        lines = [
            (
                row["way"],
                f"{row['median_s']:.2f} ({row['min_s']:.2f})",
                f"{row['mib_per_s']:.0f}",
                against(row["ratio"], 1.05 if (row["way"], server) == ("curl", "open") else None),
            )
            for row in found
            if row["server"] == server
        ]
        parts.append(f"{what}\n\n" + table(("way", "s", "MiB/s", "zoo / this"), lines))
    return "\n\n".join(parts)


def with_zoo(url: str, folder: Path, digest: str) -> Path:
    from zoo.registry.download import Expected, download

    target = folder / NAME
    download([url + NAME], target, expected=Expected(sha256=digest), parts=folder / "parts")
    return target


def with_curl(url: str, folder: Path, digest: str) -> Path:
    target = folder / NAME
    subprocess.run(["curl", "-sSf", "-o", target, url + NAME], check=True)
    return target


def with_pooch(url: str, folder: Path, digest: str) -> Path:
    import pooch

    return Path(pooch.retrieve(url + NAME, f"sha256:{digest}", fname=NAME, path=folder))


def with_huggingface_hub(url: str, folder: Path, digest: str) -> Path:
    os.environ |= {"HF_ENDPOINT": url.rstrip("/"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download("bench/model", NAME, cache_dir=folder))


WAYS: dict[str, Callable[[str, Path, str], Path]] = {
    "zoo": with_zoo,
    "curl": with_curl,
    "pooch": with_pooch,
    "huggingface_hub": with_huggingface_hub,
}


def main(way: str, url: str, folder: Path, digest: str) -> None:
    """Answer every line on stdin with the seconds that one download took."""
    if way == "pooch":
        import pooch

        pooch.get_logger().setLevel("ERROR")
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        folder.mkdir()
        started = time.perf_counter()
        target = WAYS[way](url, folder, digest)
        seconds = time.perf_counter() - started
        if json.loads(line)["round"] == 0:
            assert hashlib.sha256(target.read_bytes()).hexdigest() == digest
        shutil.rmtree(folder)
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
