"""The catalogue: every entry is whole, says where its facts come from, and is found."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from zoo.errors import DownloadError, UnknownModelError
from zoo.registry.bibliography import read_bibtex
from zoo.registry.catalogue import Registry
from zoo.registry.cite import collect
from zoo.registry.known import CATALOGUE, known, known_hash, resolve, tasks
from zoo.registry.licence import CLASSES, read_license, restricts
from zoo.registry.storage import Listing, Storage
from zoo.registry.storage.known import KnownSource

SCHEMA = json.loads((Path(__file__).parent / "catalogue.schema.json").read_text())
DATASETS = set(yaml.safe_load((CATALOGUE.parent / "citations.yaml").read_text())) - {"caffe"}


@pytest.fixture(params=sorted(known()))
def entry(request):
    return known()[request.param]


def facts_of(shared):
    """The reference's facts by name."""
    return {e["name"]: e for e in yaml.safe_load((shared / "zoo_catalogue.yaml").read_text())}


def test_an_entry_follows_the_schema(entry):
    jsonschema.Draft202012Validator(SCHEMA).validate(dict(entry.facts))


def test_an_entry_is_a_card_that_says_the_same(entry):
    card = entry.card()
    assert (card.name, card.value("task")) == (entry.title, entry.task)
    assert (card.sha1, card.sha256, card.size_bytes) == (
        entry.sha1,
        entry.sha256,
        entry.size_bytes,
    )
    assert (card.caffemodel, card.caffemodel_url) == (
        entry.caffemodel,
        entry.facts.get("caffemodel_url"),
    )
    assert card.input == entry.input
    assert (card.citation or "") == (entry.citation or "").strip()
    assert (card.labels, card.prototxt) == (None, None)  # no file of these lies beside it


def test_a_complete_input_prepares_pictures(entry):
    section = entry.facts.get("input")
    if section is None:
        assert entry.input is None
    else:
        assert list(entry.input.size) == section["size"]
        assert list(entry.input.mean) == section["mean"]
        assert (entry.input.channels, entry.input.scale) == (
            section["channels"],
            section.get("scale", 1),
        )


def test_what_an_input_lacks_is_named(entry):
    incomplete = entry.facts.get("input_incomplete", {"missing": []})
    assert not {"size", "mean"} & set(incomplete["missing"]) & set(incomplete)
    assert ("channels" in incomplete["missing"]) == (
        "input_incomplete" in entry.facts
        and incomplete.get("channels") not in ("BGR", "RGB", "GRAY")
    )


def test_a_license_as_stated_and_as_spdx_agree(entry):
    stated = read_license(entry.facts.get("license"))
    assert stated.id == entry.license.id
    assert entry.license.kind in CLASSES
    assert (entry.license.kind == "not stated") == (entry.license.terms is None)


def test_a_citation_parses(entry):
    if entry.citation:
        (reference,) = read_bibtex(entry.citation, entry.name)
        assert reference.authors
        assert {"title", "year"} <= reference.fields.keys()


def test_other_entries_and_data_sets_that_are_named_exist(entry):
    for other in (*entry.facts.get("derived_from", ()), *entry.facts.get("also_cite", ())):
        assert other in known()
        assert other != entry.name
    assert set(entry.facts.get("datasets", ())) <= DATASETS


def test_a_catalogued_model_does_not_break_the_license_of_its_source(entry):
    for base in entry.facts.get("derived_from", ()):
        reason = restricts(entry.license, known()[base].license)
        assert reason is None or "no licence" in reason


def test_labels_that_are_known_by_name_are_as_many_as_the_outputs(entry):
    if entry.label_names:
        assert len(entry.label_names) == entry.facts["classes"]["count"]


def test_every_fact_of_the_reference_is_here_and_none_is_added(shared):
    reference = facts_of(shared)
    assert set(reference) == set(known())
    same = ("caffemodel", "caffemodel_url", "mirrors", "archive_member", "archive_sha1", "md5")
    same += ("archive_md5", "sha1", "sha256", "size_bytes", "license", "license_url", "gist_id")
    same += ("gist_owner", "caffe_commit", "caffe_version", "classes", "accuracy", "arxiv", "notes")
    same += ("params_million", "prototxt_sha1", "task", "on_wiki")
    for name, theirs in reference.items():
        ours = known()[name].facts
        assert {k: ours.get(k) for k in same} == {k: theirs.get(k) for k in same}, name
        assert ours["name"] == theirs["title"]
        assert (ours.get("citation") or "").strip() == (theirs.get("citation") or "").strip()
        assert len(ours.get("prototxt", ())) + len(ours.get("prototxt_members", ())) == len(
            theirs.get("prototxt", ())
        )
        sources = theirs["source"]
        assert ours["sources"] == (sources if isinstance(sources, dict) else {"default": sources})
        stated = dict(theirs.get("input", {}))
        section = ours.get("input") or ours.get("input_incomplete", {})
        assert section.get("size") == stated.get("size")
        assert section.get("channels") == stated.get("channel_order")
        assert section.get("scale") == stated.get("scale")
        if "mean" in stated:
            assert section["mean"] == stated["mean"]


def test_tasks_are_a_closed_vocabulary():
    assert set(tasks()) == set(SCHEMA["properties"]["task"]["enum"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bvlc_alexnet", "bvlc_alexnet"),
        ("AlexNet", "bvlc_alexnet"),
        ("ResNet-50", "resnet_50"),
        ("vgg16", "vgg_ilsvrc_16_layers"),
        ("BAIR/BVLC GoogleNet Model", "bvlc_googlenet"),
        ("VGG_FACE.caffemodel", "vgg_face"),
        ("no such model", None),
        ("", None),
    ],
)
def test_a_model_is_found_by_any_of_its_names(name, meant):
    assert resolve(name) == meant


def test_no_alias_hides_another_entry():
    for entry in known().values():
        assert resolve(entry.name) == entry.name
        assert all(resolve(alias) == entry.name for alias in entry.aliases), entry.name


def test_a_hash_tells_its_model():
    for entry in known().values():
        for digest in filter(None, (entry.sha1, entry.sha256, entry.md5)):
            assert known_hash(digest.upper()) == entry.name
    assert known_hash("0" * 40) is None


def test_an_entry_without_a_hash_is_not_pinned():
    assert known()["bvlc_alexnet"].pinned
    assert not known()["openpose_body_25"].pinned  # an md5 alone protects from nobody
    assert known()["openpose_body_25"].md5


def test_the_catalogue_is_a_source_of_cards_and_labels():
    source = KnownSource()
    assert isinstance(source, Storage)
    assert isinstance(source, Listing)
    assert [file.name for file in source.files("gender_net")] == ["readme.md", "labels.txt"]
    assert source.files("") == []
    with source.open("gender_net", "labels.txt") as (pieces, size):
        data = b"".join(pieces)
    assert (data, size) == (b"Male\nFemale\n", 12)
    with pytest.raises(DownloadError), source.open("gender_net", "deploy.prototxt"):
        pass
    with pytest.raises(UnknownModelError, match="Did you mean gender_net"):
        source.card("gender_nett")


def test_the_registry_ends_with_the_catalogue(own_zoo_home):
    registry = Registry()
    assert [source.name for source in registry.sources] == ["embedded", "catalogue"]
    assert registry.find("AlexNet").name == "bvlc_alexnet"
    with pytest.raises(UnknownModelError, match="Did you mean googlenet"):
        registry.find("gogle")
    assert list(own_zoo_home.iterdir()) == []


def test_a_model_of_ones_own_comes_before_the_catalogue(tmp_path):
    directory = tmp_path / "models" / "bvlc_alexnet"
    directory.mkdir(parents=True)
    (directory / "readme.md").write_text("---\nname: Mine\nlicense: MIT\n---\n")
    registry = Registry(tmp_path / "models")
    assert registry.find("bvlc_alexnet").card.name == "Mine"
    assert [e.title for e in registry.list() if e.name == "bvlc_alexnet"] == ["Mine"]


def test_every_entry_can_be_cited():
    found = collect(list(known()))
    assert len(found.references) > 80
    assert len({reference.key.lower() for reference in found.references}) == len(found.references)


def test_listing_is_quick():
    code = (
        "import time; start = time.perf_counter()\n"
        "from zoo.registry.catalogue import Registry\n"
        "assert len(Registry().list()) > 166\n"
        "print(time.perf_counter() - start)"
    )
    times = [
        float(subprocess.check_output([sys.executable, "-c", code], cwd=Path(__file__).parents[2]))
        for _ in range(3)
    ]
    assert min(times) < 0.5
