"""What can be wrong with contact rules and result codes, beside a file that cannot be read."""

from policies.errors import PolicyError


class ContactRuleError(PolicyError):
    """Root of the errors of contact rules; a wrong pack file is a PolicyFileError instead.

    ContactRuleError
    ├── NoPackError          nothing to decide by: without a pack no contact is decided
    ├── UnknownCalendarError the parameter calendar.id names no calendar
    └── UnknownCodeError     a result code that the catalogue does not have
    """


class NoPackError(ContactRuleError):
    """No pack was handed in."""

    def __init__(self) -> None:
        super().__init__("No pack of contact rules is given. Way out: activate at least one.")


class UnknownCalendarError(ContactRuleError):
    """There is no calendar of this name."""

    def __init__(self) -> None:
        super().__init__("The calendar is not known. Way out: write `calendar.id: CN`.")


class UnknownCodeError(ContactRuleError):
    """A result code that is not in the catalogue: refused, never guessed."""

    def __init__(self, shown: str) -> None:
        super().__init__(f"UNKNOWN_CODE: the catalogue has no result code {shown}.")
