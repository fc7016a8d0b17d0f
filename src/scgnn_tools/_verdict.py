"""The word of a verdict: what the interval of a difference says of a method and its best baseline."""


def verdict_word(low: float, high: float, *, undecided: str = "ties with") -> str:
    """Return "beats" or "loses to" where the whole interval of a gain is on one side of 0, else ``undecided``; NaN decides nothing."""
    return "beats" if low > 0 else "loses to" if high < 0 else undecided
