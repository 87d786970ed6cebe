"""Fine-tuning the model that ships with zoo to digits that it has never seen."""

import json

import numpy as np
import pytest
from finetune_log import without_times
from PIL import Image
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

import zoo
from zoo.errors import UsageError
from zoo.surgery.head import replace_head
from zoo.transfer.evaluate import evaluate, evaluate_scores
from zoo.transfer.finetune import fine_tune
from zoo.transfer.plan import Group, Plan, Stage
from zoo.transfer.presets import preset
from zoo.transfer.rates import param_rates
from zoo.transfer.tuning import softmax_regression
from zoo.transfer.tuning.softmax_regression import fit_linear
from zoo.transfer.tuning.training import Trainer

NAMES = ["eight", "five", "nine", "seven", "six"]


def short(name="two-stage", epochs=2, **settings):
    return preset(name, 1.0).with_settings(epochs=epochs, mirror=False, **settings)


def tuned(digits, output, **settings):
    settings = {"stages": short(), **settings}
    return fine_tune(
        "lenet_digits", digits / "train.npz", digits / "val.npz", output=output, **settings
    )


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return tuned(digits, tmp_path_factory.mktemp("run") / "new_digits")


def test_the_result_is_a_model_directory(run, digits):
    model = run.load()
    assert model.labels == NAMES
    assert model.card.license == "Apache-2.0"
    assert model.card.value("derived_from").startswith("lenet_digits@sha1:")
    assert "lecun1998gradient" in model.card.citation
    assert model.spec.size == (28, 28)
    assert {"model.keras", "plan.yaml", "log.jsonl", "metrics.json"} <= {
        path.name for path in run.directory.iterdir()
    }
    assert evaluate(model, digits / "val.npz").accuracy == pytest.approx(run.accuracy)


def test_the_result_can_be_published(run, tmp_path):
    assert zoo.publish(run.directory, str(tmp_path), dry_run=True).name == "new_digits"


def test_the_result_is_never_below_the_probe(run):
    assert run.accuracy >= run.results["head"] > run.results["chance"]


def test_the_log_has_a_line_for_each_epoch(run):
    lines = (run.directory / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.log
    assert [(each["stage"], each["epoch"]) for each in run.log] == [
        ("head", 1),
        ("all", 1),
        ("all", 2),
    ]


def test_how_far_it_is_is_told_batch_by_batch(digits, tmp_path):
    told = []
    settings = {"stages": short(epochs=1), "progress": lambda *now: told.append(now)}
    tuned(digits, tmp_path / "run", **settings)
    assert list(dict.fromkeys(what for what, _, _ in told)) == [
        "decoding pictures",
        "head: computing features",
        "head: fitting the classifier",
        "all, epoch 1 of 1",
    ]
    counts = [(done, total) for what, done, total in told if what == "all, epoch 1 of 1"]
    assert counts == [(done, counts[0][1]) for done in range(counts[0][1] + 1)]


def test_the_same_seed_gives_the_same_run(run, digits, tmp_path):
    again = tuned(digits, tmp_path / "again")
    for layer, blobs in run.load().net.params.items():
        for one, other in zip(blobs, again.load().net.params[layer], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_run_that_was_interrupted_goes_on_with_the_same_curve(run, digits, tmp_path):
    def stop(record):
        if record["stage"] == "all" and record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(digits, tmp_path / "run", told=stop)
    assert not (tmp_path / "run").exists()
    resumed = tuned(digits, tmp_path / "run", resume=True)
    assert without_times(run.log) == without_times(resumed.log)


def test_another_task_is_not_gone_on_with(digits, tmp_path):
    def stop(record):
        if record["stage"] == "all" and record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(digits, tmp_path / "run", told=stop)
    with pytest.raises(UsageError, match="seed was 0"):
        tuned(digits, tmp_path / "run", resume=True, seed=1)


def test_a_directory_that_is_there_is_not_replaced(digits, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match="already"):
        tuned(digits, tmp_path / "run")


def test_an_empty_class_folder_is_named_before_any_work(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="cat"):
        fine_tune("lenet_digits", tmp_path / "data", output=tmp_path / "out")


@pytest.mark.parametrize(
    ("labels", "kind"), [("1 0 1", "SigmoidCrossEntropyLoss"), ("0.5 -2", "EuclideanLoss")]
)
def test_labels_that_are_no_classes_are_refused_with_what_takes_them(labels, kind, tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    listing = tmp_path / "train.txt"
    listing.write_text(f"a.png {labels}\nb.png {labels}\n")
    with pytest.raises(UsageError, match=kind) as raised:
        fine_tune("lenet_digits", listing, output=tmp_path / "out")
    assert "one class a row" in str(raised.value)
    assert raised.value.exit_code == 2


def test_without_validation_data_a_fifth_is_left_out(digits, tmp_path):
    run = fine_tune("lenet_digits", digits / "train.npz", output=tmp_path / "out", stages="head")
    assert any("10 of 50 rows" in note for note in run.notes)


def test_a_dry_run_writes_nothing(digits, tmp_path):
    run = tuned(digits, tmp_path / "out", dry_run=True)
    assert set(run.tables) == {"head", "all"}
    assert not list(tmp_path.iterdir())


def trainer_of(stage, net, head):
    rates = param_rates(net, head, stage)
    return Trainer(net, head.scores, stage, rates, np.ones(5, np.float32))


def one_step(stage, seed=0):
    """The net before and after one step on four random pictures."""
    net, head = replace_head(zoo.load("lenet_digits").net, classes=5)
    rng = np.random.default_rng(seed)
    batch = (rng.normal(size=(4, 28, 28, 1)).astype(np.float32), np.array([0, 1, 2, 3]))
    trainer = trainer_of(stage, net, head)
    trainer.epoch([batch], 1, 0, 0)
    return net, trainer.net


@pytest.mark.parametrize("solver", ["SGD", "Adam"])
def test_twice_the_rate_is_exactly_twice_the_step_with_any_solver(solver):
    settings = {"solver": solver, "weight_decay": 0.0, "epochs": 1, "schedule": "fixed"}
    steps = []
    for rate in (0.001, 0.002):
        before, after = one_step(Stage("s", groups=(Group(("conv1",), rate),), **settings))
        steps.append(after.params["conv1"][0] - before.params["conv1"][0])
        np.testing.assert_array_equal(before.params["ip1"][0], after.params["ip1"][0])
    np.testing.assert_allclose(steps[1], 2 * steps[0], rtol=2e-3, atol=1e-7)


def test_weight_decay_pulls_weights_and_spares_what_decay_mult_spares():
    groups = (Group(("*",), 0.1),)
    with_decay = one_step(Stage("s", groups=groups, weight_decay=0.1, schedule="fixed"))[1]
    before, without = one_step(Stage("s", groups=groups, weight_decay=0, schedule="fixed"))
    pulled = without.params["ip2_5"][0] - with_decay.params["ip2_5"][0]
    np.testing.assert_allclose(pulled, 0.01 * before.params["ip2_5"][0], atol=1e-6)
    np.testing.assert_array_equal(without.params["ip2_5"][1], with_decay.params["ip2_5"][1])


def test_training_that_diverges_is_told_with_what_to_do(digits, tmp_path):
    plan = Plan((Stage("wild", rate=1e6, epochs=3, mirror=False),))
    with pytest.raises(UsageError, match="diverged"):
        tuned(digits, tmp_path / "out", stages=plan)


def test_the_linear_classifier_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 8)).astype(np.float32)
    labels = (rows[:, :3] + 0.5 * rng.normal(size=(60, 3))).argmax(axis=1)
    found = fit_linear(rows, labels, 3)
    spread = rows.std()
    theirs = LogisticRegression(C=1 / (found.penalty * 60), max_iter=5000, tol=1e-8)
    theirs.fit(rows / spread, labels)
    expected = theirs.predict_proba(rows / spread)
    scores = rows @ found.weights.T + found.biases
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, atol=2e-3)


def test_the_linear_classifier_is_fitted_by_one_thread(monkeypatch):
    """Where the processor is shared, several wait for each other."""
    threads, solve = set(), softmax_regression._solve

    def watched(*args):
        threads.update(pool["num_threads"] for pool in threadpool_info())
        return solve(*args)

    monkeypatch.setattr(softmax_regression, "_solve", watched)
    fit_linear(np.eye(6, dtype=np.float32), np.arange(6) % 2, 2)
    assert threads == {1}


def test_an_evaluation_counts_each_class_and_its_calibration():
    probabilities = np.array([[0.8, 0.2, 0], [0.8, 0.2, 0], [0.1, 0.9, 0]])
    found = evaluate_scores(probabilities, np.array([0, 1, 1]), ["a", "b", "c"])
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 0))
    assert (found.classes[0].precision, found.classes[1].recall) == (0.5, 0.5)
    assert found.classes[2].precision is None
    assert found.classes[2].recall is None
    assert found.calibration_error == pytest.approx((2 * 0.3 + 1 * 0.1) / 3)
