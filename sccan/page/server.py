"""The routes of the page; each calls one method of the session."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from sccan.errors import InputError
from sccan.page.export import export_folder, zipped
from sccan.page.session import Session
from sccan.page.store import Outdated
from sccan.page.thumbnails import LARGEST, shown, thumbnail
from sccan.report.pictures import encode
from sccan.segmentation.data.exports.formats import FORMATS, Options

FOR_AN_HOUR = {"cache-control": "private, max-age=3600"}

Version = Annotated[int, Field(ge=0)]
Pixel = Annotated[int, Field(ge=-(1 << 20), le=1 << 20)]


class Based(BaseModel):
    """A change of a picture that has this version."""

    base: Version


class Named(BaseModel):
    """A class's name."""

    name: Annotated[str, Field(max_length=1000)]


class Threshold(BaseModel):
    """Probability above which a class is shown."""

    value: Annotated[float, Field(ge=0.01, le=0.99)]


class Rectangle(BaseModel):
    """A box around an object."""

    left: Pixel
    top: Pixel
    right: Pixel
    bottom: Pixel


class Wish(BaseModel):
    """An export."""

    format: str
    instances: bool = False
    predictions: bool = True
    pictures: bool = False


def build_app(session: Session) -> FastAPI:
    """The routes of a session, which lives as long as they do; `sccan.page.opening` lets browsers in."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        session.start()
        yield
        await run_in_threadpool(session.close)

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.end = session.hub.end
    app.add_exception_handler(InputError, _refused)
    app.add_exception_handler(Outdated, _outdated)
    app.add_exception_handler(RequestValidationError, _unfit)
    _add_pictures(app, session)
    _add_folder(app, session)
    return app


def _add_pictures(app: FastAPI, session: Session) -> None:
    """Routes of one picture."""

    @app.get("/api/pictures/{key}")
    def picture(key: str) -> dict[str, Any]:
        session.finder.look_at(key)
        image = session.image(key)
        return {**session.row(key), "height": image.shape[0], "width": image.shape[1]}

    @app.get("/api/pictures/{key}/image")
    def image(key: str) -> Response:
        return Response(encode(shown(session.image(key), LARGEST), "jpeg"), 200, FOR_AN_HOUR, "image/jpeg")

    @app.get("/api/pictures/{key}/thumbnail")
    def small(key: str) -> Response:
        return Response(thumbnail(session.gallery, key), 200, FOR_AN_HOUR, "image/jpeg")

    @app.get("/api/pictures/{key}/layer")
    def layer(key: str) -> Response:
        return Response(session.layer(key), 200, FOR_AN_HOUR, "image/png")

    @app.get("/api/pictures/{key}/labels")
    def labels(key: str) -> Response:
        found = session.shown(key)
        return _packed(found.label, {"x-version": str(found.version), "x-by": found.by})

    @app.put("/api/pictures/{key}/labels")
    async def save(key: str, base: Annotated[int, Query(ge=0)], request: Request) -> dict[str, Any]:
        mark = await run_in_threadpool(session.save, key, await request.body(), base)
        return {"version": mark.version, "status": mark.status}

    @app.post("/api/pictures/{key}/accept")
    def accept(key: str, wish: Based) -> dict[str, Any]:
        session.accept(key, wish.base)
        return session.row(key)

    @app.post("/api/pictures/{key}/absent")
    def absent(key: str, wish: Based) -> dict[str, Any]:
        session.empty(key, wish.base)
        return session.row(key)

    @app.post("/api/pictures/{key}/take_back")
    def take_back(key: str, wish: Based) -> dict[str, Any]:
        session.take_back(key, wish.base)
        return session.row(key)

    @app.post("/api/pictures/{key}/box")
    def box(key: str, wish: Rectangle) -> Response:
        region = session.fit(key, (wish.left, wish.top, wish.right, wish.bottom))
        return _packed(region.astype(np.uint8), {})


def _add_folder(app: FastAPI, session: Session) -> None:
    """Routes of the folder as a whole."""

    @app.get("/api/folder")
    def folder() -> dict[str, Any]:
        return {**session.folder(), "formats": {name: kind.title for name, kind in FORMATS.items()}}

    @app.get("/api/events")
    def events() -> StreamingResponse:
        return StreamingResponse(session.hub.listen(), media_type="text/event-stream")

    @app.post("/api/find")
    def find() -> dict[str, Any]:
        session.finder.find()
        return session.finder.progress()

    @app.put("/api/threshold")
    def threshold(wish: Threshold) -> dict[str, Any]:
        session.set_threshold(wish.value)
        return session.classes()

    @app.post("/api/classes")
    def add(wish: Named) -> dict[str, Any]:
        return {"number": session.add_class(wish.name), **session.classes()}

    @app.patch("/api/classes/{number}")
    def rename(number: int, wish: Named) -> dict[str, Any]:
        session.rename_class(number, wish.name)
        return session.classes()

    @app.delete("/api/classes/{number}")
    def remove(number: int) -> dict[str, Any]:
        session.remove_class(number)
        return session.classes()

    @app.get("/api/quality")
    def quality() -> dict[str, Any]:
        return session.quality()

    @app.get("/api/quality/{place}")
    def check(place: int) -> Response:
        if not 0 <= place < len(session.finder.checks):
            raise InputError("the examples were looked at again meanwhile; open the panel again")
        return Response(encode(session.finder.checks[place].overlay, "jpeg"), media_type="image/jpeg")

    @app.post("/api/exports")
    def export(wish: Wish) -> dict[str, Any]:
        options = Options(instances=wish.instances, with_pictures=wish.pictures)
        return export_folder(session, wish.format, options, predictions=wish.predictions)

    @app.get("/api/exports/{name}")
    def download(name: str) -> StreamingResponse:
        file, content = zipped(session, name)
        headers = {"content-disposition": f'attachment; filename="{file}"'}
        return StreamingResponse(content, media_type="application/zip", headers=headers)


def _packed(values: np.ndarray, headers: dict[str, str]) -> Response:
    """Pixels as compressed bytes, with their size."""
    size = {"x-height": str(values.shape[0]), "x-width": str(values.shape[1])}
    body = zlib.compress(np.ascontiguousarray(values).tobytes(), 1)
    return Response(body, 200, size | headers, "application/octet-stream")


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 422)


async def _outdated(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Outdated)
    return JSONResponse({"error": str(error), "version": error.mark.version, "status": error.mark.status}, 409)


async def _unfit(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)
