"""`zoo classify`: pictures of every kind, in order, against the library and against ten crops."""

import io
import os
import sys

import numpy as np
import pytest

import zoo
from zoo.cli.main import main

GOOD = ["a colour.png", "b rgba.png", "c grey.jpg", "d 16 bit.png"]
BAD = ["e empty.jpg", "f cut.png", "g text.jpg"]


@pytest.fixture
def classify(run_zoo, models):
    return lambda *words: run_zoo("classify", "tiny", "--source", models, *words)


def test_a_folder_is_done_whole_and_what_is_no_picture_reported(classify, pictures):
    ended = classify(pictures, "--json")
    assert ended.code == 2
    assert [entry["file"] for entry in ended.json] == [str(pictures / name) for name in GOOD + BAD]
    for entry in ended.json[: len(GOOD)]:
        assert list(entry) == ["file", "predictions"]
        assert len(entry["predictions"]) == 3
        assert sum(each["score"] for each in entry["predictions"]) == pytest.approx(1, abs=1e-5)
    for entry in ended.json[len(GOOD) :]:
        assert entry["predictions"] == []
        assert entry["error"] in ended.err


def test_predictions_have_index_label_and_score_best_first(classify, pictures):
    (entry,) = classify(pictures / "a colour.png", "--json").json
    labels = ["cat", "dog", "[red]bird[/red]"]
    assert [list(each) for each in entry["predictions"]] == [["index", "label", "score"]] * 3
    assert all(each["label"] == labels[each["index"]] for each in entry["predictions"])
    scores = [each["score"] for each in entry["predictions"]]
    assert scores == sorted(scores, reverse=True)


def test_plain_text_is_a_line_for_each_class(classify, pictures):
    ended = classify(pictures / "a colour.png", "--top", "2")
    facts = classify(pictures / "a colour.png", "--top", "2", "--json").json[0]
    lines = [
        f"{facts['file']}\t{rank}\t{each['score']:.6f}\t{each['index']}\t{each['label']}\n"
        for rank, each in enumerate(facts["predictions"], 1)
    ]
    assert ended.out == "file\trank\tscore\tindex\tlabel\n" + "".join(lines)
    assert (ended.code, ended.err) == (0, "")
    assert classify(pictures / "a colour.png", "--top", "2", "--quiet").out == "".join(lines)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_people_see_percentages(models, pictures, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    path = str(pictures / "a colour.png")
    assert main(["classify", "tiny", "--source", str(models), path]) == 0
    lines = sys.stdout.getvalue().splitlines()
    assert lines[0] == path
    assert sorted(line[11:] for line in lines[1:]) == ["[red]bird[/red]", "cat", "dog"]
    assert lines[1][:11].strip().endswith("%")


def test_ten_crops_are_the_mean_of_ten_single_runs(classify, models, pictures):
    (entry,) = classify(pictures / "a colour.png", "--crops", "10", "--json").json
    model = zoo.load(models / "tiny")
    crops = model.preprocess.crops(pictures / "a colour.png", 10).transpose(0, 3, 1, 2)
    single = [zoo.run(model.net, {"data": crop[None]})["prob"][0] for crop in crops]
    expected = np.mean(single, axis=0)
    for each in entry["predictions"]:
        assert each["score"] == pytest.approx(expected[each["index"]], abs=1e-6)


def test_batches_change_nothing(classify, pictures):
    one = classify(pictures, "--batch", "1", "--json").json
    all_together = classify(pictures, "--json").json
    for first, second in zip(one, all_together, strict=True):
        assert first["file"] == second["file"]
        assert first.get("error") == second.get("error")
        for each, other in zip(first["predictions"], second["predictions"], strict=True):
            assert (each["index"], each["label"]) == (other["index"], other["label"])
            assert each["score"] == pytest.approx(other["score"], abs=1e-6)


def test_what_is_not_there_is_reported_in_its_place_and_the_rest_done(classify, pictures):
    ended = classify(pictures / "gone.jpg", pictures / "a colour.png", pictures / "*.bmp", "--json")
    assert ended.code == 2
    assert [bool(entry["predictions"]) for entry in ended.json] == [False, True, False]
    assert "gone.jpg: there is no such file or folder" in ended.err


def test_a_broken_link_in_a_folder_is_reported(classify, pictures):
    os.symlink(pictures / "gone.jpg", pictures / "0 link.jpg")
    ended = classify(pictures, "--json")
    assert ended.code == 2
    assert "a link to a file that is not there" in ended.json[0]["error"]
    assert ended.json[1]["predictions"]


def test_a_picture_that_is_named_twice_is_done_once(classify, pictures):
    ended = classify(pictures / "a colour.png", pictures / "a*.png", "--json")
    assert len(ended.json) == 1


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(classify, pictures):
    name = pictures / "[1].png"
    (pictures / "a colour.png").rename(name)
    assert classify(name, "--json").json[0]["predictions"]


def test_no_picture_at_all_is_exit_2_before_anything_is_fetched(classify, pictures, own_zoo_home):
    ended = classify(pictures / "gone.jpg", pictures / "*.bmp")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 2
    assert not (own_zoo_home / "models").exists()


def test_a_card_without_preprocessing_is_refused_with_the_fields_to_add(run_zoo, models, pictures):
    card = models / "tiny" / "readme.md"
    text = card.read_text()
    card.write_text(text[: text.index("input:")] + "---\n")
    ended = run_zoo("classify", models / "tiny", pictures / "a colour.png")
    assert ended.code == 2
    assert all(field in ended.err for field in ("size:", "channels:", "mean:"))


def test_labels_that_do_not_fit_are_exit_2_with_both_numbers(run_zoo, models, pictures):
    (models / "tiny" / "labels.txt").write_text("cat\ndog\n")
    ended = run_zoo("classify", models / "tiny", pictures / "a colour.png")
    assert ended.code == 2
    assert "2 labels" in ended.err
    assert "3 outputs" in ended.err


def test_ten_crops_of_a_model_without_room_for_them_are_refused(run_zoo, pictures):
    ended = run_zoo("classify", "lenet_digits", "--crops", "10", pictures / "a colour.png")
    assert (ended.code, ended.out) == (2, "")
    assert "resize" in ended.err


def test_no_gpu_is_exit_4(classify, pictures):
    ended = classify(pictures / "a colour.png", "--device", "gpu:99")
    assert (ended.code, ended.out) == (4, "")


def test_the_model_that_comes_with_zoo_needs_no_source(run_zoo, pictures):
    ended = run_zoo("classify", "lenet_digits", pictures / "c grey.jpg", "--json")
    assert ended.code == 0
    assert ended.json[0]["predictions"][0]["label"] in {"zero", "one", "two", "three", "four"}
