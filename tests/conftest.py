"""Data and a checkpoint that many tests read, made once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Before torch is imported: threads do not pay for small matrices, and wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from commands import ROOT, SIZES, preprocess, run, train_here, training

from moe_nmt.cli import pack, prepare

if TYPE_CHECKING:
    from worker_pool import WorkerPool


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of text, {train,valid,test}.{en,de,fr}."""
    folder = tmp_path_factory.mktemp("corpus")
    sizes = [f"--{split}={size}" for split, size in SIZES.items()]
    generator = ROOT / "data" / "embedded" / "generate.py"
    subprocess.run([sys.executable, generator, folder, *sizes], check=True)
    return folder


@pytest.fixture(scope="session")
def binarised(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What fairseq-preprocess makes of it: words, one dictionary for both languages."""
    folder = tmp_path_factory.mktemp("binarised")
    done = run("fairseq-preprocess", *preprocess(corpus, folder, "--joined-dictionary"))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def checkpoint(binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of fairseq-train after 60 updates."""
    folder = tmp_path_factory.mktemp("checkpoints")
    options = ["--max-update", "60", "--no-epoch-checkpoints"]
    done = run("fairseq-train", *training(binarised, folder, *options))
    assert done.returncode == 0, done.stderr
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="session")
def folder(checkpoint: Path, binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a model of words."""
    output = tmp_path_factory.mktemp("packed") / "words"
    pack.main([str(checkpoint), "--data", str(binarised), "--output", str(output)])
    return output


@pytest.fixture(scope="session")
def prepared(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What moe-nmt-prepare makes of the text: subwords of sentences."""
    output = tmp_path_factory.mktemp("prepared") / "dest"
    texts = [
        word
        for split in ("train", "valid", "test")
        for word in (f"--{split}", *(str(corpus / f"{split}.{side}") for side in ("en", "de")))
    ]
    prepare.main([*texts, "--vocabulary", "300", "--destdir", str(output)])
    return output


@pytest.fixture(scope="session")
def subword_checkpoint(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of these subwords that has hardly been trained."""
    folder = tmp_path_factory.mktemp("subword")
    return train_here(prepared / "binarised", folder, "--max-update", "8")


@pytest.fixture(scope="session")
def subword_folder(subword_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of that model; the checkpoint says where its data lie."""
    output = tmp_path_factory.mktemp("packed") / "subwords"
    pack.main([str(subword_checkpoint), "--output", str(output)])
    return output


@pytest.fixture(scope="session")
def pool() -> Iterator[Callable[[int], WorkerPool]]:
    """Gives the pool of so many workers, 2 or 4, each started once."""
    from worker_pool import WorkerPool

    pools: dict[int, WorkerPool] = {}

    def of(world: int) -> WorkerPool:
        if world not in pools:
            pools[world] = WorkerPool(world)
        return pools[world]

    yield of
    for one in pools.values():
        one.close()


@pytest.fixture(scope="session")
def alone(
    pool: Callable[[int], WorkerPool], binarised: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A training on one worker, without a stop."""
    from fairseq_workers import UPDATES, trained

    return trained(pool, 1, binarised, tmp_path_factory.mktemp("alone"), UPDATES)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, where it and its driver are installed."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for option in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        *("window-size=900,900", f"user-data-dir={profile}"),
    ):
        options.add_argument(f"--{option}")
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()
