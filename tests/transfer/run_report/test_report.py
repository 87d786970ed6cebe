"""What a fine-tuning run leaves behind, and the report that is made of it."""

import hashlib
import json
import re
import shutil
import struct

import numpy as np
import pytest
from digit_pictures import write_digits
from html_page import HtmlPage
from PIL import Image
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

import zoo
from zoo.build.predict import predictor
from zoo.cli.main import main
from zoo.errors import ParseError, UsageError
from zoo.registry.card import Card
from zoo.registry.card_facts import card_facts, is_measured
from zoo.transfer.data import open_data
from zoo.transfer.finetune import fine_tune
from zoo.transfer.presets import preset
from zoo.transfer.run_report.build import build_report
from zoo.transfer.run_report.filters import write_filters
from zoo.transfer.run_report.provenance import data_hash

# Names that have to be escaped, drawn and never taken for markup or a formula.
NAMES = ["<b>five</b>", "six & $x_$", "七", "eight", "_nine"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits"), NAMES)


def tuned(digits, output, **settings):
    plan = preset("two-stage", 1.0).with_settings(epochs=2, mirror=False)
    settings = {"stages": plan, **settings}
    data = digits / "train.npz", digits / "val.npz"
    return fine_tune("lenet_digits", *data, output=output, **settings)


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return tuned(digits, tmp_path_factory.mktemp("runs") / "new <digits>")


@pytest.fixture(scope="module")
def page(run):
    return HtmlPage((run.directory / "report.html").read_text(encoding="utf-8"))


def test_the_report_has_all_its_parts(page):
    assert page.headings[0] == "new <digits>"
    may_be = ("Findings", "Taken for another most often")
    assert [each for each in page.headings[1:] if each not in may_be] == [
        "The run",
        "Results beside baselines",
        "The plan",
        "Learning curves",
        "Classes",
        "Most confident mistakes",
        "Calibration",
        "First-layer filters",
        "Speed",
        "Made with",
    ]


def test_no_number_stands_alone(run, page):
    assert page.row("chance")[1] == "20.0%"
    assert "linear probe" in page.row("head")[3]
    assert page.row("all")[1] == f"{run.results['all']:.1%}"
    assert "--plan scratch" in page.row("from scratch")[3]
    assert page.row(run.best)[3].endswith("kept")
    low, high = (float(each.rstrip("%")) for each in page.row("all")[2].split(" to "))
    assert low < 100 * run.results["all"] < high


def test_the_plan_and_the_classes_are_tables(run, page):
    plan = [row for row in page.rows if row[0] in ("head", "all") and len(row) == 6]
    stages = [row for row in plan if row[1] in ("head", "frozen", "*")]
    assert [(row[0], row[1], row[5]) for row in stages][:2] == [
        ("head", "head", ""),
        ("head", "frozen", "frozen"),
    ]
    for name in NAMES:
        assert page.row(name)[3] == "10"


def test_the_pictures_are_in_the_page_and_beside_it(run, page):
    folder = run.directory / "pictures"
    names = {path.stem for path in folder.glob("*.png")}
    assert {
        "stage_2_loss",
        "stage_2_accuracy",
        "stage_2_rates",
        "confusion",
        "calibration",
        "filters_before",
        "filters_after",
    } <= names
    assert len(page.images) == len(names)
    for path in folder.glob("*.png"):
        Image.open(path).verify()


def test_the_mistakes_are_those_the_model_makes_the_surest_first(run, digits):
    mistakes = json.loads((run.directory / "pictures" / "mistakes.json").read_text())["mistakes"]
    data = open_data(digits / "val.npz", classes=run.classes)
    model = run.load()
    assert mistakes
    assert [each["confidence"] for each in mistakes] == sorted(
        (each["confidence"] for each in mistakes), reverse=True
    )
    wrong = 0
    for index, row in enumerate(data.keys):
        inputs = model.preprocess(data.picture(index, gray=True))
        (probabilities,) = predictor(model.net, ["prob"]).predict({"data": inputs})["prob"]
        found = [each for each in mistakes if each["row"] == index]
        right = probabilities.argmax() == data.labels[index]
        wrong += not right
        assert bool(found) != right, row
        if found:
            assert found[0]["said"] == run.classes[probabilities.argmax()]
            assert found[0]["is_class"] == run.classes[data.labels[index]]
            assert found[0]["confidence"] == pytest.approx(probabilities.max(), abs=1e-4)
            assert found[0]["own"] == pytest.approx(probabilities[data.labels[index]], abs=1e-4)
    assert wrong == len(mistakes)


def test_the_run_says_what_it_was_made_of(run, digits):
    facts = json.loads((run.directory / "run.json").read_text())
    source = zoo.load("lenet_digits")
    weights = next(source.directory.glob("*.caffemodel")).read_bytes()
    assert facts["source"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert facts["source"]["license"] == "Apache-2.0"
    assert facts["seed"] == 0
    assert set(facts["starts"][0]["versions"]) >= {
        "zoo",
        "tensorflow",
        "keras",
        "numpy",
        "python",
    }
    assert facts["data"]["train"]["rows"] == facts["data"]["validation"]["rows"] == 50
    assert facts["data"]["validation"]["sha256"] == data_hash(open_data(digits / "val.npz"))
    assert facts["stages"] == (run.directory / "plan.yaml").read_text()


def test_the_hash_of_data_is_of_contents_and_labels_wherever_they_lie(digits, tmp_path):
    data = open_data(digits / "val.npz")
    shutil.copy(digits / "val.npz", tmp_path / "other.npz")
    assert data_hash(open_data(tmp_path / "other.npz")) == data_hash(data)
    with np.load(digits / "val.npz") as file:
        pictures, labels = file["data"], file["label"]
    pictures[0, 0, 0] ^= 1
    np.savez(tmp_path / "touched.npz", data=pictures, label=labels)
    assert data_hash(open_data(tmp_path / "touched.npz")) != data_hash(data)
    assert data_hash(data.subset(range(49))) != data_hash(data)


def test_the_best_weights_of_each_stage_are_kept(run):
    folder = run.directory / "checkpoints"
    assert {path.name for path in folder.iterdir()} == {"head.caffemodel", "all.caffemodel"}
    net = run.load().net
    best = net.load_weights(folder / f"{run.best}.caffemodel")
    for layer, blobs in net.params.items():
        for one, other in zip(blobs, best.params[layer], strict=True):
            np.testing.assert_array_equal(one, other)


def events_of(folder):
    """Tag, step and value of each number in the files of events."""
    import tensorflow as tf

    for path in sorted(folder.iterdir()):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = tf.compat.v1.Event.FromString(data[place + 12 : place + 12 + length])
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                yield value.tag, event.step, float(tf.make_ndarray(value.tensor))
            place += 16 + length


def test_tensorboard_finds_the_curves(run):
    found = {(tag, step): value for tag, step, value in events_of(run.directory / "events")}
    for record in run.log:
        tag = f"{record['stage']}/val_loss"
        assert found[tag, record["epoch"]] == pytest.approx(record["val_loss"], rel=1e-6)


def test_each_epoch_says_how_long_it_waited_for_data(run, page):
    through = [each for each in run.log if each["stage"] == "all"]
    assert all(0 <= each["waited"] <= 1 and each["images_per_second"] > 0 for each in through)
    row = next(row for row in page.rows if row[0] == "all" and row[-1] in ("input", "computation"))
    assert row[1] == "2"
    assert row[4].endswith("%")


def test_the_line_of_an_epoch_says_how_long_it_waited(digits, tmp_path, capsys):
    words = ["finetune", "lenet_digits", str(digits / "train.npz"), "--plan", "all"]
    assert main([*words, "--epochs", "1", "-o", str(tmp_path / "out")]) == 0
    assert re.search(r"epoch 1: .* waited \d+ % for data", capsys.readouterr().err)


def test_the_numbers_of_the_card_are_bound_to_their_evidence(run, digits, tmp_path):
    text = (run.directory / "readme.md").read_text()
    facts = card_facts(Card.parse(text))
    assert facts["accuracy"] == {"validation": round(100 * run.accuracy, 2)}
    evidence = facts["metadata"]["evidence"]
    assert evidence["data_sha256"] == data_hash(open_data(digits / "val.npz"))
    assert (evidence["rows"], evidence["seed"], evidence["crop"]) == (50, 0, "centre")
    assert evidence["command"].startswith("zoo finetune lenet_digits train.npz --val val.npz")
    assert is_measured(facts, "validation")
    better = text.replace(f"validation: {evidence['percent']}", "validation: 99.9")
    assert not is_measured(card_facts(Card.parse(better)), "validation")
    others = text.replace(f"sha256: {facts['sha256']}", f"sha256: {'0' * 64}", 1)
    assert not is_measured(card_facts(Card.parse(others)), "validation")


def test_info_tells_measured_numbers_from_claimed_ones(run, tmp_path, capsys):
    home = tmp_path / "models"
    shutil.copytree(run.directory, home / "digits")
    assert main(["info", "digits", "--source", str(home)]) == 0
    assert "(measured)" in capsys.readouterr().out
    readme = home / "digits" / "readme.md"
    readme.write_text(readme.read_text().replace("accuracy: {validation: ", "accuracy: {top1: "))
    assert main(["info", "digits", "--source", str(home)]) == 0
    assert "(claimed)" in capsys.readouterr().out


def test_publishing_a_run_gives_away_no_pictures(run, tmp_path):
    published = zoo.publish(run.directory, str(tmp_path), name="digits", dry_run=True)
    names = {name for name, _ in published.files}
    assert {"model.caffemodel", "metrics.json"} <= names
    assert not {"pictures", "report.html", "events", "checkpoints"} & names


def test_evaluate_tells_what_scikit_learn_tells(run, digits, capsys):
    assert main(["evaluate", str(run.directory), str(digits / "val.npz"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    data, model = open_data(digits / "val.npz", classes=run.classes), run.load()
    inputs = np.concatenate([model.preprocess(data.picture(i, gray=True)) for i in range(50)])
    scores = predictor(model.net, ["prob"]).predict({"data": inputs})["prob"].astype(np.float64)
    scores /= scores.sum(axis=1, keepdims=True)
    said = scores.argmax(axis=1)
    precision, recall, _, count = precision_recall_fscore_support(
        data.labels, said, zero_division=np.nan
    )
    assert found["accuracy"] == (said == data.labels).mean()
    assert found["loss"] == pytest.approx(log_loss(data.labels, scores), rel=1e-4)
    assert found["confusion"] == confusion_matrix(data.labels, said).tolist()
    for index, each in enumerate(found["classes"]):
        assert each["label"] == run.classes[index]
        assert each["precision"] == pytest.approx(precision[index])
        assert each["recall"] == pytest.approx(recall[index])
        assert each["count"] == count[index]
    confidence, right = scores.max(axis=1), said == data.labels
    tenth = np.minimum((confidence * 10).astype(int), 9)
    gaps = [abs((confidence - right)[tenth == n].sum()) for n in range(10)]
    assert found["calibration_error"] == pytest.approx(sum(gaps) / 50, abs=1e-4)
    assert sum(each["count"] for each in found["calibration"]) == 50


def copy_of(run, tmp_path):
    shutil.copytree(run.directory, tmp_path / "copy")
    return tmp_path / "copy"


def test_the_report_can_be_made_again(run, tmp_path, capsys):
    copy = copy_of(run, tmp_path)
    first = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    shutil.rmtree(copy / "events")
    (copy / "pictures" / "confusion.png").unlink()
    assert main(["report", str(copy), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["finished"] is True
    assert facts["results"] == run.results
    assert str(copy / "pictures" / "confusion.png") in facts["pictures"]
    second = (copy / "report.html").read_text(encoding="utf-8")
    assert second.replace("<title>copy", "<title>new &lt;digits&gt;").replace(
        "<h1>copy", "<h1>new &lt;digits&gt;"
    ) == first.decode("utf-8")


def test_the_report_goes_where_it_is_wanted_but_over_no_other_file(run, tmp_path, capsys):
    target = tmp_path / "report.html"
    assert main(["report", str(run.directory), "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    HtmlPage(target.read_text(encoding="utf-8"))
    assert main(["report", str(run.directory), "-o", str(target)]) == 0
    target.write_text("<html>my thesis</html>")
    with pytest.raises(UsageError, match="left as it was"):
        build_report(run.directory, target)
    assert target.read_text() == "<html>my thesis</html>"
    for wrong, told in (("x.quatsch", "ends with .html"), ("no/x.html", "there is no directory")):
        assert main(["report", str(run.directory), "-o", str(tmp_path / wrong)]) == 2
        assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [target]


def test_an_unfinished_run_has_a_report_of_its_curves(digits, tmp_path, capsys):
    def stop(record):
        if record["stage"] == "all" and record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(digits, tmp_path / "run", told=stop)
    unfinished = tmp_path / ".run.unfinished"
    with (unfinished / "log.jsonl").open("a") as file:
        file.write('{"stage": "all", "epo')  # killed while it wrote
    assert main(["report", str(tmp_path / "run"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["finished"] is False
    assert facts["broken_lines"] == 1
    page = HtmlPage((unfinished / "report.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "run"
    assert "Learning curves" in page.headings
    assert "Calibration" not in page.headings
    assert page.row("state")[1] == "not finished"
    # And it can be gone on with: the start is added, the curves have no epoch twice.
    done = tuned(digits, tmp_path / "run", resume=True)
    assert len(json.loads((done.directory / "run.json").read_text())["starts"]) == 2
    steps = [(tag, step) for tag, step, _ in events_of(done.directory / "events")]
    assert len(steps) == len(set(steps))
    assert ("all/loss", 1) in steps


def test_findings_are_shown_with_their_remedies(run, tmp_path):
    copy = copy_of(run, tmp_path)
    record = {
        "finding": "stuck",
        "stage": "all",
        "iteration": 40,
        "where": "ip1",
        "text": "The loss stays at ln 5 <script>alert(1)</script>.",
        "remedies": ["Lower the rate.", "Look at the weights & biases."],
    }
    with (copy / "log.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    report = build_report(copy)
    assert report.findings[-1].name == "stuck"
    page = HtmlPage(report.path.read_text(encoding="utf-8"))
    assert "Findings" in page.headings
    assert "all, iteration 40 (ip1): " in page.text
    assert record["text"] in page.text
    assert record["remedies"][1] in page.text


def test_what_a_directory_says_of_its_mistakes_reads_no_other_files(run, tmp_path):
    copy = copy_of(run, tmp_path)
    Image.new("RGB", (7, 7)).save(tmp_path / "secret.png")
    path = copy / "pictures" / "mistakes.json"
    facts = json.loads(path.read_text())
    for each in facts["mistakes"]:
        each["picture"] = "../../secret.png"
    path.write_text(json.dumps(facts))
    page = HtmlPage(build_report(copy).path.read_text(encoding="utf-8"))
    assert all(picture.size != (7, 7) for picture, _ in page.images)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        build_report(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not the directory of a run"):
        build_report(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ParseError, match=r"run\.json"):
        build_report(tmp_path)


def test_filters_before_and_after_share_their_scale(tmp_path):
    net = zoo.load("lenet_digits").net
    weights = net.params["conv1"][0]
    doubled = net.with_params({"conv1": [2 * weights, *net.params["conv1"][1:]]})
    write_filters(tmp_path, net, doubled)
    before, after = (
        np.asarray(Image.open(tmp_path / f"filters_{when}.png").convert("L"), float)
        for when in ("before", "after")
    )
    assert np.ptp(after[before != 255]) > 1.5 * np.ptp(before[before != 255])


def test_a_run_goes_on_when_its_pictures_cannot_be_written(digits, tmp_path, monkeypatch):
    def full(*args, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.transfer.run_report.finetune_record.write_filters", full)
    run = tuned(digits, tmp_path / "run", stages="head")
    assert any("report is not complete" in note for note in run.notes)
    assert run.load().labels == sorted(NAMES)
