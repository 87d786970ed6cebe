"""Pins and licences: what is asked for, once, and what is refused."""

import json

import pytest

from zoo.errors import HashMismatchError, UsageError, VerificationError
from zoo.registry.cache import Cache
from zoo.registry.fetch import fetch


def with_license(models, text):
    readme = models / "tiny/readme.md"
    lines = [line for line in readme.read_text().splitlines() if not line.startswith("license")]
    lines[1:1] = [f"license: {text}"] if text else []
    readme.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("text", ["non-commercial", "CC BY-NC 4.0", "ask Bob first"])
def test_a_licence_that_restricts_is_asked_for_once(models, own_zoo_home, text):
    with_license(models, text)
    with pytest.raises(UsageError, match="--accept-license") as error:
        fetch("tiny", models)
    assert error.value.exit_code == 2
    assert text in str(error.value)
    assert not (own_zoo_home / "models/tiny").exists()
    assert fetch("tiny", models, accept_license=True).downloaded
    assert fetch("tiny", models, force=True).downloaded
    Cache().remove("tiny")
    assert fetch("tiny", models).downloaded
    facts = json.loads((own_zoo_home / "consent.json").read_text())
    assert facts["licences"]["tiny"]["stated"] == text


def test_another_licence_is_asked_for_again(models):
    with_license(models, "non-commercial")
    fetch("tiny", models, accept_license=True)
    with_license(models, "CC BY-NC-ND 4.0")
    with pytest.raises(UsageError, match="CC BY-NC-ND"):
        fetch("tiny", models, force=True)


@pytest.mark.parametrize("text", ["MIT", "BSD 2-clause", "GPL-3.0-only", "unrestricted", None])
def test_other_licences_are_not_asked_for(models, own_zoo_home, text):
    with_license(models, text)
    assert fetch("tiny", models).downloaded
    assert not (own_zoo_home / "consent.json").exists()


def test_the_one_who_is_asked_decides(models):
    with_license(models, "non-commercial")
    asked = []
    with pytest.raises(UsageError, match="not accepted"):
        fetch("tiny", models, accept_license=lambda text: bool(asked.append(text)))
    assert "research only, no commercial use" in asked[0]
    assert fetch("tiny", models, accept_license=lambda text: True).downloaded
    assert fetch("tiny", models, accept_license=lambda text: False, force=True).downloaded


def test_a_pin_that_fits_is_verified(models):
    sha1 = fetch("tiny", models).model.record.files["tiny.caffemodel"].sha1
    for pin in (sha1[:8], sha1[:15].upper(), sha1):
        assert fetch(f"tiny@sha1:{pin}", models).name == "tiny"
        assert fetch(f"tiny@sha1:{pin}", models, force=True).downloaded
    sha256 = fetch("tiny", models).model.record.files["tiny.caffemodel"].sha256
    assert (
        f"sha256:{sha256[:10]}" in fetch(f"tiny@sha256:{sha256[:10]}", models, force=True).verified
    )


def test_a_pin_that_does_not_fit_says_which_one_is_there(models, own_zoo_home):
    with pytest.raises(HashMismatchError, match="by its card has the weights sha1:.*not sha1:0123"):
        fetch("tiny@sha1:01234567", models)
    assert not (own_zoo_home / "models/tiny").exists()
    sha1 = fetch("tiny", models).model.record.files["tiny.caffemodel"].sha1
    with pytest.raises(HashMismatchError, match="in the cache has the weights") as error:
        fetch("tiny@sha1:01234567", models)
    assert (error.value.exit_code, error.value.received) == (3, sha1)


def test_a_pin_of_the_other_kind_is_checked_on_what_came(models, own_zoo_home):
    with pytest.raises(HashMismatchError, match="as it came has the weights sha256:"):
        fetch("tiny@sha256:01234567", models)
    assert not (own_zoo_home / "models/tiny").exists()
    assert list((own_zoo_home / "models").iterdir()) == []


def test_a_model_without_weights_cannot_be_pinned(models):
    (models / "tiny/tiny.caffemodel").unlink()
    (models / "tiny/readme.md").write_text("---\nname: Only a net\n---\n")
    with pytest.raises(VerificationError, match="no weights that could be sha1:01234567"):
        fetch("tiny@sha1:01234567", models)
