"""DataError: what a reader of data says when it cannot go on."""


class DataError(ValueError):
    """Data that cannot be used; one sentence that names the file, what was expected and what to do."""
