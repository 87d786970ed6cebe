"""Imports run one way, light commands stay light, and public names are what they say."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parents[1]

# Each part may import those above it and itself. Longest prefix counts.
ORDER = [
    "zoo.errors",
    "zoo.tensorflow_import",
    "zoo.input_spec zoo.labels zoo.resize zoo.images zoo.preprocess",
    "zoo.caffe",
    "zoo.keras_layers",
    "zoo.layers",
    "zoo.connect zoo.net zoo.loading zoo.table zoo.prepare zoo.ignored zoo.report zoo.scores"
    " zoo.misfit zoo.saving",
    "zoo.receptive_field",
    "zoo.surgery",
    "zoo.build",
    "zoo.surgery.measure_norm zoo.surgery.operations zoo.surgery.recipe zoo.surgery.check",
    "zoo.exports",
    "zoo.file_conversion",
    "zoo.conversion",
    "zoo.registry",
    "zoo.classification zoo.loaded",
    "zoo.transfer",
    "zoo.describe zoo.doctor zoo.identify",
    "zoo.api",
    "zoo.visual",
    "zoo.transfer.features zoo.transfer.feature_cache zoo.transfer.feature_inputs"
    " zoo.transfer.feature_rows zoo.transfer.feature_parquet"
    " zoo.transfer.feature_file zoo.transfer.feature_origin"
    " zoo.transfer.comparable zoo.transfer.similar"
    " zoo.transfer.extractor zoo.transfer.probe"
    " zoo.transfer.probe_model zoo.transfer.advise zoo.transfer.rank zoo.transfer.run_report",
    "zoo.transfer.finetune zoo.transfer.find_rate",
    "zoo.surgery.apply zoo.surgery.operated_model",
    "zoo.network_check zoo.publishing zoo.new_model",
    "zoo.blob_difference zoo.difference_hints zoo.recorded zoo.comparison",
    "zoo.cli zoo.__main__",
]
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row.split()}
FOLDERS = {
    name: ROOT / ("zoo" if name == "zoo" else name)
    for name in ("zoo", "registry", "transfer", "surgery", "cli")
}


def modules():
    for part, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            names = path.relative_to(folder).with_suffix("").parts
            names = names[:-1] if names[-1] == "__init__" else names
            prefix = ("zoo",) if part == "zoo" else ("zoo", part)
            yield ".".join((*prefix, *names)), path


def rank(module):
    while module and module not in RANK:
        module = module.rpartition(".")[0]
    return RANK.get(module)


def imports(path):
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom):
            yield node.module, node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_imports_run_one_way(module, path):
    if module == "zoo":
        return
    own = rank(module)
    assert own is not None, f"{module} has no place in the order of imports"
    for imported, line in imports(path):
        if imported and imported.startswith("zoo."):
            assert rank(imported) <= own, f"{path}:{line}: {module} must not import {imported}"


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_only_the_standard_library_is_imported_relative_to_nothing(module, path):
    bare = set(FOLDERS) - {"zoo"}
    for imported, line in imports(path):
        assert imported.partition(".")[0] not in bare, f"{path}:{line}: import zoo.{imported}"


@pytest.mark.parametrize(
    "code",
    [
        "import zoo",
        "import zoo; zoo.Net",
        "import zoo.cli.main",
        "import zoo.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass",
        "import zoo.cli.main as m; m.main(['list'])",
        "import zoo.cli.main as m; m.main(['info', 'lenet_digits'])",
    ],
)
def test_light_use_never_imports_tensorflow(code):
    check = (
        "\nimport sys\nheavy = {'tensorflow', 'keras'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_resolves():
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = zoo.lod


def test_every_package_is_in_the_wheel():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        name.rpartition(".")[0] if path.name != "__init__.py" else name for name, path in modules()
    }
    assert found <= set(told)
