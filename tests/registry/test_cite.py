"""Citing models, what they were made from, and all that a project uses."""

import sys

import pytest
import yaml
from pybtex.database import parse_string

from zoo.errors import CardError, UnknownModelError, UsageError
from zoo.registry.bibliography import Author, made_up, read_bibtex, unique
from zoo.registry.cache import Cache
from zoo.registry.citation_styles import apa
from zoo.registry.cite import cite, collect, collect_project
from zoo.registry.usage import INTERACTIVE, record_use, uses

ENTRY = """\
@article{lecun1998gradient,
    author = {LeCun, Yann and Bottou, L{\\'e}on and van der Maaten, L. and {The Team}},
    title = {Gradient-based {Learning} \\& more},
    journal = "Proceedings of the " # "IEEE",
    volume = 86, number = {11}, pages = {2278--2324}, month = nov, year = {1998},
    doi = {https://doi.org/10.1109/5.726791},
}"""


def write_model(root, name, **keys):
    directory = root / name
    directory.mkdir(parents=True)
    lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
    (directory / "readme.md").write_text(f"---\nname: The {name}\n{lines}---\n\n{ENTRY}\n")


def roles(found):
    return [(work.role, work.model, work.reference.key) for work in found.works]


def test_names_accents_and_macros_are_read():
    (entry,) = read_bibtex(f"See our paper.\n\n{ENTRY}\n\nThanks.", "readme.md")
    assert (entry.key, entry.kind, entry.text) == ("lecun1998gradient", "article", ENTRY)
    assert entry.authors == (
        Author("LeCun", "Yann"),
        Author("Bottou", "Léon"),
        Author("van der Maaten", "L."),
        Author("The Team"),
    )
    assert entry.fields["title"] == "Gradient-based Learning & more"
    assert entry.fields["journal"] == "Proceedings of the IEEE"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no entry", "has no BibTeX entry"),
        ("\n@article{key,\n  title = {never closed}", "line 2 .* never closed"),
        ("@article{key, title {no equals sign}}", "line 1 .* no BibTeX"),
        ("@article{, title = {no key}}", "line 1"),
        ("@article{a b, title = {blank in the key}}", "line 1"),
        ("@article{key, title = undefined_macro}", "line 1"),
    ],
)
def test_what_is_no_bibtex_is_refused_with_its_line(text, problem):
    with pytest.raises(CardError, match=f"readme.md.*{problem}"):
        read_bibtex(text, "readme.md")


def test_a_hostile_text_ends_soon():
    with pytest.raises(CardError):
        read_bibtex("@a{b," + "{" * 200_000, "readme.md")


def test_the_same_work_is_there_once_and_keys_differ():
    entries = [
        "@misc{key, author = {A, B}, title = {First}, year = 1999}",
        "@article{other, author = {A, Bob}, title = {{FIRST}}, year = {1999}}",
        "@misc{Key, author = {A, B}, title = {Second}, year = 1999}",
        "@misc{KEY, author = {A, B}, title = {Third}, year = 1999}",
    ]
    chosen = unique(read_bibtex("\n".join(entries), "readme.md"))
    assert [reference.key for reference in chosen] == ["key", "Keyb", "KEYc"]
    parsed = parse_string("\n".join(reference.text for reference in chosen), "bibtex")
    assert list(parsed.entries) == ["key", "Keyb", "KEYc"]


def test_a_model_without_a_paper_gets_an_entry_that_parses():
    reference = made_up("my-net 2", "50% {of} R&D_", "https://host/a_b?c=1")
    assert reference.key == "my_net_2"
    assert reference.fields["title"] == "50% of R&D_"
    assert reference.fields["howpublished"] == "https://host/a_b?c=1"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            ENTRY,
            "LeCun, Y., Bottou, L., van der Maaten, L., & The Team (1998). Gradient-based Learning"
            " & more. Proceedings of the IEEE, 86(11), 2278–2324. https://doi.org/10.1109/5.726791",
        ),
        (
            "@inproceedings{a, author={Fu, Cheng-Yang}, title={Why?}, booktitle={CVPR}, pages=1}",
            "Fu, C.-Y. (n.d.). Why? In CVPR (pp. 1).",
        ),
        (
            "@misc{a, title = {Thing}, howpublished = {\\url{https://host/x}}, year = 2000}",
            "Thing. (2000). https://host/x",
        ),
        (
            "@misc{a, author = {A, B and others}, title = {T}, year = 2000}",
            "A, B., et al. (2000). T.",
        ),
    ],
)
def test_apa(entry, line):
    assert apa(*read_bibtex(entry, "readme.md")) == line


def test_many_authors_are_shortened():
    people = " and ".join(f"N{n}, G" for n in range(25))
    line = apa(*read_bibtex(f"@misc{{a, author = {{{people}}}, title = {{T}}}}", "readme.md"))
    assert line.startswith("N0, G., ")
    assert "N18, G., … N24, G. (n.d.)" in line
    assert "N19" not in line


def test_the_whole_chain_is_cited():
    assert roles(collect(["finetune_flickr_style"])) == [
        ("model", "finetune_flickr_style", "karayev2014recognizing"),
        ("source", "bvlc_reference_caffenet", "jia2014caffe"),
        ("architecture", "bvlc_reference_caffenet", "krizhevsky2012imagenet"),
        ("dataset", "bvlc_reference_caffenet", "russakovsky2015imagenet"),
        ("dataset", "finetune_flickr_style", "karayev2014recognizing"),
        ("framework", "finetune_flickr_style", "jia2014caffe"),
    ]
    parsed = parse_string(cite("finetune_flickr_style"), "bibtex")
    assert list(parsed.entries) == [
        "karayev2014recognizing",
        "jia2014caffe",
        "krizhevsky2012imagenet",
        "russakovsky2015imagenet",
    ]


def test_a_model_of_ones_own_is_followed_to_its_source(tmp_path):
    write_model(tmp_path, "mine", base_model="yours", datasets="[cifar10, my_pictures]")
    write_model(tmp_path, "yours", derived_from="[AlexNet, mine, gone]")
    found = collect(["mine"], tmp_path)
    assert [(role, model) for role, model, _ in roles(found)] == [
        ("model", "mine"),
        ("source", "yours"),
        ("source", "bvlc_alexnet"),
        ("dataset", "bvlc_alexnet"),
        ("dataset", "mine"),
        ("framework", "mine"),
    ]
    assert found.notes == [
        "yours: cite 'gone', of which it was made, by hand",
        "mine: cite the data set 'my_pictures' by hand",
    ]


def test_a_broken_citation_is_replaced_and_told(tmp_path):
    write_model(tmp_path, "mine", citation="'@article{key, title = {Never closed}'")
    found = collect(["mine"], tmp_path)
    assert list(parse_string(found.text(), "bibtex").entries) == ["mine"]
    assert "never closed; an entry was made of its title instead" in found.notes[0]


def test_a_model_of_zoo_alone_does_not_cite_caffe():
    keys = [reference.key for reference in collect(["lenet_digits"]).references]
    assert keys == ["lecun1998gradient", "alpaydin1998digits"]


def test_an_unknown_model_or_format_is_an_error():
    with pytest.raises(UnknownModelError):
        cite("no such model")
    with pytest.raises(UsageError, match="expected bibtex, apa, cff"):
        cite("bvlc_alexnet", format="mla")


def test_a_citation_file_has_what_its_format_requires():
    document = yaml.safe_load(cite("bvlc_alexnet", "open_nsfw", format="cff"))
    assert document["cff-version"] == "1.2.0"
    assert document["title"] == "BAIR/BVLC AlexNet Model and Open NSFW (ResNet-50 1by2)"
    assert document["message"]
    assert document["authors"][0] == {"family-names": "Krizhevsky", "given-names": "Alex"}
    works = [document["preferred-citation"], *document["references"]]
    assert all({"type", "title", "authors"} <= work.keys() for work in works)
    assert works[0]["type"] == "conference-paper"
    assert (works[0]["year"], works[0]["start"], works[0]["end"]) == (2012, "1097", "1105")
    nsfw = next(work for work in works if work["title"].startswith("Open NSFW"))
    assert nsfw["authors"] == [{"name": "The authors of Open NSFW (ResNet-50 1by2)"}]
    assert nsfw["url"].startswith("https://github.com/yahoo")


def test_a_project_is_cited_from_what_its_scripts_used(tmp_path, monkeypatch):
    for script, model in (("/a/b.py", "bvlc_alexnet"), ("/a/c.py", "bvlc_alexnet")):
        monkeypatch.setattr(sys, "argv", [script])
        record_use(model, tmp_path)
    record_use("forgotten", tmp_path)
    assert [(use.model, use.script) for use in uses(tmp_path)] == [
        ("bvlc_alexnet", "/a/b.py"),
        ("bvlc_alexnet", "/a/c.py"),
        ("forgotten", "/a/c.py"),
    ]
    found = collect_project(home=Cache(tmp_path))
    assert [reference.key for reference in found.references][0] == "krizhevsky2012imagenet"
    assert found.notes == ["forgotten was used, but is not in the cache nor elsewhere"]
    assert yaml.safe_load(found.text("cff"))["title"] == "Models that this project uses"


def test_a_project_that_used_nothing_cites_nothing(tmp_path):
    found = collect_project(home=Cache(tmp_path))
    assert [found.text(format) for format in ("bibtex", "apa", "cff")] == ["", "", ""]


def test_a_use_is_noted_once_for_a_script(tmp_path, monkeypatch):
    for argv in (["run.py"], ["run.py"], [""], ["-c"], []):
        monkeypatch.setattr(sys, "argv", argv)
        record_use("tiny", tmp_path)
    assert sorted(use.script for use in uses(tmp_path)) == sorted(
        [INTERACTIVE, str(tmp_path.cwd() / "run.py")]
    )


def test_noting_a_use_can_be_switched_off_and_never_fails(tmp_path, monkeypatch):
    record_use("tiny", tmp_path / "gone")
    (tmp_path / "usage").write_text("in the way")
    record_use("tiny", tmp_path)
    assert uses(tmp_path) == []
    (tmp_path / "usage").unlink()
    monkeypatch.setenv("ZOO_NO_USAGE", "1")
    record_use("tiny", tmp_path)
    assert not (tmp_path / "usage").exists()


def test_a_broken_record_is_passed_over(tmp_path):
    record_use("tiny", tmp_path)
    (tmp_path / "usage" / "a.json").write_text("{")
    (tmp_path / "usage" / "b.json").write_text('{"model": "x"}')
    assert [use.model for use in uses(tmp_path)] == ["tiny"]
