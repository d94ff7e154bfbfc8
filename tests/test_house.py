"""Holds the direction of imports (ARCHITECTURE.md) and what each room may know."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "open_clip",
    "moviepy",
    "accelerate",
    "torchvision",
    "cv2",
}
GROUND = {
    "settings",
    "project",
    "jobs",
    "device",
    "basemodels",
    "families",
    "singlefile",
    "encodings",
    "weights",
    "proxies",
    "disk",
}
FEATURES = {"images": 0, "texts": 0, "lora": 1, "video": 2}  # a feature may use those below it
FILES = sorted(path for place in ("core", "tabs") for path in (ROOT / place).rglob("*.py"))


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Dotted names that a file imports; `top_only` leaves out those inside functions and TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(room(path)))
def test_imports_go_one_way(path: Path) -> None:
    parts, names = room(path), imports(path)
    if parts[0] == "core":
        assert not {n for n in names if n.split(".")[0] in ("gradio", "tabs", "studio", "assets")}
    inside = {n.split(".")[1] for n in names if n.startswith("core.")}
    if parts[0] == "core" and parts[1] in GROUND:
        assert inside <= GROUND, "the ground floor knows no feature"
    if parts[0] == "core" and parts[1] in FEATURES:
        level = FEATURES[parts[1]]
        used = {feature for feature in inside & FEATURES.keys() if feature != parts[1]}
        assert all(FEATURES[feature] < level for feature in used), used
        assert inside <= GROUND | FEATURES.keys(), inside


BUILDERS = sorted((ROOT / "assets" / "build").glob("*.py"))


@pytest.mark.parametrize("path", [*FILES, *BUILDERS], ids=lambda path: "/".join(room(path)))
def test_number_formats_are_decided_in_device_alone(path: Path) -> None:
    if path == ROOT / "core" / "device.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not named & {"bfloat16", "float16", "half"}
    casts = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not casts & {"torch.autocast", "torch.amp.autocast"}


def test_pictures_are_opened_in_one_place() -> None:
    """By a list of formats; `Image.open` without one hands PostScript to Ghostscript."""
    openers = {("Image", "open"), ("cv2", "imread"), ("iio", "imread"), ("imageio", "imread")}
    found = [
        "/".join(room(path))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and (getattr(node.value, "id", ""), node.attr) in openers
    ]
    assert found == ["core/images/importing"]


def test_job_machinery_is_standard_library_alone() -> None:
    import sys

    for name in ("jobs", "setup", "proxies", "disk"):
        used = {n.split(".")[0] for n in imports(ROOT / "core" / f"{name}.py")} - {"core"}
        assert used <= set(sys.stdlib_module_names), used


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(room(path)))
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    """The window opens in seconds because nothing that it imports at start imports these."""
    if room(path)[0] == "tabs":
        assert not {n for n in imports(path) if n.split(".")[0] in HEAVY}, "a tab computes nothing"


def test_the_window_and_the_command_line_start_without_torch() -> None:
    import subprocess
    import sys

    code = "import core.commands, tabs.window, sys; print(sorted(set(sys.modules) & %r))" % HEAVY  # noqa: UP031
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr[-2000:] or done.stdout


def test_every_module_opens_with_its_contract() -> None:
    assert [
        path for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ] == []
