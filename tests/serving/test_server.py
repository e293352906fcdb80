"""moe-nmt-serve as users start it, in a browser and under load."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, heed_interrupts

pytest.importorskip("uvicorn")

from moe_nmt.cli import serve

WAITING = 8


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of a server on this machine; it ends well at SIGTERM."""
    command = [sys.executable, "-m", "moe_nmt.cli.serve", str(folder), "--port", "0"]
    with subprocess.Popen(
        [*command, "--waiting", str(WAITING), "--batch", "4"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        assert said.startswith("moe_nmt: listening on http://127.0.0.1:"), process.stderr.read()
        yield said.split()[-1]
        process.send_signal(signal.SIGTERM)
        left = process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in left


def post(address: str, texts: list[str]) -> tuple[int, Any]:
    """Status and answer of a request."""
    request = urllib.request.Request(
        f"{address}/translate",
        json.dumps({"texts": texts}).encode("utf-8"),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_load_is_answered_or_refused_and_nothing_is_mixed_up(address: str) -> None:
    texts = [[f"The dog {word}."] * 2 for word in ("sees", "runs", "sleeps", "eats") * 10]
    alone = {tuple(one): post(address, one)[1] for one in texts[:4]}
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda one: post(address, one), texts))
    count = Counter(status for status, _ in found)
    assert count.keys() <= {200, 503}
    assert count[200] >= WAITING / 2
    for one, (status, answer) in zip(texts, found, strict=True):
        if status == 200:
            words = [t["hypotheses"][0]["text"] for t in answer["translations"]]
            expected = alone[tuple(one)]["translations"]
            assert words == [t["hypotheses"][0]["text"] for t in expected]
    with urllib.request.urlopen(f"{address}/healthz") as answer:
        assert json.load(answer)["waiting"] == 0


def test_a_taken_port_is_a_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"port {port}: Address already in use"):
            serve.main([str(folder), "--port", str(port)])
    with pytest.raises(SystemExit, match="port 99999"):
        serve.main([str(folder), "--port", "99999"])


def test_without_its_packages_it_names_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moe_nmt.serving.app", None)
    with pytest.raises(SystemExit, match="pip install starlette uvicorn"):
        serve.main([str(folder)])


def test_the_page_in_a_browser(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def texts(selector: str) -> list[str]:
        return [one.text for one in browser.find_elements(By.CSS_SELECTOR, selector)]

    def wait(condition: Any) -> None:
        WebDriverWait(browser, 60).until(lambda _: condition())

    lines = ["The dog sees the cat.", "", "<script>document.title = 'hit'</script> man"]
    status, expected = post(address, lines)
    assert status == 200
    browser.get(address)
    browser.find_element(By.ID, "text").send_keys("\n".join(lines))
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    wait(lambda: texts("#translation") != [""])
    translated = [one["hypotheses"][0]["text"] for one in expected["translations"]]
    output = browser.find_element(By.ID, "translation").get_property("textContent")
    assert output == "\n".join(translated)
    wait(lambda: texts("#title") == ["en \u2192 de, words"])

    sources = ["The", "dog", "sees", "the", "cat."]
    words = [text.split("\n")[0] for text in texts('[data-mixture="encoder_1"] .piece')]
    assert words == [*sources, "\u23ce"]
    boxes = browser.find_elements(By.CSS_SELECTOR, '[data-mixture="encoder_1"] .piece')
    assert all("expert " in box.get_attribute("title") for box in boxes)
    coloured = {box.text.split("\n")[1].split()[0]: box for box in boxes}
    colours = {one.value_of_css_property("border-top-color") for one in coloured.values()}
    assert len(colours) == len(coloured)  # each expert has a colour of its own
    rows = browser.find_elements(By.CSS_SELECTOR, "#attention tbody tr")
    cells = rows[0].find_elements(By.TAG_NAME, "td")
    assert len(cells) == len(sources) + 1
    assert len(rows) == len(expected["translations"][0]["hypotheses"][0]["words"]) + 1

    browser.find_elements(By.CSS_SELECTOR, "#sentences button")[1].click()
    shown = " ".join(texts('[data-mixture="encoder_1"] .piece'))
    assert "<script>document.title" in shown
    assert browser.title == "moe_nmt"
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []

    browser.set_window_size(500, 900)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= browser.execute_script("return innerWidth")


def test_the_page_tells_of_a_refusal(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address)
    browser.find_element(By.ID, "text").send_keys("\n".join("a" * (WAITING + 1)))
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    status = browser.find_element(By.ID, "status")
    WebDriverWait(browser, 60).until(lambda _: len(status.text) > 1)
    assert status.text == "too many sentences wait: try again later"
