"""Why nothing can be measured."""

from service.errors import FoveaError


class CannotMeasureError(FoveaError):
    code = "cannot_measure"
