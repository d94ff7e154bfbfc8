"""What pages are told of the jobs past Gradio: drawn once for all, to those who may ask, nothing twice."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest

from core.jobstate import DONE, RUNNING, JobState
from core.progress import Progress
from tabs import window
from tabs.jobs import news
from tabs.jobs.news import Board

PASSWORD = "a wide river"


@pytest.fixture
def board(studio):
    return Board(studio.runner, "en")


def told(board: Board, seen: str = "") -> SimpleNamespace:
    return SimpleNamespace(**json.loads(gzip.decompress(board.news(seen))))


def job(board: Board, number: int = 1, status: str = RUNNING, **progress) -> None:
    """A job of the label tab stands in the runner as it would after a report."""
    state = JobState(f"job-{number}", "label", f"Labelling {number}", status)
    board.runner._set(replace(state, progress=Progress("Labelling", **progress)))


def later(board: Board) -> None:
    """Time for another drawing has come."""
    board._drawn_at -= news.REDRAW_S


def test_a_page_is_told_once_and_all_pages_the_same(board):
    first = told(board)
    assert first.panels == {}
    assert board.news(first.seen) is None
    job(board, step=1, total=9)
    now = told(board, first.seen)
    assert list(now.panels) == ["label"] and "1 of 9" in now.panels["label"]["html"]
    assert board.news(now.seen) is None
    assert board.news(first.seen) is board.news("nonsense-7")


@pytest.mark.parametrize("number", ["", "-1", "9" * 5000, "x"])
def test_whatever_a_page_says_that_it_has_seen_it_gets_an_answer(board, number):
    job(board, step=1)
    assert list(told(board, f"{board.name}-{number}").panels) == ["label"]


def test_what_a_job_reports_is_drawn_once_a_second_and_its_end_at_once(board):
    job(board, step=1, total=9)
    seen = told(board).seen
    job(board, step=2, total=9)
    assert board.news(seen) is None
    later(board)
    second = told(board, seen)
    assert "2 of 9" in second.panels["label"]["html"]
    job(board, status=DONE)
    assert "Done" in told(board, second.seen).panels["label"]["html"]


def test_only_panels_that_changed_are_sent(board):
    board.runner._set(JobState("a", "image", "Image LoRA", DONE))
    job(board, step=1, total=9)
    first = told(board)
    assert set(first.panels) == {"image", "label"}
    job(board, step=2, total=9)
    later(board)
    assert set(told(board, first.seen).panels) == {"label"}


def test_the_stage_is_another_where_buttons_or_the_picture_change(board, tmp_path):
    picture = tmp_path / "sample.png"
    picture.touch()
    stages = []
    for step, made in enumerate((None, None, picture, picture)):
        job(board, step=step, picture=made)
        later(board)
        stages.append(told(board).panels["label"]["stage"])
    job(board, status=DONE, picture=picture)
    stages.append(told(board).panels["label"]["stage"])
    one, two, three, four, five = stages
    assert one == two and three == four and len({one, three, five}) == 3


def test_after_a_restart_and_in_another_language_a_page_has_seen_nothing(board):
    job(board, step=1)
    seen = told(board).seen
    for other in (Board(board.runner, "en"), Board(board.runner, "zh")):
        again = told(other, seen)
        assert again.panels["label"]["stage"] != told(board).panels["label"]["stage"]
    assert "标注" in again.panels["label"]["html"]


def test_a_waiting_job_says_for_which_it_waits(board):
    job(board, step=1)
    board.runner._set(JobState("b", "image", "Image LoRA"))
    assert "Waiting for: Labelling 1" in told(board).panels["image"]["html"]


@pytest.fixture(params=["studio", "gradio"])
def shared(request, studio):
    """The address of a window as a share link serves it, but for the link; who asks for a login knows it."""
    studio = replace(studio, login=request.param == "studio")
    app = window.build(studio)
    arguments = window.launch_arguments(
        studio, port=None, share=True, auth=lambda user, given: (user, given) == ("studio", PASSWORD)
    )
    _, address, _ = app.launch(**arguments | {"share": False}, prevent_thread_lock=True)
    yield address
    app.close(verbose=False)


def test_the_question_is_authorised_as_everything_else(shared):
    link = {"host": "abc.gradio.live", "origin": "https://abc.gradio.live"}
    with httpx.Client(base_url=shared, headers=link, trust_env=False) as page:
        assert page.get("/news").status_code == 401
        page.post("/login", data={"username": "studio", "password": "wrong"})
        assert page.get("/news").status_code == 401
        page.cookies.set("access-token-x", "y")
        assert page.get("/news").status_code == 401
        assert page.post("/login", data={"username": "studio", "password": PASSWORD}).status_code == 200
        (token,) = (value for name, value in page.cookies.items() if name.startswith("access-token-unsecure"))
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in page.cookies.items())}
        answer = page.get("/news", headers=cookie)
        assert answer.status_code == 200 and answer.json()["panels"] == {} and token
        assert answer.headers["content-encoding"] == "gzip" and answer.headers["cache-control"] == "no-store"
        seen = {"seen": answer.json()["seen"]}
        assert page.get("/news", params=seen, headers=cookie).status_code == 204
        plain = page.get("/news", headers=cookie | {"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers and plain.json() == answer.json()
        for foreign in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            assert page.get("/news", headers=cookie | foreign).status_code == 403
        page.get("/logout", headers=cookie | {"sec-fetch-site": "same-origin"})
        assert page.get("/news", headers=cookie).status_code == 401


def test_without_a_login_whoever_is_at_the_machine_may_ask(served):
    answer = httpx.get(f"{served.url}news", headers={"accept-language": "zh-CN"}, trust_env=False)
    assert answer.status_code == 200 and "-zh-" in answer.json()["seen"]
