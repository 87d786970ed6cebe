"""Names that are not UTF-8: of files they are kept, of classes they are refused before any work."""

import os
import subprocess
import sys

import numpy as np
import pytest
from transfer_data import write_pictures, write_small_model

import zoo
from zoo.cli.main import main
from zoo.errors import UsageError
from zoo.transfer.convert_data import convert_data
from zoo.transfer.data import open_data
from zoo.transfer.feature_file import read_features, write_features

LATIN = os.fsdecode(b"gr\xfcn")


@pytest.fixture
def model(tmp_path):
    return write_small_model(tmp_path / "small")


@pytest.mark.parametrize(
    "words",
    [
        ("finetune", "MODEL", "DATA", "-o", "OUT"),
        ("probe", "MODEL", "DATA", "-o", "OUT"),
        ("data", "convert", "DATA", "-o", "OUT.lmdb"),
        ("data", "convert", "DATA", "-o", "OUT.h5"),
        ("features", "MODEL", "DATA", "--blob", "fc", "-o", "OUT.h5"),
    ],
)
def test_a_class_is_refused_before_any_work(model, tmp_path, capsys, words):
    photos = write_pictures(tmp_path / "photos", {"red": 2, LATIN: 2})
    places = {"MODEL": str(model), "DATA": str(photos)}
    out = str(tmp_path / "out")
    assert main([places.get(word, word.replace("OUT", out)) for word in words]) == 2
    assert "the class 'gr\\xfcn' has a name that is not UTF-8" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "small"]


def test_a_class_in_a_list_is_refused(tmp_path):
    write_pictures(tmp_path / "photos", {"red": 2})
    lines = b"".join(
        b"photos/red/%02d of red.png %s\n" % row for row in ((0, b"a"), (1, b"gr\xfcn"))
    )
    (tmp_path / "list.txt").write_bytes(lines)
    with pytest.raises(UsageError, match=r"list.txt: the class 'gr\\xfcn'"):
        open_data(tmp_path / "list.txt")


@pytest.fixture
def photos(tmp_path):
    folder = write_pictures(tmp_path / "photos", {"red": 2, "blue": 2})
    (folder / "red" / "00 of red.png").rename(folder / "red" / f"{LATIN}.png")
    return folder


@pytest.mark.parametrize("ending", ["h5", "npz"])
def test_files_of_features_give_names_of_files_back(model, photos, tmp_path, ending):
    target, data = tmp_path / f"feats.{ending}", open_data(photos)
    write_features(zoo.load(model), data, ["fc"], target)
    names = read_features(target).files
    assert names == data.keys
    assert all((photos / name).is_file() for name in names)


def test_parquet_has_them_written_out(model, photos, tmp_path):
    write_features(zoo.load(model), open_data(photos), ["fc"], tmp_path / "feats.parquet")
    assert "red/gr\\xfcn.png" in read_features(tmp_path / "feats.parquet").files


def test_a_conversion_keeps_them(photos, tmp_path):
    data = open_data(photos)
    written = open_data(convert_data(data, tmp_path / "x.h5", size=(8, 8)))
    assert written.keys == data.keys
    listed = open_data(convert_data(data, tmp_path / "x.txt"))
    assert [path.resolve() for path in listed.files] == [path.resolve() for path in data.files]
    assert len(open_data(convert_data(data, tmp_path / "x.lmdb"))) == 4


def test_under_an_ascii_locale_umlauts_are_what_they_are(tmp_path):
    write_pictures(tmp_path / "photos", {"grün": 2, "red": 2})
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    words = ["data", "convert", "photos", "-o", "x.h5", "--size", "8,8"]
    subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        timeout=120,
    )
    data = open_data(tmp_path / "x.h5")
    assert data.classes == ("grün", "red")
    assert data.keys[0] == "grün/00 of grün.png"


def test_tuning_on_such_files_in_such_a_folder_ends_well(photos, model, tmp_path):
    folder = photos.rename(tmp_path / LATIN)
    plan = tmp_path / "plan.yaml"
    plan.write_text("stages:\n  - {name: head, train: head}\n")
    run = zoo.fine_tune(model, folder, folder, output=tmp_path / "tuned", stages=plan)
    assert run.classes == ("blue", "red")
    assert "gr\\xfcn" in (tmp_path / "tuned" / "readme.md").read_text(encoding="utf-8")
    assert np.isfinite(run.accuracy)


def test_a_model_directory_needs_a_name_that_its_readme_can_hold(photos, model, tmp_path, capsys):
    target = tmp_path / LATIN
    assert main(["probe", str(model), str(photos), "-o", str(target)]) == 2
    assert "'gr\\xfcn' is not UTF-8" in capsys.readouterr().err
    assert not target.exists()
