"""Holds the direction of imports (ARCHITECTURE.md) and what each room may know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
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
# From the ground up: a room uses those that stand before it, never those after it or beside it in its row.
FLOORS: list[set[str]] = [
    {"core.messages", "core.proxies"},
    {"core.disk", "core.encodings", "core.progress"},
    {"core.files", "core.setup", "core.gguf_file", "core.adapter_config"},
    {"core.project", "core.jobstate"},
    {"core.jobs", "core.settings", "core.lineage"},
    {"core.device", "core.weights"},
    {"core.singlefile"},
    {"core.families"},
    {"core.bases"},
    {"core.kept"},
    {"core.images", "core.texts"},
    {"core.lora.kernels"},
    {"core.lora.adapters"},
    {"core.lora.engine"},
    {"core.lora.image", "core.lora.text"},
    {"core.lora.estimate"},
    {"core.lora.proof"},
    {"core.lora.kinds"},
    {"core.lora"},
    {"core.video.storyboard"},
    {"core.video.audio"},
    {"core.video.picture", "core.video.script"},
    {"core.video.render"},
    {"core.video.post"},
    {"core.video"},
    {"core.demo", "core.doctor", "core.terminal"},
    {"core.commands"},
    {"tabs.shell"},
    {"tabs.gate", "tabs.jobs"},
    {"tabs.compose", "tabs.label", "tabs.train"},
    {"tabs.window"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
FILES = sorted(path for place in ("core", "tabs") for path in (ROOT / place).rglob("*.py"))


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Dotted names that a file imports; `top_only` leaves out those inside functions and TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = when_imported(tree) if top_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def when_imported(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a file is imported: also within `try`, `with`, `if` and classes, not in functions."""
    for inner in ast.iter_child_nodes(node):
        for_types = isinstance(inner, ast.If) and ast.unparse(inner.test) == "TYPE_CHECKING"
        if not for_types and not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield inner
            yield from when_imported(inner)


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


def module_of(path: Path) -> str:
    return ".".join(part for part in parts_of(path) if part != "__init__")


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """The room that a module stands in: the longest name of a floor that it begins with."""
    names = [room for room in FLOOR_OF if f"{module}.".startswith(f"{room}.")]
    assert names, f"{module} stands in no room of FLOORS"
    return max(names, key=len)


def uses(path: Path) -> set[str]:
    """Modules of this house that a file imports when it runs, in functions too; not for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in for_types:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in MODULES else node.module)
    return (found & MODULES.keys()) - {module_of(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_imports_go_one_way(path: Path) -> None:
    if path.name == "__init__.py" or len(parts_of(path)) == 1:
        return
    own = room_of(module_of(path))
    assert not {
        name
        for name in imports(path)
        if name.split(".")[0] in ({"assets", "studio"} if own.startswith("core") else {"studio"})
    }
    others = {name for name in uses(path) if room_of(name) != own}
    assert [name for name in sorted(others) if FLOOR_OF[room_of(name)] >= FLOOR_OF[own]] == []


def test_no_file_leads_back_to_itself() -> None:
    """Files that use each other in a circle can't be read, tested or moved one at a time."""
    left = {module: uses(path) for module, path in MODULES.items()}
    while free := {module for module, used in left.items() if not used & left.keys()}:
        left = {module: used for module, used in left.items() if module not in free}
    assert left == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_what_is_long_is_parted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_private_names_stay_in_their_file(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    taken = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("core", "tabs")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert taken == []


BUILDERS = sorted((ROOT / "assets" / "build").glob("*.py"))


@pytest.mark.parametrize("path", [*FILES, *BUILDERS], ids=lambda path: "/".join(parts_of(path)))
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
        "/".join(parts_of(path))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and (getattr(node.value, "id", ""), node.attr) in openers
    ]
    assert found == ["core/images/picture_file"]


def test_tabs_leave_what_may_fail_to_core() -> None:
    """Below the doors (tabs/gate, and the one border to a person) a tab tries nothing by itself."""
    trying = {
        "/".join(parts_of(path))
        for path in FILES
        if parts_of(path)[0] == "tabs" and parts_of(path)[1] != "gate"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Try)
    }
    assert trying == {"tabs/shell/wiring"}


def test_durations_are_measured_by_a_clock_that_does_not_jump() -> None:
    """Only these tell a time of day, for people and other programs, or a file's age."""
    telling = {
        "core/jobs",
        "core/jobstate",
        "core/lora/engine/metrics",
        "core/lora/adapters/metadata",
        "core/lora/train",
        "tabs/gate/incoming",
        "tabs/jobs/panel",
    }
    found = {"/".join(parts_of(path)) for path in FILES if "time.time()" in path.read_text(encoding="utf-8")}
    assert found <= telling


def test_job_machinery_is_standard_library_alone() -> None:
    import sys

    for name in ("messages", "progress", "jobstate", "jobs", "setup", "proxies", "disk", "files"):
        used = {n.split(".")[0] for n in imports(ROOT / "core" / f"{name}.py")} - {"core"}
        assert used <= set(sys.stdlib_module_names), used


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(parts_of(path)))
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    """The window opens in seconds because nothing that it imports at start imports these."""
    inside = parts_of(path)[0] == "core"  # a tab computes nothing
    assert not {n for n in imports(path, top_only=inside) if n.split(".")[0] in HEAVY}


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
