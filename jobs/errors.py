"""The errors that are the user's to mend: the message says what is wrong, where, and what to do."""


class LeaseholdError(Exception):
    """Shown without a traceback by the command line."""
