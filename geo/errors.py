"""The one error tree of the product.

Every message says what was being done, to which thing, what was found and what was expected; ``hint`` says what to
do next. No message carries SQL, a password or a file path outside the project.
"""

from __future__ import annotations


class OneMapError(Exception):
    """Any fault the product explains instead of showing a traceback.

    Parameters
    ----------
    message
        What was being done, to which thing, what was found and what was expected.
    hint
        The next step for the reader; empty when there is none.
    parameter
        Name of the request parameter, column or option that is at fault, if one is.
    """

    exit_code = 2
    http_status = 422
    title = "Request cannot be served"

    def __init__(self, message: str, *, hint: str = "", parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.parameter = parameter


class RequestError(OneMapError):
    """The caller asked for something that does not exist or cannot be done."""

    title = "Bad request"


class NotFound(RequestError):
    """The thing named in the request does not exist."""

    http_status = 404
    title = "Not found"


class DataError(OneMapError):
    """A file or table breaks its contract; nothing was changed."""

    title = "Data break their contract"


class MissingColumn(DataError):
    """A required column is absent and could not be guessed."""

    title = "Missing column"


class DatumUnknown(DataError):
    """The datum of the coordinates is neither declared nor provable."""

    title = "Unknown datum"


class BadGeometry(DataError):
    """A geometry cannot be used and cannot be repaired."""

    title = "Bad geometry"


class DuplicateId(DataError):
    """Two rows claim the same identity."""

    title = "Duplicate identity"


class NothingLinked(DataError):
    """No point could be tied to the street network."""

    title = "Nothing linked to the street network"


class NotReady(OneMapError):
    """A layer is not loaded or no run exists yet; ``hint`` names the command that makes it."""

    exit_code = 4
    http_status = 503
    title = "Not ready"


class Forbidden(OneMapError):
    """Not for this role or area."""

    http_status = 403
    title = "Forbidden"


class Conflict(OneMapError):
    """The thing changed since the caller read it, or exists already."""

    http_status = 409
    title = "Conflict"


class TooLarge(OneMapError):
    """The request asks for more than one answer may hold."""

    http_status = 413
    title = "Too large"


class Busy(OneMapError):
    """Too much is going on; try again after ``retry_after_s``."""

    http_status = 503
    title = "Busy"
    retry_after_s = 2


class StoreError(OneMapError):
    """The database cannot be reached or refused the work."""

    exit_code = 3
    http_status = 503
    title = "Database not reachable"


class StoreTimeout(StoreError):
    """The database took longer than the statement time-out."""

    http_status = 504
    title = "Database timed out"
