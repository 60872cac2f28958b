"""The application: one model, a few addresses."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import torch
from fastapi import FastAPI, File, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from PIL import Image
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from torch import Tensor

from frostline.data import load
from frostline.errors import DataError
from frostline.export.activation import activation_maps
from frostline.export.bundle import Classifier
from frostline.export.neighbours import Neighbours
from frostline.export.predict import Rule, decoding_threads, describe, fast
from frostline.export.serve.batcher import Batcher
from frostline.export.serve.guard import RETRY_AFTER_S, Guard, Refused
from frostline.export.serve.limits import Limits
from frostline.export.serve.metrics import Metrics

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REFUSALS = {
    400: "The form is not well-formed.",
    408: "The body came in too slowly.",
    413: "Too many bytes, files or pixels.",
    415: "Not multipart/form-data.",
    422: "No file, or not one that can be read as an image.",
    503: "The queue is full, or the answer took too long; see Retry-After.",
}
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Neighbour(BaseModel):
    """A training image that looks alike to the network."""

    label: str
    similarity: Annotated[float, Field(description="Cosine of the two images' features, 1 for the same picture.")]
    picture: Annotated[str, Field(description="A small JPEG as a data URI.")]


class Answer(BaseModel):
    """What the model says of one image."""

    file: str
    label: Annotated[str | None, Field(description="null where the model abstains, or where the file could not be read.")]
    confidence: float | None = None
    probabilities: dict[str, float] = {}
    error: Annotated[str | None, Field(description="Why the file could not be read.")] = None
    map: Annotated[
        list[list[float]] | None, Field(description="With explain=true: where the answer came from, rows of 0..1.")
    ] = None
    neighbours: Annotated[
        list[Neighbour] | None, Field(description="With explain=true, if the model was exported with training images.")
    ] = None


class Answers(BaseModel):
    predictions: list[Answer]


class Problem(BaseModel):
    detail: str


class Health(BaseModel):
    status: str
    classes: list[str]
    size: Annotated[int, Field(description="Side of the square that the network sees, pixels.")]
    short_side: Annotated[int, Field(description="What an image's shorter side is resized to before the centre is cut out.")]


@dataclass(frozen=True, eq=False)
class Service:
    """What the addresses share.

    Attributes:
        network: for predictions, normalisation folded away; model: for explanations.
        neighbours: None where the model was exported without training images.
    """

    model: Classifier
    network: Classifier
    rule: Rule
    limits: Limits
    metrics: Metrics
    batcher: Batcher
    readers: ThreadPoolExecutor
    worker: ThreadPoolExecutor
    neighbours: Neighbours | None


def create_app(
    model: Classifier,
    *,
    rule: Rule | None = None,
    limits: Limits | None = None,
    neighbours: Neighbours | None = None,
    hosts: Sequence[str] = LOCAL_NAMES,
) -> FastAPI:
    """The application for `model`.

    Args:
        hosts: names under which it may be asked; a page elsewhere cannot reach a loopback server by a name of its own.
    """
    bounds, metrics, network = limits or Limits(), Metrics(), fast(model)
    worker = ThreadPoolExecutor(1, "network")
    readers = ThreadPoolExecutor(decoding_threads(), "decode")
    batcher = Batcher(lambda pixels: _run(network, pixels), worker, bounds, metrics)
    service = Service(
        model, network, rule or Rule(several=model.thresholds), bounds, metrics, batcher, readers, worker, neighbours
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(batcher.run())
        yield
        running.cancel()
        for pool in (worker, readers):
            pool.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="frostline", description="A classifier that frostline trained.", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    _add_errors(app)
    _add_addresses(app, service)
    app.add_middleware(Guard, limits=bounds, metrics=metrics)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return app


@torch.inference_mode()
def _run(network: Classifier, pixels: Tensor) -> list[list[float]]:
    found: list[list[float]] = network(pixels).tolist()
    return found


def _add_errors(app: FastAPI) -> None:
    """Every error is {"detail": "a sentence"}."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        headers = {"retry-after": RETRY_AFTER_S} if error.status == 503 else {}
        return JSONResponse({"detail": error.detail}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"detail": f"{where}: {first['msg']}. Send one or several images as the form field `files`."}, 422)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)


def _add_addresses(app: FastAPI, service: Service) -> None:
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text} for status, text in REFUSALS.items()
    }

    @app.post("/predict", responses=problems)
    async def predict(
        files: Annotated[list[UploadFile], File(description="One or several images.", min_length=1)],
        explain: Annotated[bool, Query(description="Also say where in the image the answer came from.")] = False,
    ) -> Answers:
        """The label and the probability of each class for each image, in order."""
        try:
            async with asyncio.timeout(service.limits.patience_s):
                return await _predict(service, files, explain)
        except TimeoutError:
            raise Refused(503, f"there was no answer within {service.limits.patience_s:g} s; try again later.") from None

    @app.get("/health")
    async def health() -> Health:
        """Whether it answers, and what about."""
        geometry = service.model.geometry
        return Health(status="ok", classes=list(service.model.classes), size=geometry.size, short_side=geometry.margin)

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters in the form of Prometheus."""
        return Response(service.metrics.text(), media_type=service.metrics.content_type)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return _page("page.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _page("docs.html")


def _page(name: str) -> HTMLResponse:
    text = resources.files("frostline.export.serve").joinpath(name).read_text(encoding="utf-8")
    headers = {"content-security-policy": PAGE_POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    return HTMLResponse(text, headers=headers)


async def _predict(service: Service, files: Sequence[UploadFile], explain: bool) -> Answers:
    _check_sizes(files, service.limits)
    service.batcher.room_for(len(files))
    loop = asyncio.get_running_loop()
    contents = [(file.filename or "", await file.read()) for file in files]
    decoding = [loop.run_in_executor(service.readers, _decoded, service, name, content) for name, content in contents]
    decoded = await asyncio.gather(*decoding)
    pixels = [one for one in decoded if isinstance(one, Tensor)]
    service.metrics.images("unreadable", len(decoded) - len(pixels))
    if not pixels:
        raise Refused(422, " ".join(str(one) for one in decoded[:3]))
    rows = iter(await service.batcher.submit(torch.cat(pixels)))
    service.metrics.images("answered", len(pixels))
    answers = [
        _answer(service, name, next(rows)) if isinstance(one, Tensor) else Answer(file=name, label=None, error=str(one))
        for (name, _), one in zip(contents, decoded, strict=True)
    ]
    if explain:
        answers = await loop.run_in_executor(service.worker, _explained, service, answers, torch.cat(pixels))
    return Answers(predictions=answers)


def _check_sizes(files: Sequence[UploadFile], limits: Limits) -> None:
    if len(files) > limits.files:
        raise Refused(413, f"{len(files)} files; at most {limits.files} a request.")
    for file in files:
        if (file.size or 0) > limits.file_bytes:
            raise Refused(413, f"{file.filename} has {file.size:,} bytes; at most {limits.file_bytes:,} an image.")


def _decoded(service: Service, name: str, content: bytes) -> Tensor | str:
    """uint8 (1, channels, size, size), or the sentence that says why there is none.

    Raises:
        Refused: 413, more pixels than anybody should have to decode.
    """
    with tempfile.NamedTemporaryFile(prefix="frostline-", suffix=Path(name).suffix[:8] if name.isascii() else "") as file:
        file.write(content)
        file.flush()
        _check_pixels(file.name, name, service.limits)
        try:
            return load([file.name], service.model.geometry, service.model.spec.channels)
        except (DataError, MemoryError) as error:
            return str(error).replace(file.name, name or "the file") or "the file is too large to decode."


def _check_pixels(path: str, name: str, limits: Limits) -> None:
    try:
        with Image.open(path) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        raise Refused(413, f"{name or 'the file'} has far too many pixels; at most {limits.pixels:,}.") from None
    except Exception:  # decoding says what is wrong with it
        return
    if width * height > limits.pixels:
        raise Refused(413, f"{name or 'the file'} has {width:,} x {height:,} pixels; at most {limits.pixels:,}.")


def _answer(service: Service, name: str, row: Sequence[float]) -> Answer:
    one = describe(name, row, service.model.classes, service.rule)
    return Answer(file=name, label=one.label, confidence=one.confidence, probabilities=one.probabilities)


def _explained(service: Service, answers: Sequence[Answer], pixels: Tensor) -> list[Answer]:
    """The answers, those of readable files with a map and with neighbours."""
    readable = [answer for answer in answers if answer.error is None]
    maps = activation_maps(service.model, pixels, [_explained_class(service, answer) for answer in readable])
    near = None if service.neighbours is None else service.neighbours.nearest(service.model, pixels)
    for number, answer in enumerate(readable):
        answer.map = None if maps is None else maps[number]
        answer.neighbours = None if near is None else [Neighbour(**one) for one in near[number]]
    return list(answers)


def _explained_class(service: Service, answer: Answer) -> int:
    """The class that is said, whatever its confidence; of several labels the most probable one."""
    probabilities = answer.probabilities
    said = max(probabilities, key=probabilities.__getitem__) if service.rule.several else service.rule.label(probabilities)
    return service.model.classes.index(said)
