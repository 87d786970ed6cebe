"""`zoo cite`: every format parses, and what a person has to do is told."""

import pytest
import yaml
from pybtex.database import parse_string


def test_bibtex_has_unique_keys_and_parses(run_zoo):
    cited = run_zoo("cite", "vgg16", "resnet50", "places205_googlenet")
    assert (cited.code, cited.err) == (0, "")
    keys = list(parse_string(cited.out, "bibtex").entries)
    assert keys[0] == "simonyan2015very"
    assert {"he2016deep", "zhou2014learning", "szegedy2015going", "jia2014caffe"} <= set(keys)
    assert len(keys) == len({key.lower() for key in keys})


def test_apa_is_a_line_for_each_work(run_zoo):
    lines = run_zoo("cite", "vgg16", "--format", "apa").out.splitlines()
    assert lines[0] == (
        "Simonyan, K., & Zisserman, A. (2015). Very Deep Convolutional Networks for Large-Scale"
        " Image Recognition. In International Conference on Learning Representations (ICLR)."
    )
    assert len(lines) == 3


def test_a_citation_file_is_yaml(run_zoo):
    document = yaml.safe_load(run_zoo("cite", "vgg16", "--format", "cff").out)
    assert {"cff-version", "message", "title", "authors"} <= document.keys()


def test_json_says_for_what_each_work_is_cited(run_zoo):
    works = run_zoo("cite", "finetune_flickr_style", "--json").json
    caffe = next(work for work in works if work["key"] == "jia2014caffe")
    assert caffe["cited_for"] == [
        {"model": "bvlc_reference_caffenet", "role": "source"},
        {"model": "finetune_flickr_style", "role": "framework"},
    ]


def test_what_is_not_known_is_told_beside(run_zoo):
    cited = run_zoo("cite", "open_nsfw")
    assert "note: open_nsfw: no paper is known" in cited.err
    assert list(parse_string(cited.out, "bibtex").entries)[0] == "open_nsfw"


def test_the_models_of_a_project(run_zoo, models, monkeypatch):
    empty = run_zoo("cite", "--project")
    assert (empty.code, empty.out) == (0, "")
    assert "no script has used a model" in empty.err
    monkeypatch.setattr("sys.argv", ["paper.py"])
    run_zoo("fetch", "tiny", "--source", models)
    assert list(parse_string(run_zoo("cite", "--project").out, "bibtex").entries) == ["tiny"]


def test_a_dry_run_is_no_use(run_zoo, models):
    run_zoo("fetch", "tiny", "--source", models, "--dry-run")
    assert run_zoo("cite", "--project", "--json").json == []


@pytest.mark.parametrize("words", [[], ["vgg16", "--project"]])
def test_names_or_the_project_but_not_both(run_zoo, words):
    ended = run_zoo("cite", *words)
    assert ended.code == 2
    assert "expected models, or --project" in ended.err


def test_an_unknown_model_is_exit_4(run_zoo):
    ended = run_zoo("cite", "gogle")
    assert ended.code == 4
    assert "Did you mean googlenet" in ended.err
