"""Every stage of dvc.yaml depends on all the code that it runs."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def module_file(name: str) -> Path | None:
    """The file of the module `name` of this project; None for anybody else's."""
    path = SOURCE.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def imported(file: Path) -> set[str]:
    """Names of all modules that `file` may import, and of the packages that hold them."""
    package = ".".join(file.relative_to(SOURCE).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = (base if node.level else []) + (node.module or "").split(".")
            module = ".".join(part for part in parts if part)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return {".".join(words[:count]) for words in parts for count in range(1, len(words) + 1)}


def closure(names: list[str]) -> set[Path]:
    """The project's files that importing the modules `names` may run."""
    found: set[Path] = set()
    waiting = {name.rpartition(".")[0] or name for name in names} | {*names}
    while waiting:
        file = module_file(waiting.pop())
        if file and file not in found:
            found.add(file)
            waiting |= imported(file)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_all_that_a_stage_imports(stage):
    command = STAGES[stage]["cmd"].split()
    assert command[:4] == ["exact", "run", "python", "-m"], "a stage must start with `exact run`"
    needed = closure([command[4], "exact.run"])
    needed |= {ROOT / "requirements.lock", ROOT / ".python-version"}
    missing = {str(file.relative_to(ROOT)) for file in needed} - {*STAGES[stage]["deps"]}
    assert not missing, f"add to the deps of {stage} in dvc.yaml: {sorted(missing)}"


@pytest.mark.parametrize("stage", STAGES)
def test_params_name_all_that_a_stage_reads(stage):
    tree = ast.parse(module_file(STAGES[stage]["cmd"].split()[4]).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    read = {
        argument.value
        for call in calls
        if ast.unparse(call.func) == "params.load"
        for argument in call.args
    }
    missing = (read | {"exact"}) - {*STAGES[stage].get("params", [])}
    assert not missing, f"add to the params of {stage} in dvc.yaml: {sorted(missing)}"
