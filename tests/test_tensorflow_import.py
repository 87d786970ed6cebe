"""TensorFlow is imported without its chatter, and a failure is told with its reason."""

import os
import subprocess
import sys

IMPORT = "from zoo.tensorflow_import import import_tensorflow; import_tensorflow()"


def written(code, **environment):
    """What a fresh process writes to stderr."""
    inherited = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    ).stderr


def test_nothing_is_written_even_when_devices_are_looked_for():
    code = IMPORT.replace("import_tensorflow()", "tf = import_tensorflow()")
    assert written(code + "; tf.config.list_physical_devices(); tf.constant(1.0) + 1") == ""


def test_pictures_as_part_of_an_export_write_nothing_either():
    code = (
        "import zoo; from zoo.exports.source import Source; lenet = zoo.load('lenet_digits');"
        " Source.of(lenet.net, lenet.preprocess).model()"
    )
    assert written(code) == ""


def test_who_asks_for_the_log_gets_it():
    assert "oneDNN" in written(IMPORT, TF_CPP_MIN_LOG_LEVEL="0")


def test_stderr_works_afterwards():
    assert written(IMPORT + "; import os; os.write(2, b'here')") == "here"


def test_a_closed_stderr_is_no_error(tmp_path):
    code = f"import os; os.close(2); {IMPORT}; open({str(tmp_path / 'done')!r}, 'w').close()"
    written(code)
    assert (tmp_path / "done").exists()


def test_a_broken_installation_is_told_with_what_it_wrote(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os; os.write(2, b'libcudart.so: wrong version\\n')\n"
        "raise ImportError('DLL load failed')\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from zoo.errors import UnavailableError\n"
        "from zoo.tensorflow_import import import_tensorflow\n"
        "try:\n    import_tensorflow()\n"
        "except UnavailableError as error:\n    sys.stderr.write(str(error))\n"
    )
    told = written(code)
    assert "DLL load failed" in told
    assert "pip install" in told
    assert told.endswith("libcudart.so: wrong version")
