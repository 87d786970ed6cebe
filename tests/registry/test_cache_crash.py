"""A process killed at any moment costs time and nothing else.

Each change of the cache is made again and again, killed by itself before its first change of the
file system, before its second, and so on, until it gets through; and fetches are killed from
outside at random moments. After each kill the cache is read, verified, changed again and compared.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from zoo.registry.cache import Cache
from zoo.registry.cache_gc import collect, find_waste
from zoo.registry.fetch import fetch

ROOT = Path(__file__).parents[2]

DRIVER = """
import itertools, json, os, shutil, signal, sys
from pathlib import Path
from zoo.registry.cache import Cache
from zoo.registry.cache_carry import import_models
from zoo.registry.cache_gc import collect, find_waste
from zoo.registry.fetch import fetch

os.fsync = lambda descriptor: None  # against loss of power; a killed process needs none
action, start, home, models, needed = json.loads(sys.argv[1])
ACTIONS = {
    "fetch": lambda: fetch("tiny", models, cache=Cache(home)),
    "force": lambda: fetch("tiny", models, cache=Cache(home), force=True),
    "remove": lambda: Cache(home).get("tiny") and Cache(home).remove("tiny"),
    "import": lambda: import_models(Cache(home), models, force=True),
    "collect": lambda: collect(Cache(home), find_waste(Cache(home))),
}
CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def killed_before(step):
    steps = itertools.count(1)
    def hook(event, arguments):
        changes = event in CHANGES or (event == "open" and arguments[2] & WRITING)
        if changes and next(steps) == step:
            os.kill(os.getpid(), 9)
    sys.addaudithook(hook)

def run(step):
    child = os.fork()
    if child == 0:
        killed_before(step)
        ACTIONS[action]()
        os._exit(0)
    return os.waitpid(child, 0)[1]

def check(step):
    cache = Cache(home)
    there = [model.name for model in cache.models()]
    assert set(needed) <= set(there), (step, there)
    for name in there:
        cache.verify(name)
        assert cache.get(name).damage() == "", (step, name)

def contents():
    cache = Cache(home)
    collect(cache, find_waste(cache))
    assert find_waste(cache) == []
    files = (path for path in Path(home).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(home)) for path in files if path.parent.name != "locks")

wanted = None
for step in [0, *range(1, 1000)]:
    shutil.rmtree(home)
    shutil.copytree(start, home, symlinks=True)
    status = run(step)
    check(step)
    if status and status != 9:
        raise SystemExit(f"step {step}: status {status}")
    ACTIONS[action]()
    check(step)
    if step == 0:
        wanted = contents()
    assert contents() == wanted, (step, contents(), wanted)
    if step and not status:
        break
print(step)
"""


def every_step(action, home, start, models, needed=()):
    """Kill an action before each of its steps; how many steps it has."""
    subprocess.run(["cp", "-a", str(home), str(start)], check=True)
    arguments = json.dumps([action, str(start), str(home), str(models), needed])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


def test_a_fetch_killed_at_any_step(models, own_zoo_home, tmp_path):
    fetch("other", models, accept_license=True)
    steps = every_step("fetch", own_zoo_home, tmp_path / "start", models, ["other"])
    assert steps > 20


def test_a_replacement_killed_at_any_step_leaves_the_old_or_the_new(models, own_zoo_home, tmp_path):
    fetch("tiny", models)
    readme = models / "tiny/readme.md"
    weights = models / "tiny/tiny.caffemodel"
    weights.write_bytes(b"a new version")
    lines = [line for line in readme.read_text().splitlines() if not line.startswith("sha1")]
    readme.write_text("\n".join(lines))
    assert every_step("force", own_zoo_home, tmp_path / "start", models, ["tiny"]) > 20


def test_a_removal_killed_at_any_step(models, own_zoo_home, tmp_path):
    fetch("tiny", models)
    fetch("other", models, accept_license=True)
    assert every_step("remove", own_zoo_home, tmp_path / "start", models, ["other"]) > 8


def test_bringing_a_layout_up_to_date_killed_at_any_step(models, own_zoo_home, tmp_path):
    fetch("tiny", models)
    fetch("other", models, accept_license=True)
    for path in own_zoo_home.glob("blobs/sha256/*"):
        path.unlink()
    (own_zoo_home / "LAYOUT").write_text("1\n")
    start = tmp_path / "start"
    assert every_step("force", own_zoo_home, start, models, ["tiny", "other"]) > 25


def test_an_import_killed_at_any_step(models, own_zoo_home, tmp_path):
    fetch("tiny", models, cache=Cache(tmp_path / "carried"))
    fetch("tiny", models)
    fetch("other", models, accept_license=True)
    needed = ["tiny", "other"]
    start = tmp_path / "start"
    assert every_step("import", own_zoo_home, start, tmp_path / "carried", needed) > 15


def test_a_collection_killed_at_any_step(models, own_zoo_home, tmp_path):
    fetch("tiny", models)
    (own_zoo_home / "blobs/sha256" / ("0" * 64)).write_bytes(b"loose")
    partial = own_zoo_home / "models" / f".partial-other-{'0' * 32}"
    partial.mkdir()
    (partial / "readme.md").write_text("x")
    assert every_step("collect", own_zoo_home, tmp_path / "start", models, ["tiny"]) > 5


FORK = """
import os, sys
from zoo.registry.fetch import fetch
from zoo.registry import assemble, download
from zoo.registry.storage import http
while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        fetch("tiny", sys.argv[1])
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # before that its number belongs to no other process
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


def test_fetches_killed_at_random_moments(server):
    """Many kills; what one of them left the next one goes on with, and no bytes are lost."""
    rng = random.Random(0)
    process = subprocess.Popen(
        [sys.executable, "-c", FORK, server.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    killed = 0
    with process:
        for _ in range(60):
            process.stdin.write("\n")
            process.stdin.flush()
            child = int(process.stdout.readline())
            time.sleep(rng.uniform(0, 0.12))
            os.kill(child, signal.SIGKILL)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "gone\n"
            model = Cache().get("tiny")
            if model is not None:
                Cache().verify("tiny")
                Cache().remove("tiny")
            else:
                killed += 1
        process.stdin.close()
    assert killed > 5
    fetch("tiny", server.url)
    cache = Cache()
    cache.verify("tiny")
    collect(cache, find_waste(cache))
    assert [path.name for path in cache.directories()] == ["tiny"]
    assert len(cache.blobs.sizes()) == 1
    assert [path.name for path in cache.parts.iterdir()] == []
