"""`zoo list`, `zoo search`, `zoo info`: golden text, and stable keys."""

import shutil

import pytest

LIST = """\
name	title	task	license	weights	cached	source
tiny	Tiny [bold]model[/bold]	classification	MIT	{size} kB	{cached}	{source}
lenet_digits	LeNet on handwritten digits 0 to 4	classification	Apache-2.0	81.4 kB	no	embedded
"""
INFO = """\
name	tiny
title	Tiny [bold]model[/bold]
task	classification
license	MIT
license means	any use, commercial too; name the authors
source	{source}
cached	{cached}
weights	tiny.caffemodel{size}
sha1	{sha1}
input data	1 x 3 x 8 x 8
input size	8, 8
input channels	BGR
input mean	104, 117, 123
input resize	12, 12
input labels	labels.txt
labels	labels.txt
params	547
multiply-accumulates	4,320
activations	1.4 kB

@misc{{tiny, title = {{Tiny}}}}
"""


def size_of(models):
    return f"{(models / 'tiny' / 'tiny.caffemodel').stat().st_size / 1000:.1f}"


def sha1_of(models):
    readme = (models / "tiny" / "readme.md").read_text()
    return readme.partition("sha1: ")[2].partition("\n")[0]


def without_catalogue(out):
    return "".join(line for line in out.splitlines(True) if not line.endswith("\tcatalogue\n"))


def test_list(run_zoo, models):
    listed = run_zoo("list", "--source", models)
    assert without_catalogue(listed.out) == LIST.format(
        size=size_of(models), cached="no", source=models
    )
    assert (listed.code, listed.err) == (0, "")


def test_list_says_what_is_cached(run_zoo, models, tiny):
    listed = run_zoo("list", "--source", models)
    expected = LIST.format(size=size_of(models), cached="yes", source=models)
    assert without_catalogue(listed.out) == expected


def test_quiet_list_is_names_alone(run_zoo, models):
    lines = run_zoo("list", "--source", models, "--quiet").out.splitlines()
    assert lines[:3] == ["tiny", "lenet_digits", "age_gender_lapuschkin"]
    assert len(lines) == 168


def test_list_as_json(run_zoo, models):
    entry = run_zoo("list", "--source", models, "--json").json[0]
    assert entry == {
        "name": "tiny",
        "title": "Tiny [bold]model[/bold]",
        "aliases": [],
        "task": "classification",
        "license": "MIT",
        "license_id": "MIT",
        "license_class": "permissive",
        "size": (models / "tiny" / "tiny.caffemodel").stat().st_size,
        "cached": False,
        "source": str(models),
        "problem": None,
    }


def test_a_broken_card_is_listed_with_its_problem(run_zoo, models):
    (models / "broken").mkdir()
    (models / "broken" / "readme.md").write_text("no front matter here")
    listed = run_zoo("list", "--source", models)
    assert listed.code == 0
    assert "\nbroken\t" in "\n" + listed.out
    assert "warning: broken: " in listed.err


def test_a_source_that_does_not_answer_is_told_and_the_others_listed(run_zoo, models):
    listed = run_zoo("list", "--source", "http://127.0.0.1:9/", "--source", models, "--json")
    assert listed.code == 0
    assert [entry["name"] for entry in listed.json][:2] == ["tiny", "lenet_digits"]
    assert "warning: http://127.0.0.1:9/ could not be reached" in listed.err


def test_no_source_that_answers_is_exit_4(run_zoo):
    assert run_zoo("list", "--source", "http://127.0.0.1:9/").code == 4


def test_a_source_that_is_no_folder_is_exit_2(run_zoo, tmp_path):
    assert run_zoo("list", "--source", tmp_path / "nowhere").code == 2


def test_search_finds_words_in_any_order(run_zoo, models):
    found = run_zoo("search", "things", "mit", "--source", models, "--quiet")
    assert (found.code, found.out) == (0, "tiny\n")


def test_search_without_a_match_names_the_nearest_and_exits_0(run_zoo, models):
    found = run_zoo("search", "tinyxqzw", "--source", models)
    assert (found.code, found.out) == (0, "")
    assert "The nearest names: tiny." in found.err
    assert run_zoo("search", "tinyxqzw", "--source", models, "--json").json == []


def test_search_forgives_a_slip(run_zoo):
    assert run_zoo("search", "gogle", "--quiet").out.startswith("bvlc_googlenet\n")


def test_list_by_task_and_license(run_zoo):
    entries = run_zoo("list", "--task", "segmentation", "--license", "permissive", "--json").json
    assert {entry["task"] for entry in entries} == {"segmentation"}
    assert {entry["license_class"] for entry in entries} == {"permissive"}
    names = {entry["name"] for entry in entries}
    assert {"fcn8s_voc", "crfrnn_coco_voc"} <= names
    assert not {"segnet_driving", "parsenet_pascal"} & names  # non-commercial; not stated


def test_list_of_what_may_be_sold_and_fits(run_zoo):
    words = ("--task", "classify", "--license", "commercial", "--max-mb", "60", "goog*")
    listed = run_zoo("list", *words, "--quiet")
    assert listed.out == "bvlc_googlenet\n"
    listed = run_zoo("list", "--license", "BSD-2-Clause", "--max-mb", "6", "--json")
    assert {entry["name"] for entry in listed.json} == {"squeezenet_v1.0", "squeezenet_v1.1"}
    assert "more fit but for their size, which is not known" in listed.err


def test_list_without_a_match_names_the_nearest_and_exits_0(run_zoo):
    listed = run_zoo("list", "gogle*")
    assert (listed.code, listed.out) == (0, "")
    assert "The nearest names: bvlc_googlenet" in listed.err
    assert run_zoo("list", "gogle*", "--json").json == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--task", "captoining"), "Did you mean captioning? The tasks are action recognition"),
        (("--license", "permisive"), "Did you mean permissive?"),
        (("--max-mb", "many"), "expected megabytes such as 60, received 'many'"),
        (("--max-mb", "-1"), "expected megabytes such as 60"),
    ],
)
def test_a_wrong_filter_is_exit_2(run_zoo, words, told):
    listed = run_zoo("list", *words)
    assert listed.code == 2
    assert told in listed.err


def test_info_of_the_catalogue_says_everything(run_zoo):
    shown = run_zoo("info", "segnet_driving")
    assert (shown.code, shown.err) == (0, "")
    facts = [line.split("\t", 1) for line in shown.out.partition("\n\n")[0].splitlines()]
    told = dict(facts)
    assert told["cached"] == "no"
    assert told["license"].startswith("http://creativecommons.org/licenses/by-nc/4.0/")
    assert told["license as SPDX"] == "CC-BY-NC-4.0"
    assert told["license means"] == "research only, no commercial use; name the authors"
    assert told["verified by"] == "no hash is known; `zoo fetch` asks for --trust-first-use"
    assert told["outputs"] == "12: road scene, 12 classes"
    assert told["layers Caffe lacks"] == (
        "Upsample, BN, DenseImageData; from alexgkendall/caffe-segnet"
    )
    assert told["source of other facts"].startswith("alexgkendall/SegNet-Tutorial")
    assert "@article{badrinarayanan2017segnet," in shown.out


def test_info_finds_a_model_by_its_other_names(run_zoo):
    facts = run_zoo("info", "ResNet-50", "--json").json
    assert facts["name"] == "resnet_50"
    assert facts["input"] == {"size": [224, 224], "channels": "BGR", "mean": [104, 117, 123]}
    assert facts["pinned"] is True
    assert facts["license_class"] == "permissive"


def test_info_says_what_is_not_known(run_zoo):
    shown = run_zoo("info", "fcn_16s_siftflow_2014").out
    assert "license means\tnot stated: ask the authors before you use it\n" in shown
    incomplete = run_zoo("info", "vgg_cnn_s").out
    assert "input missing\tmean\n" in incomplete
    assert run_zoo("info", "vgg_cnn_s", "--json").json["input"] is None


def test_info_as_bibtex_is_the_citation_alone(run_zoo):
    shown = run_zoo("info", "bvlc_googlenet", "--bibtex")
    assert shown.out.startswith("@inproceedings{szegedy2015going,\n  author ")
    assert shown.out.endswith("\n}\n")
    none = run_zoo("info", "open_nsfw", "--bibtex")
    assert (none.code, none.out) == (0, "")
    assert "its card gives no citation" in none.err


def test_info_touches_no_cache_and_no_network(run_zoo, own_zoo_home, monkeypatch):
    monkeypatch.setattr("socket.socket", None)
    assert run_zoo("info", "vgg16").code == 0
    assert run_zoo("list").code == 0
    assert list(own_zoo_home.iterdir()) == []


def test_info_of_a_model_that_is_not_fetched(run_zoo, models):
    shown = run_zoo("info", "tiny", "--source", models)
    sha1 = sha1_of(models)
    assert shown.out == INFO.format(source=models, cached="no", size="", sha1=sha1)
    assert (shown.code, shown.err) == (0, "")


def test_info_of_a_model_in_the_cache(run_zoo, models, tiny):
    size = f" ({size_of(models)} kB)"
    shown = run_zoo("info", "tiny")
    sha1 = sha1_of(models)
    assert shown.out == INFO.format(source=models, cached=tiny, size=size, sha1=sha1)


def test_info_as_json(run_zoo, models):
    facts = run_zoo("info", "tiny", "--source", models, "--json").json
    assert {"name": "tiny", "params": 547, "macs": 4320, "cached": False}.items() <= facts.items()
    assert facts["input"]["size"] == [8, 8]


def test_info_reads_no_weights(run_zoo, models):
    (models / "tiny" / "tiny.caffemodel").unlink()
    assert "params\t547\n" in run_zoo("info", "tiny", "--source", models).out


def test_info_warns_of_a_definition_that_cannot_be_read(run_zoo, models):
    definition = models / "tiny" / "deploy.prototxt"
    definition.write_text(definition.read_text().replace("kernel_size", "kernal_size"))
    shown = run_zoo("info", "tiny", "--source", models)
    assert shown.code == 0
    assert "Did you mean kernel_size?" in shown.err


@pytest.mark.parametrize("command", ["info", "fetch", "where", "verify", "inspect"])
def test_an_unknown_name_is_exit_4_with_the_nearest_one(run_zoo, models, command):
    ended = run_zoo(command, "tinny", "--source", models)
    assert (
        ended.code,
        ended.out.replace("name\tresult\tfiles\tsize\ntinny\tFAILED\t\t\n", ""),
    ) == (4, "")
    assert "Did you mean tiny?" in ended.err


@pytest.mark.parametrize("words", ["tiny", "./tiny", "tiny/readme.md", "d ü/my m", "{}/tiny"])
def test_info_and_cite_take_a_directory_as_the_others_do(run_zoo, models, monkeypatch, words):
    shutil.copytree(models / "tiny", models / "d ü/my m")
    monkeypatch.chdir(models)
    name = words.format(models)
    facts = run_zoo("info", name, "--json").json
    assert facts["title"] == "Tiny [bold]model[/bold]"
    assert (facts["params"], facts["cached"]) == (547, False)
    assert facts["size_bytes"] == (models / "tiny/tiny.caffemodel").stat().st_size
    assert run_zoo("cite", name).out == "@misc{tiny, title = {Tiny}}\n"
    assert run_zoo("inspect", name, "--json").json["param_count"] == 547


def test_a_directory_may_be_called_as_the_model_that_it_was_made_from(run_zoo, models, tmp_path):
    (models / "tiny").rename(models / "vgg16")
    readme = models / "vgg16/readme.md"
    readme.write_text(readme.read_text().replace("license:", "derived_from: vgg16\nlicense:"))
    cited = run_zoo("cite", models / "vgg16").out
    assert "@misc{tiny" in cited
    assert "simonyan2015very" in cited


@pytest.mark.parametrize("command", ["info", "cite", "fetch", "classify", "inspect"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pele", "pele is a folder without readme.md"),
        ("./pele", "pele is a folder without readme.md"),
        ("cat.jpg", "cat.jpg is a file; expected"),
        ("no/such thing", "no/such thing: no such folder or readme"),
    ],
)
def test_a_path_that_is_no_model_is_told_as_one(
    run_zoo, tmp_path, monkeypatch, command, name, told
):
    (tmp_path / "pele").mkdir()
    (tmp_path / "cat.jpg").touch()
    monkeypatch.chdir(tmp_path)
    ended = run_zoo(command, name, *["cat.jpg"] * (command == "classify"))
    assert (ended.code, "Did you mean pelee" in ended.err) == (2, False)
    assert told in ended.err
