"""The server's pages and answers: GET /, POST /translate, GET /healthz."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from moe_nmt.errors import UserError
from moe_nmt.serving.batcher import Batcher, BusyError
from moe_nmt.translation.explain import experts_of
from moe_nmt.translation.text_model import has_surrogates
from moe_nmt.translation.translation import Translation
from moe_nmt.translation.translator import Translator

# The page's parts, and what browsers may do with them: nothing from elsewhere.
PAGE = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Limits:
    """What a request may ask for, and how many may wait.

    Args:
        body: bytes of a request.
        texts: sentences of a request.
        characters: of a sentence.
        waiting: sentences that wait or are at work; beyond them the answer is 503.
        batch: sentences that are translated together.
    """

    body: int = 65536
    texts: int = 64
    characters: int = 2000
    waiting: int = 256
    batch: int = 64


def build_app(
    translator: Translator, limits: Limits, title: str, hosts: Sequence[str]
) -> Starlette:
    """The application.

    Args:
        translator: answers.
        limits: of what it answers.
        title: the models' names, for the page.
        hosts: the names under which it may be called; "*": any.
    """
    batcher = Batcher(translator.translate, limits.batch, limits.waiting)

    async def translate(request: Request) -> Response:
        texts, wants_experts = wanted(await body_of(request, limits.body), limits)
        try:
            translations = await batcher.answer(texts)
        except BusyError:
            return refusal(503, "too many sentences wait: try again later", {"Retry-After": "1"})
        except UserError as error:
            return refusal(500, f"{error}")
        if wants_experts:
            answers = await asyncio.to_thread(explained, translator, translations)
        else:
            answers = [translation.as_json() for translation in translations]
        return JSONResponse({"translations": answers})

    async def health(request: Request) -> Response:
        if worker.done():
            return refusal(500, "the worker has ended: start the server again")
        return JSONResponse(
            {
                "status": "ok",
                "title": title,
                "languages": translator.languages.names,
                "waiting": batcher.held,
            }
        )

    async def page(request: Request) -> Response:
        name = request.url.path.lstrip("/") or "page.html"
        text = files("moe_nmt.serving").joinpath(name).read_text(encoding="utf-8")
        return Response(text, media_type=PAGE[request.url.path], headers=HEADERS)

    worker: asyncio.Task[None]

    @asynccontextmanager
    async def working(app: Starlette) -> AsyncIterator[None]:
        nonlocal worker
        worker = asyncio.create_task(batcher.run())
        yield
        worker.cancel()

    return Starlette(
        routes=[
            Route("/translate", translate, methods=["POST"]),
            Route("/healthz", health),
            *(Route(path, page) for path in PAGE),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[*hosts])],
        exception_handlers={HTTPException: as_json},
        lifespan=working,
    )


async def as_json(request: Request, error: Exception) -> Response:
    """What is wrong with a request, as JSON like every other answer."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return refusal(status, error.detail if isinstance(error, HTTPException) else "")


def refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that is none."""
    return JSONResponse({"error": reason}, status, headers)


async def body_of(request: Request, most: int) -> Any:
    """What a request holds, read no further than it may be long."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # which a page from elsewhere cannot send unasked
        raise HTTPException(415, "send application/json")
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise HTTPException(413, f"the request is longer than {most} bytes")
    except ClientDisconnect as error:
        raise HTTPException(400, "the request was not sent to its end") from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"this is no JSON: {error}") from error


def wanted(said: Any, limits: Limits) -> tuple[list[str], bool]:
    """The sentences of a request, and whether their experts are asked for."""
    if not isinstance(said, dict) or not said.keys() <= {"text", "texts", "experts"}:
        raise HTTPException(422, 'send {"text": "..."} or {"texts": ["...", ...]}, and "experts"')
    if ("text" in said) == ("texts" in said):
        raise HTTPException(422, 'send either "text" or "texts"')
    texts = [said["text"]] if "text" in said else said["texts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise HTTPException(422, '"text" is a string, "texts" a list of strings')
    if any(map(has_surrogates, texts)):
        raise HTTPException(422, "a sentence has half a character, a lone surrogate")
    if not isinstance(said.get("experts", False), bool):
        raise HTTPException(422, '"experts" is true or false')
    if len(texts) > limits.texts:
        raise HTTPException(413, f"there are more than {limits.texts} sentences")
    if any(len(text) > limits.characters for text in texts):
        raise HTTPException(413, f"a sentence is longer than {limits.characters} characters")
    return texts, said.get("experts", False)


def explained(translator: Translator, translations: Sequence[Translation]) -> list[dict[str, Any]]:
    """Translations with what the page draws: pieces, attention, experts."""
    return [
        {
            **translation.as_json(),
            "source_pieces": translation.source_pieces,
            "pieces": translation.hypotheses[0].pieces,
            "attention": translation.hypotheses[0].attention.tolist(),
            "experts": experts_of(translator, translation),
        }
        for translation in translations
    ]
