"""What is fetched from where, decided without files or network."""

import pytest

from zoo.errors import UnavailableError, UsageError
from zoo.registry.card import Card
from zoo.registry.plan import plan_fetch
from zoo.registry.storage import RemoteFile

SHA1 = "ab" * 20


def card(**keys):
    lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return Card.parse(f"---\nname: x\n{lines}---\n", "x/readme.md")


def names(*files):
    return [RemoteFile(name, 10) for name in files]


def test_weights_beside_the_card_come_before_its_address_and_last():
    plan = plan_fetch(
        card(caffemodel="x.caffemodel", caffemodel_url="http://h/x", sha1=SHA1),
        names("x.caffemodel", "readme.md", "deploy.prototxt", "snapshot.caffemodel", "zoo.json"),
    )
    assert [file.name for file in plan.files] == ["readme.md", "deploy.prototxt", "x.caffemodel"]
    assert plan.weights == "x.caffemodel"
    assert plan.files[-1].urls == ()
    assert [str(promise) for promise in plan.files[-1].expected] == [f"sha1:{SHA1}"]
    assert plan.bytes == 30


def test_weights_that_are_not_beside_come_from_the_address():
    facts = {"caffemodel_url": "https://h/a/x%20y.caffemodel?dl=1", "size_bytes": 99}
    plan = plan_fetch(card(**facts), names("readme.md"))
    assert (plan.files[-1].name, plan.files[-1].size) == ("x y.caffemodel", 99)
    assert plan.files[-1].urls == (facts["caffemodel_url"],)


def test_both_hashes_are_expected_where_both_are_given():
    plan = plan_fetch(card(sha1=SHA1, sha256="cd" * 32), names("x.caffemodel"))
    assert [promise.algorithm for promise in plan.files[-1].expected] == ["sha1", "sha256"]


def test_a_hash_that_is_none_is_refused_before_anything_is_fetched():
    with pytest.raises(UsageError, match=r"x/readme\.md: sha1: 'TODO' is not a hash"):
        plan_fetch(card(sha1="TODO"), names("x.caffemodel"))


def test_weights_that_are_nowhere_are_an_error():
    with pytest.raises(UnavailableError, match=r"x\.caffemodel are not beside the card"):
        plan_fetch(card(caffemodel="x.caffemodel"), names("readme.md"))


def test_the_address_of_a_folder_gives_no_weights():
    with pytest.raises(UnavailableError, match="it is the address of a folder"):
        plan_fetch(card(caffemodel_url="https://h/"), names("readme.md"))


def test_a_model_without_weights_is_fetched_and_said_so():
    plan = plan_fetch(card(), names("readme.md", "deploy.prototxt"))
    assert plan.weights is None
    assert plan.note == "the card names no weights, so there are none"


def test_shared_labels_are_taken_only_by_a_model_without():
    shared = names("imagenet_synsets.txt", "readme.md")
    assert plan_fetch(card(), names("readme.md"), shared).files[-1].shared
    assert not any(f.shared for f in plan_fetch(card(), names("labels.txt"), shared).files)
    assert not any(f.shared for f in plan_fetch(card(labels="n.txt"), [], shared).files)
    two = names("imagenet_synsets.txt", "labels.txt")
    assert not any(f.shared for f in plan_fetch(card(), names("readme.md"), two).files)


def test_names_that_lead_elsewhere_are_left_out():
    plan = plan_fetch(card(), names("readme.md", "../evil.txt", "/etc/passwd.txt", ".profile.txt"))
    assert [file.name for file in plan.files] == ["readme.md"]


def test_definitions_at_addresses_are_planned_and_only_the_one_in_use_is_needed():
    facts = {
        "prototxt": "[https://h/a/x_deploy.prototxt, https://h/solver.prototxt, https://h/t.pt]",
        "caffemodel_url": "https://h/x.caffemodel",
    }
    plan = plan_fetch(card(**facts), names("readme.md"))
    definitions = {file.name: file for file in plan.files[1:-1]}
    assert list(definitions) == ["x_deploy.prototxt", "solver.prototxt", "t.prototxt"]
    assert [file.optional for file in definitions.values()] == [False, True, True]
    assert plan_fetch(card(**facts), names("readme.md", "solver.prototxt")).files[1].urls == ()


def test_a_definition_over_http_without_a_hash_is_not_needed():
    facts = {"prototxt": "http://h/deploy.prototxt", "caffemodel_url": "https://h/x.caffemodel"}
    assert plan_fetch(card(**facts), names("readme.md")).files[1].optional
    facts["prototxt_sha1"] = f"{{deploy.prototxt: {SHA1}}}"
    plan = plan_fetch(card(**facts), names("readme.md"))
    assert [str(promise) for promise in plan.files[1].expected] == [f"sha1:{SHA1}"]
    assert not plan.files[1].optional


def test_mirrors_follow_and_pages_for_people_are_left_out():
    facts = {
        "caffemodel_url": "https://www.dropbox.com/s/a/x.caffemodel?dl=0",
        "mirrors": "[https://mega.nz/#!a, https://h/x.caffemodel, http://h/all.tar.gz]",
    }
    weights = plan_fetch(card(**facts), names("readme.md")).weights_file
    assert weights.urls == (
        "https://www.dropbox.com/s/a/x.caffemodel?dl=1",
        "https://h/x.caffemodel",
    )
    assert (weights.archives, weights.name) == (("http://h/all.tar.gz",), "x.caffemodel")


def test_weights_that_nobody_named_get_a_name():
    plan = plan_fetch(card(caffemodel_url="https://drive.google.com/open?id=1"), [])
    assert plan.weights == "weights.caffemodel"
    plan = plan_fetch(card(caffemodel_url="https://h/models.zip"), [])
    assert (plan.weights, plan.weights_file.member) == ("weights.caffemodel", "")
    plan = plan_fetch(card(caffemodel_url="https://h/m.zip", archive_member="a/b.caffemodel"), [])
    assert (plan.weights, plan.weights_file.member) == ("b.caffemodel", "a/b.caffemodel")


def test_every_entry_of_the_catalogue_has_a_plan_or_a_reason():
    from zoo.registry.storage.known import KnownSource

    source = KnownSource()
    for name in source.list():
        try:
            plan = plan_fetch(source.card(name), source.files(name))
        except UnavailableError:  # an address for people alone
            continue
        assert plan.files[0].name == "readme.md"
        assert plan.weights is None or plan.weights_file.is_elsewhere
        assert "uc" not in [file.name for file in plan.files]
