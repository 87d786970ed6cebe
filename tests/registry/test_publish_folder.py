"""Publishing into a folder that a web server offers: whole or not at all, and nothing by chance."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from publishable import DIGITS, SHA1, WEIGHTS, fill_in, write_digits

import zoo
from zoo.errors import PublishError, UnavailableError, UsageError, VerificationError
from zoo.publishing import publish
from zoo.registry.catalogue import Registry
from zoo.registry.fetch import fetch
from zoo.registry.publish_folder import FolderPlace
from zoo.registry.publish_plan import Publication, PublishedFile

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "examples/digits").glob("*.png"))


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "published"


def test_a_model_goes_round_and_is_the_same_elsewhere(digits, place, serve, monkeypatch, tmp_path):
    published = publish(digits, str(place))
    assert published.command == f"zoo fetch my_digits@sha1:{SHA1} --source {place}"
    server = serve(place)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    result = fetch(published.command.split()[2], server.url)
    assert result.verified == (f"sha1:{SHA1}", f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}")
    ours = zoo.classify(digits, PICTURES, top=1)
    theirs = zoo.classify("my_digits", PICTURES, top=1)
    assert [one.predictions for one in ours] == [one.predictions for one in theirs]
    assert [one.predictions[0].label for one in ours] == ["four", "one", "three", "two", "zero"]


def test_the_printed_line_works_as_it_stands(digits, tmp_path, monkeypatch):
    published = publish(digits, str(tmp_path / "a folder"), name="It's mine")
    words = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {published.command.removeprefix('zoo ')}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    from zoo.cli.main import main

    assert main(words) == 0


def test_what_is_there_is_replaced_only_when_asked(digits, place):
    publish(digits, str(place))
    with pytest.raises(UsageError, match=r"has a my_digits already, with the same weights.*--up"):
        publish(digits, str(place))
    net = zoo.Net.read(digits / "deploy.prototxt").initialized(seed=5)
    net.save(weights=digits / "my_digits.caffemodel")
    with pytest.raises(UsageError, match=f"other weights .sha1 {SHA1}."):
        publish(digits, str(place), rehash=True)
    with pytest.raises(UsageError, match="other weights"):
        publish(digits, str(place), rehash=True, dry_run=True)
    assert (place / "my_digits/my_digits.caffemodel").read_bytes() == WEIGHTS
    (digits / "labels.txt").rename(digits / "names.txt")
    fill_in(digits, labels="names.txt")
    publish(digits, str(place), update=True, rehash=True)
    assert (place / "my_digits/my_digits.caffemodel").read_bytes() != WEIGHTS
    assert not (place / "my_digits/labels.txt").exists()
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []


def test_a_broken_card_that_is_there_can_be_replaced(digits, place):
    publish(digits, str(place))
    (place / "my_digits/readme.md").write_text("Just prose.\n")
    with pytest.raises(UsageError, match="whose card is not fit to be read"):
        publish(digits, str(place))
    publish(digits, str(place), update=True)
    assert Registry(place).find("my_digits").card.sha1 == SHA1


def test_revising_what_is_not_there_is_refused(digits, place):
    with pytest.raises(UsageError, match=r"no my_digits at .* to revise"):
        publish(digits, str(place), update=True)
    assert not (place / "my_digits").exists()


def test_the_index_grows_with_each_model(digits, place):
    publish(digits, str(place))
    publish(digits, str(place), name="second")
    assert list(json.loads((place / "index.json").read_text())["models"][1]["files"]) == [
        "deploy.prototxt",
        "labels.txt",
        "my_digits.caffemodel",
        "readme.md",
    ]
    assert [entry.name for entry in Registry(place).list()][:2] == ["my_digits", "second"]


def test_a_model_is_not_published_into_itself(digits):
    for place in (digits, digits.parent):
        with pytest.raises(PublishError, match="already|the model directory itself"):
            publish(digits, str(place))
    (digits.parent / "file").touch()
    with pytest.raises(PublishError, match="is a file"):
        publish(digits, str(digits.parent / "file"))
    with pytest.raises(UsageError, match="cannot be the name"):
        publish(digits, str(digits.parent / "x"), name="../x")
    with pytest.raises(UsageError, match="web server"):
        publish(digits, "https://models.example.org/")
    with pytest.raises(UsageError, match="--to is empty"):
        publish(digits, "")
    with pytest.raises(UsageError, match="--unlisted is for a new gist"):
        publish(digits, str(digits.parent / "x"), unlisted=True)


@pytest.fixture
def publication(digits, place):
    """A model that is checked, and then held back."""
    held = []

    class Held(FolderPlace):
        def put(self, publication, *, update):
            held.append(publication)
            return super().put(publication, update=update)

    from zoo import publishing

    original = publishing.place_at
    publishing.place_at = lambda text, **_: Held(text)
    try:
        publish(digits, str(place))
    finally:
        publishing.place_at = original
    return held[0]


def test_weights_that_change_while_they_are_published_are_refused(publication, digits, place):
    (digits / "my_digits.caffemodel").write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(VerificationError, match="has changed since it was checked"):
        FolderPlace(place).put(publication, update=True)
    assert (place / "my_digits/my_digits.caffemodel").read_bytes() == WEIGHTS
    assert not list(place.glob(".partial*"))


def test_a_full_or_closed_folder_leaves_what_was_there(publication, place, monkeypatch):
    before = (place / "my_digits/readme.md").read_bytes()
    monkeypatch.setattr(PublishedFile, "pieces", _no_space)
    with pytest.raises(UnavailableError, match=r"cannot be written: No space left") as error:
        FolderPlace(place).put(publication, update=True)
    assert error.value.exit_code == 4
    assert (place / "my_digits/readme.md").read_bytes() == before
    assert not list(place.glob(".partial*"))


def _no_space(self):
    raise OSError(28, "No space left on device")


def test_what_a_killed_publication_left_is_finished(publication, place):
    (place / "my_digits").rename(place / ".old-my_digits-01234567")
    (place / ".partial-my_digits-01234567").mkdir()
    FolderPlace(place).put(publication, update=True)
    assert sorted(path.name for path in place.iterdir()) == ["index.json", "my_digits"]


def test_a_publication_that_is_killed_at_any_moment_leaves_a_whole_model(publication, place):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from zoo.registry.publish_folder import FolderPlace\n"
        "from zoo.registry.publish_plan import Publication, PublishedFile\n"
        "from zoo.registry.hashes import hash_file\n"
        "from zoo.registry.card import Card\n"
        "from pathlib import Path\n"
        "d = Path(sys.argv[2])\n"
        "w = PublishedFile.of(d / 'my_digits.caffemodel')\n"
        "p = Publication('my_digits', Card.read(d / 'readme.md'), (), w, hash_file(w.path))\n"
        "print('ready', flush=True)\n"
        "while True: FolderPlace(sys.argv[3]).put(p, update=True)\n"
    )
    directory = publication.weights.path.parent
    for wait in (0.0, 0.003, 0.011, 0.02):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(ROOT), str(directory), str(place)],
            stdout=subprocess.PIPE,
        ) as process:
            process.stdout.readline()
            time.sleep(wait)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        FolderPlace(place).put(publication, update=True)
        assert (place / "my_digits/my_digits.caffemodel").read_bytes() == WEIGHTS
        assert Registry(place).find("my_digits").card.sha1 == SHA1


def test_many_publish_into_one_folder_at_once(publication, place):
    errors = []

    def put(number):
        named = Publication(
            f"model_{number}",
            publication.card,
            publication.files,
            publication.weights,
            publication.hashes,
        )
        try:
            FolderPlace(place).put(named, update=False)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    names = [model["name"] for model in json.loads((place / "index.json").read_text())["models"]]
    assert names == [*(f"model_{number}" for number in range(8)), "my_digits"]
    assert DIGITS.is_dir()
