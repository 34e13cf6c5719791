"""What can't be taken: the reason for programs, the words for people; the checks that say so."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits

#: 10^digits must be a number that a float64 can be divided by; 2^64 has 20 digits, floats reach
#: 10^308.
DIGITS_MAX = 340


class RefusedError(Exception):
    """A block, catalog or tag set that can't be stored."""

    def __init__(self, reason: pb.RejectReason.ValueType, detail: str) -> None:
        detail = _cut(detail, limits.DETAIL_CHARS_MAX)
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def alone(self) -> RefusedError:
        """The same without its traceback, whose frames hold what was refused."""
        return RefusedError(self.reason, self.detail)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str) -> str:
    """What a box wrote as it may be answered and logged: short, on one line, in quotes."""
    return repr(_cut(text, limits.QUOTED_CHARS))


def malformed(condition: bool, detail: str) -> None:
    if condition:
        raise RefusedError(pb.REJECT_REASON_MALFORMED, detail)


def unsupported(condition: bool, detail: str) -> None:
    """A number that this version does not know: the box keeps the block for a newer one."""
    if condition:
        raise RefusedError(pb.REJECT_REASON_UNSUPPORTED, f"{detail}; a newer receiver will take it")


def too_large(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise RefusedError(pb.REJECT_REASON_TOO_LARGE, f"{what} is {value}, the most is {limit}")


def is_decimal(text: str) -> bool:
    if len(text) > limits.DECIMAL_CHARS_MAX:
        return False
    try:
        number = Decimal(text or "0")
    except InvalidOperation:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= DIGITS_MAX
