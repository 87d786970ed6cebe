"""Scores against their papers' formulas; advice and ranks on data whose answer is known."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from threadpoolctl import threadpool_info
from transfer_data import write_pictures, write_small_model

import zoo
from zoo.cli.main import main
from zoo.errors import UsageError
from zoo.transfer.advise import advise
from zoo.transfer.rank import rank
from zoo.transfer.transferability import leep, logme


def evidence(logs, features, target):
    """Equation 2 of the LogME paper as it stands: the log evidence for alpha and beta."""
    alpha, beta = np.exp(logs)
    rows, columns = features.shape
    matrix = alpha * np.eye(columns) + beta * features.T @ features
    mean = beta * np.linalg.solve(matrix, features.T @ target)
    return (
        rows / 2 * np.log(beta)
        + columns / 2 * np.log(alpha)
        - rows / 2 * np.log(2 * np.pi)
        - beta / 2 * np.sum((features @ mean - target) ** 2)
        - alpha / 2 * mean @ mean
        - np.linalg.slogdet(matrix)[1] / 2
    )


def largest_evidence(features, target):
    """By search, from two starts."""
    found = [
        minimize(
            lambda logs: -evidence(logs, features, target),
            start,
            method="Nelder-Mead",
            bounds=[(-15, 15), (-15, 15)],
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000},
        ).fun
        for start in ([0.0, 0.0], [3.0, 3.0])
    ]
    return -min(found)


@pytest.mark.parametrize(("rows", "columns"), [(60, 5), (40, 39), (30, 50)])
@pytest.mark.parametrize("signal", [0.3, 2.0])
def test_logme_is_the_largest_evidence_of_the_direct_formula(rows, columns, signal):
    rng = np.random.default_rng(rows + columns)
    labels = np.arange(rows) % 3
    features = rng.normal(size=(rows, columns)) + signal * rng.normal(size=(3, columns))[labels]
    largest = [
        largest_evidence(features, (labels == label).astype(float)) / rows for label in range(3)
    ]
    assert logme(features, labels) == pytest.approx(np.mean(largest), abs=1e-5)


def test_leep_is_the_formula_of_its_paper():
    rng = np.random.default_rng(0)
    theta = rng.dirichlet(np.ones(4), size=30)
    labels = np.arange(30) % 3
    joint = np.zeros((3, 4))
    for row, label in zip(theta, labels, strict=True):
        joint[label] += row / 30
    given = joint / joint.sum(axis=0)
    expected = np.mean([np.log(given[y] @ row) for row, y in zip(theta, labels, strict=True)])
    assert leep(theta, labels) == pytest.approx(expected)


def test_better_features_score_higher():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    noise = rng.normal(size=(200, 10))
    scores = [
        logme(noise + shift * np.eye(10)[labels], labels) for shift in (0.0, 0.5, 1.0, 2.0, 4.0)
    ]
    assert scores == sorted(scores)


def test_features_that_say_nothing_score_as_noise_does():
    labels = np.arange(40) % 2
    target = (labels == 0).astype(float)
    expected = largest_evidence(np.full((40, 3), 1e-9), target) / 40
    assert logme(np.zeros((40, 3)), labels) == pytest.approx(expected, abs=1e-5)


def test_the_score_is_computed_by_one_thread(monkeypatch):
    """Where the processor is shared, several wait for each other."""
    threads, decompose = set(), np.linalg.svd

    def svd(*args, **settings):
        threads.update(pool["num_threads"] for pool in threadpool_info())
        return decompose(*args, **settings)

    monkeypatch.setattr(np.linalg, "svd", svd)
    logme(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2)
    assert threads == {1}


def test_one_class_has_no_score():
    with pytest.raises(UsageError, match="two classes"):
        logme(np.ones((4, 2)), np.zeros(4, int))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("choosing")
    write_small_model(top / "models" / "small")
    write_pictures(top / "photos", {"blue": 9, "green": 6, "red": 9})
    return top


def test_advice_has_the_cell_the_numbers_and_the_plan(folder):
    advice = advise(folder / "models" / "small", folder / "photos")
    assert advice.amount == "little"
    assert list(advice.logme) == ["conv1", "mod/concat"]
    assert advice.balance == pytest.approx(6 / 9)
    assert advice.leep < 0
    assert "24 rows of 3 classes" in advice.reasons[0]
    assert "linear classifier" in advice.plan[0].trained


def test_much_data_is_fine_tuned(folder, monkeypatch):
    monkeypatch.setattr("zoo.transfer.advise.MUCH", 9)
    advice = advise(folder / "models" / "small", folder / "photos")
    assert advice.amount == "much"
    assert "fine-tune" in advice.method
    assert len(advice.plan) == 3


def test_the_command_prints_table_and_plan(folder, capsys):
    words = ["advise", str(folder / "models" / "small"), str(folder / "photos")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.count("-> ") == 1
    assert "zoo probe" in shown
    assert "zoo finetune" in shown
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["depths"][0]["blob"] == "conv1"


def test_models_come_in_the_order_of_their_score(folder, capsys):
    blind = write_small_model(folder / "models" / "blind")
    net = zoo.Net.read(blind / "deploy.prototxt").initialized()
    zeros = {name: [blob * 0 for blob in blobs] for name, blobs in net.params.items()}
    net.with_params(zeros).save(weights=blind / "small.caffemodel")
    found = rank(folder / "photos", [blind, folder / "models" / "small"])
    assert [result.model for result in found] == ["small", "blind"]
    assert found[0].logme > found[1].logme
    words = ["rank", str(folder / "photos"), "--source", str(folder / "models"), "--json"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    scores = [entry["logme"] for entry in document]
    assert scores == sorted(scores, reverse=True)
    assert {entry["model"] for entry in document} == {"blind", "lenet_digits", "small"}


def test_no_speed_is_told_of_rows_that_were_known(folder, capsys):
    words = ["rank", str(folder / "photos"), str(folder / "models" / "small")]
    assert main(words) == 0
    first = capsys.readouterr().out.splitlines()[1].split("\t")
    assert float(first[-1]) > 0
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t") == [*first[:-1], "known"]


def test_a_model_that_is_not_there_is_told(folder, capsys):
    small = str(folder / "models" / "small")
    assert main(["rank", str(folder / "photos"), small, "nobody"]) == 2
    captured = capsys.readouterr()
    assert "small" in captured.out
    assert "nobody" in captured.err
