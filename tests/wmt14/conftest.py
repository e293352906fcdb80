"""A server with miniature archives of both pairs of languages, and an undisturbed run on each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import Server, serve
from miniature_wmt import CORPORA, Miniature

from moe_nmt.cli.prepare import main
from moe_nmt.corpus.sources import download as downloading


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all of this file's archives."""
    with pytest.MonkeyPatch.context() as patch, serve(tmp_path_factory.mktemp("www")) as server:
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setattr(downloading, "FIRST_WAIT", 0.01)
        yield server


@pytest.fixture(scope="session", params=list(CORPORA))
def miniature(
    request: pytest.FixtureRequest, corpus: Path, published: Server
) -> Iterator[Miniature]:
    """The archives of a pair of languages; pytest may ask for a pair again after the other."""
    pair = request.param
    source, target = (
        (corpus / f"train.{language}").read_text(encoding="utf-8").splitlines()
        for language in pair.split("-")
    )
    address = f"{published.address}/{pair}"
    yield Miniature(pair, source, target, published.folder / pair, address)
    shutil.rmtree(published.folder / pair)


@pytest.fixture(scope="session")
def undisturbed(miniature: Miniature, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp(miniature.pair) / "dest"
    main(miniature.options(folder, "--workers", 2))
    return folder
