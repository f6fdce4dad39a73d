"""The one exception that a user is meant to read."""


class PlasticError(ValueError):
    """Bad input: one sentence that names the thing and the remedy.

    The command line prints it and exits with status 2; nothing has been written by then.
    """
