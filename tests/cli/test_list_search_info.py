"""`zoo list`, `zoo search`, `zoo info`: golden text, and stable keys."""

import pytest

LIST = """\
name	title	license	weights	cached	source
tiny	Tiny [bold]model[/bold]	MIT	{size} kB	{cached}	{source}
lenet_digits	LeNet on handwritten digits 0 to 4	Apache-2.0	81.4 kB	no	embedded
"""
INFO = """\
name	tiny
title	Tiny [bold]model[/bold]
task	classification
license	MIT
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


def test_list(run_zoo, models):
    listed = run_zoo("list", "--source", models)
    assert listed.out == LIST.format(size=size_of(models), cached="no", source=models)
    assert (listed.code, listed.err) == (0, "")


def test_list_says_what_is_cached(run_zoo, models, tiny):
    listed = run_zoo("list", "--source", models)
    assert listed.out == LIST.format(size=size_of(models), cached="yes", source=models)


def test_quiet_list_is_names_alone(run_zoo, models):
    assert run_zoo("list", "--source", models, "--quiet").out == "tiny\nlenet_digits\n"


def test_list_as_json(run_zoo, models):
    entry = run_zoo("list", "--source", models, "--json").json[0]
    assert entry == {
        "name": "tiny",
        "title": "Tiny [bold]model[/bold]",
        "license": "MIT",
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
    assert [entry["name"] for entry in listed.json] == ["tiny", "lenet_digits"]
    assert "warning: http://127.0.0.1:9/ could not be reached" in listed.err


def test_no_source_that_answers_is_exit_4(run_zoo):
    assert run_zoo("list", "--source", "http://127.0.0.1:9/").code == 4


def test_a_source_that_is_no_folder_is_exit_2(run_zoo, tmp_path):
    assert run_zoo("list", "--source", tmp_path / "nowhere").code == 2


def test_search_finds_words_in_any_order(run_zoo, models):
    found = run_zoo("search", "things", "mit", "--source", models, "--quiet")
    assert (found.code, found.out) == (0, "tiny\n")


def test_search_without_a_match_names_the_nearest_and_exits_0(run_zoo, models):
    found = run_zoo("search", "tinny", "--source", models)
    assert (found.code, found.out) == (0, "")
    assert "The nearest names: tiny." in found.err
    assert run_zoo("search", "tinny", "--source", models, "--json").json == []


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
