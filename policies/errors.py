"""What can be wrong with a policy, a rule or the field catalogue."""


class PolicyError(Exception):
    """Root of this room's errors.

    PolicyError
    ├── PolicyFileError          a file that cannot be accepted: file, line, reason, way out
    ├── RuleError                one field, level and form that cannot stand together
    │   ├── UnknownFieldError    the catalogue has no such field
    │   ├── TooWideError         the catalogue allows less
    │   └── WrongFormError       the form is missing, needless, or not for this field
    ├── ParametersUnsetError     the company has not decided a parameter: nothing is activated
    └── NaiveTimeError           a time without an offset was handed in

    Messages hold field names, levels and file positions; no rule ever sees a case.
    """


class PolicyFileError(PolicyError):
    """A policy file, table or catalogue that is refused as a whole.

    Attributes: `file` as it was named by the caller, `line` counted from 1 (0 when no single line
    is to blame), `reason` one sentence, `way_out` what its author can do.
    """

    def __init__(self, file: str, line: int, reason: str, way_out: str) -> None:
        self.file = file
        self.line = line
        self.reason = reason
        self.way_out = way_out
        place = f"{file}, line {line}" if line else file
        super().__init__(f"{place}: {reason} Way out: {way_out}")


class RuleError(PolicyError):
    """A rule that cannot be; `reason` and `way_out` are sentences for the policy's author."""

    def __init__(self, reason: str, way_out: str) -> None:
        self.reason = reason
        self.way_out = way_out
        super().__init__(f"{reason} {way_out}")


class UnknownFieldError(RuleError):
    """The field is not in the catalogue."""


class TooWideError(RuleError):
    """The level releases more of the field than the catalogue allows at this stage."""


class WrongFormError(RuleError):
    """The form does not fit the level or the field."""


class NaiveTimeError(PolicyError):
    """A time without an offset cannot be compared with a contract's term."""


class ParametersUnsetError(PolicyError):
    """Parameters that only the company can decide are unset; `names` lists them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(
            "PARAMETER_UNSET: no policy is activated while these are undecided:"
            f" {', '.join(names)}. Way out: decide each in parameters.yaml."
        )
