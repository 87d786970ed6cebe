"""Several processes at once, a process killed half way, a disk that is full: all of them real."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.registry.cache import Cache
from zoo.registry.fetch import fetch

ROOT = Path(__file__).parents[2]

FETCH = """
import json, sys
from zoo.errors import ZooError
from zoo.registry.fetch import fetch
try:
    result = fetch("tiny", sys.argv[1])
    print(json.dumps([result.downloaded, result.model.damage(), str(result.model.weights)]))
except ZooError as error:
    print(json.dumps([type(error).__name__, error.exit_code, str(error)]))
"""


def start(url: str, before: str = "", home: Path | None = None, wrap: tuple[str, ...] = ()):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if home is not None:
        environment["ZOO_HOME"] = str(home)
    command = [*wrap, sys.executable, "-c", before + FETCH, url]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT, text=True)


def answer(process):
    output, _ = process.communicate(timeout=60)
    return json.loads(output)


def test_twenty_processes_make_one_download_and_twenty_good_results(server):
    server.faults["/tiny/tiny.caffemodel"] = "late"  # so that all of them want it at once
    answers = [answer(process) for process in [start(server.url) for _ in range(20)]]
    assert sorted(downloaded for downloaded, _, _ in answers) == [False] * 19 + [True]
    assert {damage for _, damage, _ in answers} == {""}
    assert server.requests.count("/tiny/tiny.caffemodel") == 1
    Cache().verify("tiny")


CACHED = """
import sys
from zoo.cli.main import main
assert main(["fetch", "lenet_digits", "--quiet"]) == 0
heavy = {"tensorflow", "keras", "requests", "rich", "h5py", "sklearn", "matplotlib"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_a_cached_fetch_imports_nothing_heavy(own_zoo_home):
    """What takes time; benchmarks/registry.py measures how much."""
    fetch("lenet_digits")
    done = subprocess.run(
        [sys.executable, "-c", CACHED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"
    assert done.stdout == f"{own_zoo_home / 'models' / 'lenet_digits'}\n"


def test_a_killed_fetch_leaves_no_model_and_the_next_one_cleans_up(server, own_zoo_home):
    server.faults["/tiny/tiny.caffemodel"] = "slowly"
    process = start(server.url)
    models = own_zoo_home / "models"
    deadline = time.monotonic() + 30
    while not list((own_zoo_home / "parts").glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [path.name.startswith(".partial-tiny-") for path in models.iterdir()] == [True]
    assert Cache().get("tiny") is None
    server.faults.clear()
    assert fetch("tiny", server.url).downloaded
    assert [path.name for path in models.iterdir()] == ["tiny"]


def expect_full(result, home):
    kind, code, message = result
    assert (kind, code) == ("UnavailableError", 4)
    assert "is full" in message
    assert str(home) in message
    assert "ZOO_HOME" in message


def test_a_file_that_may_not_grow_is_a_full_disk(server, own_zoo_home):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    expect_full(answer(start(server.url, limit)), own_zoo_home)
    assert list((own_zoo_home / "models").iterdir()) == []


MOUNT = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
SMALL_DISK = 'mount -t tmpfs -o size=128k none "$ZOO_HOME" && "$@" && ls -A "$ZOO_HOME/models"'


def can_mount(folder: Path) -> bool:
    command = [*MOUNT, f"mount -t tmpfs none {folder}"]
    return shutil.which("unshare") is not None and not subprocess.run(command, check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode  # fmt: skip


@pytest.mark.parametrize("announced", [True, False])
def test_a_full_disk_is_said_and_leaves_nothing(server, tmp_path, announced):
    home = tmp_path / "small"
    home.mkdir()
    if not can_mount(home):
        pytest.skip("this system lets nobody mount a small disk; the limit on files is tested")
    if not announced:
        server.faults["/tiny/tiny.caffemodel"] = "without_length"
    output, _ = start(server.url, home=home, wrap=(*MOUNT, SMALL_DISK, "sh")).communicate(
        timeout=60
    )
    first, *left = output.splitlines()
    expect_full(json.loads(first), home)
    assert left == []
    if announced:
        assert "307200 bytes" in first
