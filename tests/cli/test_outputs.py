"""What cannot be written is refused before any work, whatever else is missing."""

import pytest


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("find-rate", "nothing", "nowhere", "-o", "x.quatsch"), "name a file that ends with"),
        (("find-rate", "nothing", "nowhere", "-o", "no/x.png"), "there is no directory no"),
        (("find-rate", "nothing", "nowhere", "-o", "there.png"), "there.png exists"),
        (("log", "parse", "nowhere.log", "-o", "x.quatsch"), "name a file that ends with .html"),
        (("log", "parse", "nowhere.log", "-o", "no/x.csv"), "there is no directory no"),
        (("log", "parse", "nowhere.log", "-o", ""), "is empty"),
        (("data", "convert", "nowhere", "-o", "no/x.h5"), "there is no directory no"),
        (("data", "mean", "nowhere", "-o", "no/x.npy"), "there is no directory no"),
        (("probe", "nothing", "nowhere", "-o", "there.png/x"), "there.png is a file"),
    ],
)
def test_an_output_is_checked_first(run_zoo, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").touch()
    done = run_zoo(*words)
    assert (done.code, told in done.err) == (2, True), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]


@pytest.mark.parametrize("words", [("--dry-run",), ()])
def test_a_model_directory_in_a_file_is_refused(run_zoo, tmp_path, words):
    (tmp_path / "text.txt").touch()
    target = tmp_path / "text.txt" / "x"
    done = run_zoo("finetune", "lenet_digits", tmp_path / "nowhere", "-o", target, *words)
    assert done.code == 2
    assert f"{tmp_path / 'text.txt'} is a file" in done.err


@pytest.mark.parametrize("command", ["find-rate", "finetune", "evaluate"])
def test_data_that_cannot_be_read_are_named(run_zoo, tmp_path, command):
    more = ["-o", tmp_path / "x"] if command == "finetune" else []
    done = run_zoo(command, "lenet_digits", "/proc/self/mem", *more)
    assert done.code == 4
    assert "/proc/self/mem cannot be read: Input/output error" in done.err
