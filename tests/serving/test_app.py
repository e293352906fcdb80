"""The server's answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")
from starlette.testclient import TestClient

from moe_nmt import load
from moe_nmt.errors import UserError
from moe_nmt.serving.app import Limits, build_app
from moe_nmt.serving.server import listening
from moe_nmt.translation.settings import SearchSettings
from moe_nmt.translation.translator import Translator

LIMITS = Limits(body=2000, texts=4, characters=100, waiting=6, batch=4)


@pytest.fixture(scope="module")
def translator(folder: Path) -> Translator:
    translator = load(folder)
    translator.settings = SearchSettings(max_len_a=0.0, max_len_b=20)
    return translator


@pytest.fixture(scope="module")
def client(translator: Translator) -> Iterator[TestClient]:
    app = build_app(translator, LIMITS, "name", ["testserver"])
    with TestClient(app) as client:
        yield client


def test_a_translation(client: TestClient, translator: Translator) -> None:
    texts = ["The dog sees the cat.", "", "A man."]
    expected = [one.as_json() for one in translator.translate(texts)]
    found = client.post("/translate", json={"texts": texts})
    assert found.status_code == 200
    answers = found.json()["translations"]
    assert [a["hypotheses"][0]["text"] for a in answers] == [
        e["hypotheses"][0]["text"] for e in expected
    ]
    assert answers[0]["source"] == texts[0]
    assert answers[1]["hypotheses"][0]["text"] == ""
    one = client.post("/translate", json={"text": texts[0]}).json()["translations"]
    assert [a["hypotheses"][0]["text"] for a in one] == [answers[0]["hypotheses"][0]["text"]]
    assert client.post("/translate", json={"texts": []}).json() == {"translations": []}


def test_experts_and_attention(client: TestClient) -> None:
    request = {"text": "The dog sees the cat.", "experts": True}
    (answer,) = client.post("/translate", json=request).json()["translations"]
    sources, targets = len(answer["source_pieces"]) + 1, len(answer["pieces"]) + 1
    assert [len(row) for row in answer["attention"]] == [sources] * targets
    assert [sum(row) for row in answer["attention"]] == pytest.approx([1] * targets, abs=1e-4)
    assert len(answer["experts"]["encoder_1"]) == sources
    assert len(answer["experts"]["decoder_1"]) == targets
    expert, gate = answer["experts"]["encoder_1"][0][0]
    assert expert in range(4)
    assert 0 < gate <= 1


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"content": "{", "headers": {"content-type": "application/json"}}, 400, "no JSON"),
        ({"content": b"\xff", "headers": {"content-type": "application/json"}}, 400, "no JSON"),
        (
            {"content": '{"text": "\\ud800"}', "headers": {"content-type": "Application/JSON"}},
            422,
            "half a character",
        ),
        (
            {"content": "[" * 1999, "headers": {"content-type": "application/json"}},
            400,
            "this is no JSON",
        ),
        ({"content": '{"text": "a"}'}, 415, "send application/json"),
        ({"json": []}, 422, "send {"),
        ({"json": {}}, 422, 'send either "text" or "texts"'),
        ({"json": {"text": "a", "texts": ["a"]}}, 422, 'send either "text" or "texts"'),
        ({"json": {"text": "a", "beam": 5}}, 422, "send {"),
        ({"json": {"text": ["a"]}}, 422, '"text" is a string'),
        ({"json": {"texts": "a"}}, 422, '"text" is a string'),
        ({"json": {"texts": [None]}}, 422, '"text" is a string'),
        ({"json": {"text": "a", "experts": 1}}, 422, '"experts" is true or false'),
        ({"json": {"texts": ["a"] * 5}}, 413, "more than 4 sentences"),
        ({"json": {"text": "a" * 101}}, 413, "longer than 100 characters"),
        ({"json": {"text": "a" * 3000}}, 413, "longer than 2000 bytes"),
    ],
)
def test_what_is_refused(
    client: TestClient, request_: dict[str, Any], status: int, words: str
) -> None:
    found = client.post("/translate", **request_)
    assert found.status_code == status
    assert words in found.json()["error"]


def test_other_ways_in_are_closed(client: TestClient) -> None:
    assert client.get("/translate").status_code == 405
    assert client.get("/nothing").status_code == 404
    assert client.get("/app.py").status_code == 404
    assert client.get("/healthz", headers={"host": "elsewhere.example"}).status_code == 400


def test_health(client: TestClient) -> None:
    said = client.get("/healthz").json()
    assert said == {"status": "ok", "title": "name", "languages": ["en", "de"], "waiting": 0}


def test_the_page_takes_nothing_from_elsewhere(client: TestClient) -> None:
    for path, kind in (("/", "html"), ("/page.css", "css"), ("/page.js", "javascript")):
        found = client.get(path)
        assert kind in found.headers["content-type"]
        assert "default-src 'self'" in found.headers["content-security-policy"]
        assert "http://" not in found.text
        assert "https://" not in found.text


def test_a_full_queue_answers_503(translator: Translator) -> None:
    with TestClient(build_app(translator, Limits(waiting=2), "name", ["*"])) as client:
        found = client.post("/translate", json={"texts": ["a"] * 3})
        assert found.status_code == 503
        assert found.headers["retry-after"] == "1"
        assert "too many sentences wait" in found.json()["error"]
        assert client.post("/translate", json={"texts": ["a"] * 2}).status_code == 200


def test_a_model_that_computes_nan_answers_500(folder: Path) -> None:
    broken = load(folder)
    broken.models[0].encoder.embedding.weight.fill_(float("nan"))
    with TestClient(build_app(broken, LIMITS, "name", ["*"])) as client:
        found = client.post("/translate", json={"text": "a"})
        assert found.status_code == 500
        assert "the model computes nan" in found.json()["error"]
        assert client.get("/healthz").status_code == 200


def test_an_empty_host_is_refused() -> None:
    with pytest.raises(UserError, match="--host is empty"):
        listening("", 0)
