"""The errors that are the user's to mend: the message says what is wrong, where, and what to do."""


class LeaseholdError(Exception):
    """Shown without a traceback by the command line."""

    exit_code = 1


class BusyError(LeaseholdError):
    """Somebody else writes the lake: the same again, later, may go well."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h, so that a scheduler can tell it from what it need not try again"""
