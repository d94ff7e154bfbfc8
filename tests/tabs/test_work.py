"""Jobs are submitted once at a time, and an ended one goes on with exactly its own settings."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from core.jobs import Runner
from core.jobstate import DONE, FAILED, INTERRUPTED, RUNNING, STOPPED, JobState
from core.lineage import write_lineage
from core.lora import kinds
from core.lora.engine import fingerprint as engine_fingerprint
from core.messages import Mistake, Sentence, as_plain
from core.progress import Progress
from core.project import write_atomic, write_captions
from core.settings.data import LabelSettings
from core.settings.training import ImageTraining
from tabs.jobs import panel, queue, resume_prompt
from tabs.shell.wiring import Page
from tabs.train import lora_list


def steps(count: int):
    def job(settings):
        for step in range(count):
            yield Progress("Labelling", step + 1, count)

    return job


def test_a_second_press_while_one_runs_is_refused(studio, monkeypatch):
    monkeypatch.setitem(queue.KINDS, "label", queue.Kind(LabelSettings, steps(10_000_000)))
    settings = LabelSettings(pictures=studio.project.images())
    first = queue.submit(studio, "label", "Labelling", settings)
    with pytest.raises(Mistake, match="still at work"):
        queue.submit(studio, "label", "Labelling", settings)
    studio.runner.stop(first)
    assert studio.runner.wait(first, 60).status == STOPPED


def test_an_interrupted_job_is_offered_again_with_its_settings(studio, monkeypatch):
    asked = []

    def job(settings):
        asked.append(settings)
        yield Progress("Labelled", 1, 1, result=settings.pictures)

    monkeypatch.setitem(queue.KINDS, "label", queue.Kind(LabelSettings, job))
    settings = LabelSettings(pictures=studio.project.images(), trigger="水墨", tags=7)
    ended = studio.runner.wait(queue.submit(studio, "label", "Labelling", settings), 60)
    assert ended.status == DONE and not queue.can_continue(studio, ended)

    path = studio.runner.folder / f"{ended.id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running", "result": None}))
    again = replace(studio, runner=Runner(studio.runner.folder))
    killed = again.runner.newest("label")
    assert killed.status == INTERRUPTED and queue.can_continue(again, killed)
    shown = panel.body(killed, Page("en"))
    assert "Press Continue" in shown and "Interrupted" in shown
    queue.resume(again, "label")
    again.runner.wait(again.runner.newest("label").id, 60)
    assert asked == [settings, settings]


def test_continue_asks_where_what_is_learnt_has_changed(studio, monkeypatch):
    asked = []

    def job(settings):
        asked.append(settings)
        yield Progress("Training", 3, 9)
        raise Mistake("The memory is not enough for even one sample; set gradient_checkpointing to auto, "
                      "or lower resolution or max_length.")  # fmt: skip

    monkeypatch.setitem(queue.KINDS, "image", queue.Kind(ImageTraining, job))
    folder = studio.project.images()
    settings = ImageTraining(train_data_dir=folder, output_dir=studio.project.runs() / "ink")
    note = settings.output_dir / "checkpoint" / "step-00000003.json"
    assert queue.changed(studio, "image") is None
    studio.runner.wait(queue.submit(studio, "image", "Ink", settings), 20)
    fingerprint = engine_fingerprint.fingerprint(settings, kinds.of(settings).data_of(settings))
    write_atomic(note, json.dumps({"fingerprint": fingerprint, "state": {"step": 3}}))
    assert queue.changed(studio, "image") is None
    captions = {f"scene {number}.png": "a boat" if number < 3 else "" for number in range(1, 7)}
    write_captions(folder / "metadata.csv", captions)
    about, go_on, anew = resume_prompt.ask(Page("en"), queue.changed(studio, "image"))
    assert "stopped at step 3. Since then this changed: 2 captions changed." in about["value"]
    assert about["visible"] and go_on["visible"] and anew["visible"]
    for how in ("always", "never", "auto"):
        queue.resume(studio, "image", how)
        studio.runner.wait(studio.runner.newest("image").id, 20)
        assert asked[-1] == settings.model_copy(update={"resume": how})


@pytest.mark.parametrize("held", ["a: [", "[1]", "stars: 5", "output_dir: [a]", "\0"])
def test_settings_of_a_job_that_cant_be_read_stop_no_new_training(studio, held):
    settings = ImageTraining(train_data_dir=studio.project.images(), lora_dir=studio.project.loras())
    state = studio.runner.wait(studio.runner.submit("image", "Ink", lambda: iter([])), 60)
    queue.write_atomic(studio.runner.folder / f"{state.id}.yaml", queue.dump(settings))
    (studio.runner.folder / f"{state.id}.json").write_text(
        json.dumps({"kind": "image", "title": "Ink", "status": "interrupted"})
    )
    again = replace(studio, runner=Runner(studio.runner.folder))
    assert queue.unfinished(again, "image", studio.project.name) == settings.output_dir
    (studio.runner.folder / f"{state.id}.yaml").write_text(held)
    assert queue.unfinished(again, "image", studio.project.name) is None
    with pytest.raises(Mistake, match=state.id):
        queue.resume(again, "image")


def test_nothing_to_continue_is_a_mistake(studio):
    with pytest.raises(Mistake, match="nothing to continue"):
        queue.resume(studio, "compose")


def test_the_panel_escapes_and_says_what_is_known():
    state = JobState(
        id="1", kind="image", title="<b>x</b>", status=FAILED, error="RuntimeError: <script>", log=("<i>",),
        losses=((1, 0.5), (2, 0.25), (3, float("nan"))),
    )  # fmt: skip
    shown = panel.body(state, Page("en"))
    assert "<b>x" not in shown and "<script>" not in shown and "<i>&lt;" not in shown
    assert "Something went wrong inside the studio: RuntimeError: &lt;script&gt;" in shown
    running = replace(
        state, status="running", progress=Progress("Training", 3, 12, loss=0.25, seconds_left=33)
    )
    shown = panel.body(running, Page("zh"))
    assert "训练中" in shown and "3 / 12" in shown and "损失 0.2500" in shown and "还需约 35 秒" in shown
    assert "aria-valuenow='25'" in shown
    queued = replace(state, status="queued", progress=Progress("Waiting"))
    assert "Waiting for: other job" in panel.body(queued, Page("en"), "other job")


def test_the_panel_shows_what_is_being_drawn_while_it_is():
    state = JobState("1", "scene", "A scene", "running", Progress("Drawing", 3, 12), look=b"\xff\xd8 a jpeg")
    assert "src='data:image/jpeg;base64,/9ggYSBqcGVn'" in panel.body(state, Page("en"))
    for other in (replace(state, status="done"), replace(state, look=b"")):
        assert "<img" not in panel.body(other, Page("en"))


def test_the_panel_tells_what_the_disk_refuses_and_the_jobs_true_state():
    reason = Sentence("{path} is no longer there; put it back or choose another folder.", path="<a>")
    state = JobState("1", "image", "Ink", RUNNING, Progress("Training", 3, 12), unwritten=reason)
    shown = panel.body(state, Page("en"))
    assert "The disk hasn&#x27;t this job&#x27;s state: &lt;a&gt; is no longer there;" in shown
    assert "Running" in shown and "3 of 12" in shown
    assert "没能写入磁盘：&lt;a&gt; 已经不在了" in panel.body(state, Page("zh"))


def test_a_loss_curve_leaves_out_broken_numbers_and_spikes():
    from tabs.jobs.loss_chart import loss_chart, smooth

    assert loss_chart([(1, 0.5)], "t") == ""
    assert smooth([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    curve = [(step, 1.0 / step) for step in range(1, 101)] + [(101, float("inf")), (102, 1e9)]
    svg = loss_chart(curve, "Loss")
    assert "nan" not in svg and "inf" not in svg and svg.count("<polyline") == 2
    heights = [float(point.split(",")[1]) for point in svg.split("points='")[1].split("'")[0].split()]
    assert all(0 <= y <= 170 for y in heights)


def test_a_long_loss_curve_is_drawn_with_no_more_points_than_are_seen():
    from tabs.jobs.loss_chart import POINTS, loss_chart

    svg = loss_chart([(step, 1.0) for step in range(1, 2000)], "Loss")
    for line in re.findall(r"<polyline class='st-\w+' points='([^']*)'", svg):
        points = line.split()
        assert POINTS / 2 < len(points) <= POINTS and points[-1].startswith("590.0,")


def test_looks_at_held_out_samples_are_dots_and_told():
    from tabs.jobs.loss_chart import loss_chart

    curve = [(step, 1.0 / step) for step in range(1, 21)]
    svg = loss_chart(curve, "Loss", [(10, 0.5), (20, 0.4), (40, 0.1), (15, float("nan"))])
    assert svg.count("<circle") == 2 and svg.count("<polyline") == 3
    state = JobState(id="1", kind="image", title="x", losses=tuple(curve), held_out=((10, 0.5),))
    assert "dots: on held-out samples" in panel.body(state, Page("en"))
    assert "dots:" not in panel.body(replace(state, held_out=()), Page("en"))


def test_the_log_is_said_in_the_pages_language():
    best = Sentence("held out loss {value}", value="0.091")
    line = Sentence(
        "The weights of step {best} are kept, the best on held-out samples: {figures}", best=7, figures=best
    )
    state = JobState(id="1", kind="image", title="x", log=("Training", line, "as <it> is"))
    shown = panel.body(state, Page("zh"))
    assert "保留第 7 步的权重，它在留出的样本上最好：留出样本的损失 0.091" in shown and "训练中" in shown
    assert "as &lt;it&gt; is" in shown
    assert "The weights of step 7 are kept" in panel.body(state, Page("en"))
    changes = (Sentence("{count} pictures added", count=2), Sentence("{count} captions changed", count=1))
    told = Sentence("This changed since the checkpoint: {changes}", changes=changes)
    assert Page("zh").line(told) == "自检查点以来有这些变动：新增 2 张图片; 改动 1 条说明"


def test_the_shelf_shows_what_a_training_advised(studio):
    path = studio.project.loras() / "lora_v9_tea_r2_ep4.safetensors"
    path.write_bytes(b"")
    advice = Sentence("It hardly learnt: set {changes}.", changes="epochs=<8>")
    write_lineage(path, {"made": "today", "advice": as_plain([advice, "an older one"])})
    assert "It hardly learnt: set epochs=&lt;8&gt;." in lora_list.shelf(Page("en"), [path])
    shown = lora_list.shelf(Page("zh"), [path])
    assert "几乎没有学到东西：请设置 epochs=&lt;8&gt;。" in shown and "an older one" in shown
