"""Inspection's replies as HTTP answers. Knows no question."""

from fastapi import Response

from service.inspection.forms import Reply


def response(reply: Reply) -> Response:
    headers = {}
    if reply.filename is not None:
        headers["Content-Disposition"] = f'attachment; filename="{reply.filename}"'
    if reply.legend is not None:
        headers["X-Legend"] = reply.legend
    if reply.took is not None:
        headers["Server-Timing"] = ", ".join(f"{phase};dur={took:.3f}" for phase, took in reply.took.items())
    return Response(reply.body, media_type=reply.media_type, headers=headers)
