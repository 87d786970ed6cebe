"""What holds for every command: help, exit codes, errors, streams."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zoo.registry.catalogue
from zoo.cli.main import COMMANDS

NAMES = [module.NAME for module in COMMANDS]
NO_MODEL = {"cache", "id", "check-gradient", "train", "data", "log", "report", "lint", "doctor"}
TAKE_A_MODEL = set(NAMES) - NO_MODEL


def start(*words, **settings):
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *map(str, words)],
        stdout=settings.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def test_help_lists_every_command(run_zoo):
    shown = run_zoo("--help")
    assert shown.code == 0
    listed = {line.split()[0] for line in shown.out.splitlines() if line.startswith("    ")}
    assert set(NAMES) <= listed


def test_the_commands_are_those_that_are_promised():
    promised = (
        "list search info cite fetch verify where remove cache lock id inspect draw run compare"
        " diff classify filters activations occlusion gradcam heatmap top-images ascent find-rate"
        " finetune"
        " evaluate surgery convert check-gradient data features similar probe advise"
        " rank train log report new lint publish index source doctor"
    )
    assert promised.split() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_help_has_an_example_and_the_shared_options(run_zoo, name):
    shown = run_zoo(name, "--help")
    assert shown.code == 0
    assert f"examples:\n  zoo {name}" in shown.out
    assert all(option in shown.out for option in ("--json", "--quiet", "--debug"))
    assert ("--source" in shown.out) == (name in TAKE_A_MODEL)


def test_version(run_zoo):
    assert run_zoo("--version").out == f"zoo {zoo.__version__}\n"


def test_importing_and_help_never_load_tensorflow_numpy_or_rich():
    code = (
        "import sys; from zoo.cli.main import main; main(['--help']);"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'rich', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_listing_models_never_loads_tensorflow(models):
    code = (
        f"import sys; from zoo.cli.main import main; main(['list', '--source', {str(models)!r}]);"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "a command is missing"),
        (("lst",), "there is no command 'lst'. Did you mean list?"),
        (("list", "--sorce", "x"), "there is no option --sorce. Did you mean --source?"),
        (("list", "some", "more"), "one argument too many: 'more'"),
        (("fetch",), "expected addresses of models, or --locked"),
        (("classify", "m", "x.jpg", "--top", "0"), "expected a whole number of 1 or more"),
        (("classify", "m", "x.jpg", "--crops", "5"), "invalid choice: 5"),
        (("inspect", "--input", "data", "m"), "expected a blob and its shape"),
        (("inspect", "--input", "data=1,-3", "m"), "expected a blob and its shape"),
        (("cache",), "required: {info,verify,gc,export,import}."),
        (("data",), "required: {inspect,convert,show,mean}, PATH."),
        (("rank",), "required: DATA."),
        (("source",), "required: {add,list,remove}."),
        (("filters",), "required: MODEL, --layer, -o/--output."),
        (("filters", "m", "-o", "x.png"), "required: --layer."),
        (("run",), "required: MODEL or --net, --input, -o/--output."),
        (("convert",), "required: MODEL or --net, -o/--output."),
        (("finetune", "--epochs", "1"), "required: MODEL, DATA, -o/--output."),
        (("cache", "--", "inf"), "invalid choice: 'inf'. Did you mean info? Expected info, verify"),
        (("classify", "m", "x.jpg", "--engine", "tensorflo"), "Did you mean tensorflow? Expected"),
        (("list", "--source", ""), "--source: expected a folder or an address, received ''"),
        (("cite", ""), "'' is no address of a model"),
        (("inspect", "no such.prototxt"), "--net no such.prototxt, but there is no such file"),
    ],
)
def test_wrong_usage_says_what_and_exits_2(run_zoo, words, told):
    ended = run_zoo(*words)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("zoo: ")
    assert told in ended.err


def test_options_are_never_abbreviated(run_zoo):
    assert run_zoo("list", "--jso").code == 2


@pytest.mark.parametrize("words", [("--json", "list"), ("list", "--json")])
def test_shared_options_stand_before_or_after_the_command(run_zoo, words):
    assert run_zoo(*words).json[0]["name"] == "lenet_digits"


def test_errors_are_json_too(run_zoo):
    ended = run_zoo("info", "nobody", "--json")
    error = ended.json["error"]
    assert (ended.code, error["exit_code"], error["type"]) == (4, 4, "UnknownModelError")
    assert error["message"] in ended.err


def test_mistakes_in_arguments_are_json_too(run_zoo):
    assert run_zoo("--json", "lst").json["error"]["type"] == "UsageError"


@pytest.fixture
def broken(monkeypatch):
    """`zoo list` with something wrong inside."""

    def broken_by(error):
        def fail(self):
            raise error

        monkeypatch.setattr(zoo.registry.catalogue.Registry, "list", fail)

    return broken_by


def test_a_bug_is_one_sentence_and_exits_1(run_zoo, broken):
    broken(KeyError("nothing"))
    ended = run_zoo("list")
    assert ended.code == 1
    assert "this is a bug in zoo: KeyError: 'nothing' (test_main.py:" in ended.err
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") == 1


def test_only_the_first_line_of_a_long_exception_is_shown(run_zoo, broken):
    broken(ValueError("first\n\n   second"))
    assert "second" not in run_zoo("list").err


@pytest.mark.parametrize("words", [("--debug", "list"), ("list", "--debug")])
def test_debug_shows_the_traceback(run_zoo, broken, words):
    broken(KeyError("nothing"))
    ended = run_zoo(*words)
    assert ended.code == 1
    assert "Traceback (most recent call last)" in ended.err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "zoo: interrupted\n"),
        (MemoryError(), 4, "not enough memory"),
        (PermissionError(13, "Permission denied", "/x"), 4, "zoo: /x: Permission denied\n"),
    ],
)
def test_what_the_machine_does_is_no_bug(run_zoo, broken, error, code, told):
    broken(error)
    ended = run_zoo("list")
    assert ended.code == code
    assert told in ended.err


def test_a_reader_that_has_seen_enough_is_no_error(models):
    words = ("inspect", "--json", models / "tiny")
    with start(*words) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_behind_stdout_is_told(models):
    with open("/dev/full", "w") as full, start("list", "--json", stdout=full) as process:
        told = process.stderr.read()
    assert process.returncode == 4
    assert told == "zoo: the output cannot be written: No space left on device\n"


def test_the_exit_code_reaches_the_shell(models):
    with start("info", "nobody", "--json") as process:
        document = json.load(process.stdout)
    assert process.returncode == document["error"]["exit_code"] == 4


def test_images_and_options_may_be_mixed(run_zoo, models, pictures):
    ended = run_zoo(
        "classify", "tiny", pictures / "a colour.png", "--top", 1, "--source", models,
        pictures / "b rgba.png", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert [len(entry["predictions"]) for entry in ended.json] == [1, 1]


def test_what_follows_two_dashes_is_no_option(run_zoo):
    assert "'--json'" not in run_zoo("info", "--", "--json").out
    assert "no model named '--json'" in run_zoo("info", "--", "--json").err


def test_help_says_with_what_a_name_that_nobody_knows_ends(run_zoo):
    assert "a name that no source knows" in run_zoo("--help").out


def test_what_stands_behind_two_dashes_may_be_an_action(run_zoo):
    assert run_zoo("source", "--", "list").code == 0


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("lst",), ("lst", "--json")])
def test_a_closed_stdout_is_told(words):
    command = f"{sys.executable} -m zoo {' '.join(words)} >&-"
    done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True)
    wrong = words[0] == "lst"
    assert done.returncode == (2 if wrong else 4)
    told = "no command 'lst'" if wrong else "the output cannot be written: stdout is closed"
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["zoo.cli.main", "zoo.cli.failure", "zoo.errors"])
def test_an_interruption_while_zoo_starts_is_no_traceback(module):
    code = (
        "import sys, zoo.__main__\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.exit(zoo.__main__.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "zoo: interrupted\n")


def test_the_console_script_starts_where_an_interruption_is_caught():
    told = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert told["project"]["scripts"] == {"zoo": "zoo.__main__:main"}
