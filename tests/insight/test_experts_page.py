"""The page of the experts: what is in it, and how it works in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import build, build_language_model, collate, sentences

from moe_nmt.insight.expert_report import Limits, gates, gather, report
from moe_nmt.insight.experts_page import map_of, page, shown
from moe_nmt.insight.routed import routed

HOSTILE = "</script><script>document.title='hit'</script><!--"


def batches_of_three() -> list[dict[str, Any]]:
    sources, targets = sentences(5, 3, 9), sentences(6, 4, 2, seed=2)
    return [collate(sources[:2], targets[:2]), collate(sources[2:], targets[2:], 3, first=2)]


def written(model: Any, batches: Any, number: int = 3) -> str:
    mixtures = report(model, batches, gather(model, batches, 2), Limits(contexts=2, least=1))
    return page(model, batches, mixtures, number)


def data_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@torch.no_grad()
def test_each_token_has_the_experts_that_the_gates_chose() -> None:
    model, batches = build(), batches_of_three()
    found = shown(model, batches, 3)
    assert [sentence["number"] for sentence in found] == [1, 2, 3]
    assert [len(sentence["source"]) for sentence in found] == [5, 3, 9]
    assert [len(sentence["target"]) for sentence in found] == [6, 4, 2]
    for number, of_batch in zip((0, 2), routed(model, batches), strict=True):
        for name, (sentence, _, _, _, routing) in of_batch.items():
            mine = sentence[routing.token] == number
            expected = sorted(routing.expert[mine].tolist())
            routes = found[number]["routes"][name]
            assert sorted(expert for route in routes for expert, _ in route) == expected
            for route in routes:
                gate_values = [gate for _, gate in route]
                assert gate_values == sorted(gate_values, reverse=True)
                assert sum(gate_values) == pytest.approx(1, abs=0.002)
    for sentence in found:
        weights = torch.tensor(sentence["attention"])
        assert weights.shape == (len(sentence["target"]), len(sentence["source"]))
        assert (weights.sum(1) - 100).abs().max() <= 5  # rounded
    assert shown(model, batches, 1) == found[:1]


def test_a_language_model_has_neither_source_nor_attention() -> None:
    model = build_language_model()
    target = sentences(5, 3)
    batch = collate(target, target)
    batch["net_input"]["src_tokens"] = batch["net_input"].pop("prev_output_tokens")
    sentence, _ = data_of(written(model, [batch]))["sentences"]
    assert sentence.keys() == {"number", "target", "routes"}
    assert len(sentence["routes"]["decoder_1"]) == 5


@pytest.mark.parametrize(
    "options", [{}, {"experts": 9, "expert_groups": 3}, {"experts": 1, "k": 1}]
)
def test_the_map_keeps_the_distances_of_vectors_in_a_plane(options: dict[str, Any]) -> None:
    gate = gates(build(**options))["decoder_1"]
    last = getattr(gate, "secondary", gate)
    weight = last.projection.weight.data  # [groups, dim, experts]
    plane = torch.randn(2, weight.size(1), generator=torch.Generator().manual_seed(1))
    points = torch.randn(gate.num_experts, 2, generator=torch.Generator().manual_seed(2))
    vectors = points @ plane  # [all experts, dim]
    weight.copy_(vectors.view(weight.size(0), -1, weight.size(1)).transpose(1, 2))
    place = torch.tensor(map_of(gate))
    torch.testing.assert_close(
        torch.cdist(place, place), torch.cdist(vectors, vectors), atol=1e-2, rtol=0
    )


def hostile_page() -> tuple[str, list[str]]:
    """A page of a model whose dictionaries hold markup, and the first source sentence."""
    model, batches = build(), batches_of_three()
    for dictionary in (model.encoder.dictionary, model.decoder.dictionary):
        dictionary.symbols[4] = HOSTILE
    batches[0]["net_input"]["src_tokens"][0, 0] = 4
    text = written(model, batches)
    return text, data_of(text)["sentences"][0]["source"]


def test_text_is_never_markup() -> None:
    text, source = hostile_page()
    assert source[0] == HOSTILE
    assert text.count("<script") == text.count("</script>") == 2
    assert "<!--" not in text
    assert text == hostile_page()[0]  # the same bytes


def test_the_page_in_a_browser(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    def texts(selector: str) -> list[str]:
        return [one.text for one in browser.find_elements(By.CSS_SELECTOR, selector)]

    text, source = hostile_page()
    data = data_of(text)
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    browser.get(file.as_uri())
    assert browser.title.startswith("Experts: encoder_1, decoder_1")
    routes = data["sentences"][0]["routes"]["encoder_1"]
    shown_pieces = [piece.split("\n") for piece in texts("#pieces .row:first-child .piece")]
    assert shown_pieces == [
        [piece, str(route[0][0])] for piece, route in zip(source, routes, strict=True)
    ]
    assert len(texts("#experts tbody tr")) == 4
    assert len(browser.find_elements(By.CSS_SELECTOR, "#map circle")) == 4

    piece = browser.find_element(By.CSS_SELECTOR, "#pieces button")
    piece.send_keys(Keys.ENTER)  # by the keyboard
    expert = routes[0][0][0]
    assert texts("#expert h2") == [f"Expert {expert}"]
    assert f"expert {expert}: {routes[0][0][1]:.3f}" in texts("#detail")[0]
    contexts = data["mixtures"][0]["experts"][expert]["contexts"]
    assert len(texts("#expert li")) == len(contexts)
    read = data["mixtures"][0]["experts"][expert]["read"]
    assert texts("#expert p")[1].startswith(f"Reads: {read[0]['value']} ({read[0]['count']}, ")

    browser.find_element(By.ID, "word").send_keys(source[1])
    assert f'"{source[1]}" occurs ' in texts("#found")[0]
    assert source[1] in [found.split("\n")[0] for found in texts(".piece.found")]

    Select(browser.find_element(By.ID, "mixture")).select_by_visible_text("decoder_1")
    browser.find_element(By.ID, "next").click()
    read = [piece.split("\n")[0] for piece in texts("#pieces .row:last-child .piece")]
    number = int(browser.find_element(By.ID, "sentence").get_property("value"))
    assert read == ["<s>", *data["sentences"][number]["target"][:-1]]
    browser.find_element(By.CSS_SELECTOR, "#attention-box summary").click()
    rows = browser.find_elements(By.CSS_SELECTOR, "#attention tbody tr")
    assert len(rows) == len(data["sentences"][number]["target"])

    browser.set_window_size(500, 800)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= browser.execute_script("return window.innerWidth")
    browser.set_window_size(900, 900)
