"""The images of a request: a raw body or the files of a form, read with a bound on bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ecrnn.serving.http.limits import Limits, Refused

FORM = "multipart/form-data"
TYPES = ("image/png", "image/jpeg", "image/bmp", "image/gif", "image/webp", "image/tiff", "image/x-portable-anymap")
RAW = (*TYPES, "application/octet-stream")
_LONGEST_NAME = 200  # characters of a file's name that are given back


@dataclass(frozen=True)
class Upload:
    """One image as it came: what it is called, and its bytes."""

    name: str
    content: bytes


async def uploads(request: Request, limits: Limits, take: Callable[[int], None]) -> tuple[list[Upload], bool]:
    """The images of a request, and whether they came as a form, whose answer is a list.

    Args:
        request: the request.
        limits: of what is taken.
        take: called with the bytes of each part of the body, before it is held.

    Raises:
        Refused: too many bytes (413), another type (415), a form without files, with too many, or cut off (422).
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != FORM and kind not in RAW and not kind.startswith("image/"):
        raise Refused(415, f"send an image as {', '.join(TYPES[:3])} and so on, or files as {FORM}, not '{kind[:50]}'")
    body = await _body(request, limits.body, take)
    if kind != FORM:
        return [Upload("image", body)], False
    return await _files(request, body, limits), True


async def _body(request: Request, most: int, take: Callable[[int], None]) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise Refused(413, f"the body has {int(length):,} bytes, at most {most:,} are taken")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Refused(413, f"the body has more than {most:,} bytes")
        take(len(part))
        parts.append(part)
    return b"".join(parts)


async def _files(request: Request, body: bytes, limits: Limits) -> list[Upload]:
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary")
    if boundary and b"--" + boundary + b"--" not in body:  # the parser would give the files before the cut
        raise Refused(422, "the form cannot be read: it was cut off")

    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        request.headers, once(), max_files=limits.images, max_fields=16, max_part_size=max(1024, limits.body)
    )
    try:
        form = await parser.parse()
    except (MultiPartException, MultipartParseError, KeyError, UnicodeDecodeError, ValueError) as error:
        raise Refused(422, f"the form cannot be read: {str(error)[:100]}") from error
    found = []
    for name, value in form.multi_items():
        if isinstance(value, str):
            continue
        found.append(Upload(str(value.filename or name)[:_LONGEST_NAME], await value.read()))
    await form.close()
    if not found:
        raise Refused(422, "the form has no files")
    return found
