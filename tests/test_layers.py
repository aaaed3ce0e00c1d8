"""The package's form: what imports what, how long files and functions are."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted((ROOT / "jaxcnn").rglob("*.py"))
}


def test_rooms_import_only_from_those_below():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_imported_package_is_declared():
    imported = set()
    for source in SOURCES.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    imported -= {"jaxcnn", *sys.stdlib_module_names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + extras["search"] + extras["serve"]
    declared = {normal_name(requirement) for requirement in requirements}
    distributions = packages_distributions()
    assert len(imported) > 15
    assert not {
        name
        for name in imported
        if declared.isdisjoint(map(normal_name, distributions.get(name, [])))
    }


def normal_name(requirement):
    """The normalized name of the package: "array-record" for "array_record>=0.8"."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def test_files_are_short():
    lengths = {path: len(source.splitlines()) for path, source in SOURCES.items()}
    assert not {path: length for path, length in lengths.items() if length > 300}


def test_functions_are_short():
    lengths = {
        f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, source in SOURCES.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert not {name: length for name, length in lengths.items() if length > 60}
