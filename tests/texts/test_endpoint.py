"""A language model at an address: a small server here that really answers, in all sorts of ways."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.messages import Mistake
from core.settings.video import WriteSettings
from core.texts import endpoint
from core.texts.endpoint import Endpoint, check_address, key
from core.texts.engine import opened, structured
from tests.answering import Served, serving, streamed

CHAT = [{"role": "user", "content": "Write a scene about rain."}]
SCHEMA = {
    "type": "object",
    "properties": {"say": {"type": "string", "minLength": 3}},
    "required": ["say"],
    "additionalProperties": False,
}
RIGHT = '{"say":"It rains."}'


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(endpoint, "WAIT_S", 0.01)
    monkeypatch.delenv(endpoint.KEY, raising=False)
    with serving() as state:
        state.answers = [RIGHT]
        yield state


def test_it_answers_in_the_form_it_was_asked_for(served: Served) -> None:
    model = opened(served.address)
    assert isinstance(model, Endpoint)
    assert structured(model, CHAT, SCHEMA, seed=7) == {"say": "It rains."}
    (asked,) = served.asked
    assert asked["model"] == "first"
    assert asked["messages"] == CHAT
    assert asked["seed"] == 7
    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA
    assert served.keys == [None, None]


def test_candidates_are_whole_sentences_without_reasoning(served: Served) -> None:
    served.answers = ["<think>Hm.</think>It rains. It pours all", "Rain falls."]
    model = Endpoint(served.address, "second")
    assert model.candidates_for([CHAT], 2, 0) == [["It rains.", "Rain falls."]]
    assert [asked["model"] for asked in served.asked] == ["second", "second"]
    assert served.asked[0]["seed"] != served.asked[1]["seed"]


@pytest.mark.parametrize(
    "wrong", ["no JSON at all", '{"say":"x"}', "[1, 2]", '{"say":"It rains.","more":1}', "{" * 5000]
)
def test_an_answer_of_another_form_is_asked_for_again_then_told(served: Served, wrong: str) -> None:
    served.answers = [wrong, wrong, RIGHT]
    assert structured(Endpoint(served.address), CHAT, SCHEMA) == {"say": "It rains."}
    served.answers = [wrong]
    with pytest.raises(Mistake, match="doesn't answer in the form"):
        structured(Endpoint(served.address), CHAT, SCHEMA)


def test_a_server_that_knows_no_schemas_is_asked_in_words(served: Served) -> None:
    served.answers = [400, f"Here it is: {RIGHT} Good luck!"]
    assert structured(Endpoint(served.address), CHAT, SCHEMA) == {"say": "It rains."}
    assert '"minLength": 3' in served.asked[1]["messages"][-1]["content"]
    assert "response_format" not in served.asked[1]


@pytest.mark.parametrize("fault", [500, 503, 429, b"", b"data: [DONE]\n\n"])
def test_what_may_pass_is_tried_again(served: Served, fault: Any) -> None:
    served.answers = [fault, fault, RIGHT]
    assert structured(Endpoint(served.address), CHAT, SCHEMA) == {"say": "It rains."}
    assert len(served.asked) == 3
    served.answers = [fault]
    with pytest.raises(Mistake, match="doesn't answer"):
        structured(Endpoint(served.address), CHAT, SCHEMA)
    assert len(served.asked) == 6


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (401, "refuses the key"),
        (403, "refuses the key"),
        (404, "There is no model first"),
        (307, "status 307"),
        (b"data: <html>\n\n", "another form than OpenAI's"),
        (b'data: {"error": {"message": "no"}}\n\n', "another form than OpenAI's"),
        (b'data: {"choices": 5}\n\n', "another form than OpenAI's"),
        (b"data: 12\n\n", "another form than OpenAI's"),
    ],
)
def test_what_does_not_pass_is_told_at_once(served: Served, fault: Any, said: str) -> None:
    served.answers = [fault]
    with pytest.raises(Mistake, match=said):
        structured(Endpoint(served.address), CHAT, SCHEMA)
    assert len(served.asked) == 1


def test_one_that_is_too_slow_is_told(served: Served) -> None:
    served.answers = [lambda handler: (time.sleep(0.4), handler.send(200, streamed(RIGHT)))]
    with pytest.raises(Mistake, match=r"doesn't answer \(it takes too long\)"):
        structured(Endpoint(served.address, quiet_s=0.1), CHAT, SCHEMA)


def test_one_that_breaks_off_is_tried_again(served: Served) -> None:
    def broken(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(streamed('{"say":')[:40])
        handler.close_connection = True

    served.answers = [broken, RIGHT]
    assert structured(Endpoint(served.address), CHAT, SCHEMA) == {"say": "It rains."}


def test_an_answer_without_end_is_cut(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MOST_BYTES", 100)
    served.answers = ["ha " * 200]
    with pytest.raises(Mistake, match="its answer has no end"):
        structured(Endpoint(served.address), CHAT, SCHEMA)


def test_one_that_is_down_is_told_in_a_sentence(served: Served) -> None:
    for down in ("http://127.0.0.1:9/v1", "http://127.0.0.1:1"):
        with pytest.raises(Mistake, match=f"The language model at {down} doesn't answer"):
            opened(down)
        with pytest.raises(Mistake, match="doesn't answer"):
            structured(Endpoint(down, "named"), CHAT, SCHEMA)


def test_an_answer_can_be_stopped(served: Served) -> None:
    answer = Endpoint(served.address).structuring(CHAT, SCHEMA)
    assert next(answer) in RIGHT
    answer.close()


@pytest.mark.parametrize(
    "address", ["http://", "http:///v1", "http://[::1", "https://a:99999/v1", "http://a:b/v1"]
)
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(Mistake, match="is no address"):
        check_address(address)


@pytest.mark.parametrize("address", ["https://me:secret@a.example/v1", "https://a.example/v1?key=secret"])
def test_an_address_holds_no_secret(address: str) -> None:
    with pytest.raises(Mistake) as told:
        check_address(address)
    assert "secret" not in str(told.value)
    with pytest.raises(ValueError) as refused:
        WriteSettings(topic="rain", text_base=address)
    assert "secret" not in str(refused.value.errors()[0]["msg"])  # type: ignore[attr-defined]


def test_the_key_comes_from_the_environment_or_its_owners_file(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    assert key() == ""
    file = tmp_path / endpoint.KEY_FILE
    file.write_text("sk-of-the-file\n")
    file.chmod(0o640)
    with pytest.raises(Mistake, match="chmod 600"):
        Endpoint(served.address)
    assert served.keys == []
    file.chmod(0o600)
    structured(Endpoint(served.address), CHAT, SCHEMA)
    monkeypatch.setenv(endpoint.KEY, "sk-of-the-environment")
    structured(Endpoint(served.address), CHAT, SCHEMA)
    assert served.keys == [*["Bearer sk-of-the-file"] * 2, *["Bearer sk-of-the-environment"] * 2]


@pytest.mark.parametrize("wrong", ["two words", "schlüssel", "a\nb"])
def test_a_key_that_cant_be_one_is_told_without_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv(endpoint.KEY, wrong)
    with pytest.raises(Mistake, match="holds no key") as told:
        Endpoint(served.address)
    assert wrong not in str(told.value)


def test_no_error_tells_the_key(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(endpoint.KEY, "sk-secret")
    for answer in (401, 404, 500, 307, b"sk-secret", streamed("sk-secret")):
        served.answers = [answer]
        with pytest.raises(Mistake) as told:
            structured(Endpoint(served.address), CHAT, SCHEMA)
        assert "sk-secret" not in str(told.value)


def test_a_request_that_it_refuses_is_told(served: Served) -> None:
    served.answers = [400]
    model = Endpoint(served.address)
    with pytest.raises(Mistake, match="doesn't understand what it is asked"):
        model.candidates_for([CHAT], 1, 0)
    with pytest.raises(Mistake, match="doesn't understand what it is asked"):
        structured(model, CHAT, SCHEMA)


def test_a_text_lora_of_this_machine_cant_speak_there(served: Served, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="can't speak at"), Endpoint(served.address).voice(tmp_path):
        raise AssertionError
