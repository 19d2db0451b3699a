"""The errors of reading a lender's case file; none of their texts contains a value of the file."""

from gateway.errors import GatewayError
from gateway.portfolio.reasons import ErrorCode, reason


class PortfolioError(GatewayError):
    """Root of what can go wrong between a lender's file and a canonical case record.

    ::

        PortfolioError
        ├── PortfolioFileError   the whole file is refused
        ├── ContractOverError    the contract ended while a file was imported
        └── CellError            one cell is refused; it becomes a row error
    """

    code: str = "PORTFOLIO"


class PortfolioFileError(PortfolioError):
    """The whole file is refused: what is wrong, and what the sender can do about it.

    ``problem`` and ``way_out`` are one sentence each; ``line`` is the physical line, from 1, when
    one line is to blame.
    """

    code = "PORTFOLIO_FILE"

    def __init__(self, problem: str, way_out: str, *, line: int | None = None) -> None:
        super().__init__(f"{problem} {way_out}")
        self.problem = problem
        self.way_out = way_out
        self.line = line


class ContractOverError(PortfolioError):
    """The contract ended while a file was imported; nothing more of the file is stored."""

    code = "CONTRACT_NOT_RUNNING"


class CellError(PortfolioError):
    """One cell does not hold what its column promises; only the code travels, never the value."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(reason(code))
        self.error_code = code
