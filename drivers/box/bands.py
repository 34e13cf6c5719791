"""The band of a channel number: LTE's EARFCN and NR's ARFCN, downlink, for bands that are in use in
China and around it (3GPP TS 36.101 table 5.7.3-1, TS 38.104 table 5.4.2.3-1).
"""

from __future__ import annotations

_LTE = (
    (0, 599, 1), (1200, 1949, 3), (2400, 2649, 5), (2750, 3449, 7), (3450, 3799, 8),
    (6150, 6449, 20), (9210, 9659, 28), (36200, 36349, 34), (37750, 38249, 38),
    (38250, 38649, 39), (38650, 39649, 40), (39650, 41589, 41),
)  # fmt: skip
#: Where two bands overlap the narrower one stands first: n78 lies in n77.
_NR = (
    (422000, 434000, 1), (361000, 376000, 3), (173800, 178800, 5),
    (185000, 192000, 8), (151600, 160600, 28), (499200, 537999, 41), (620000, 653333, 78),
    (653334, 680000, 77), (693334, 733333, 79),
)  # fmt: skip


def lte_band(earfcn: int) -> str | None:
    """Such as "B3"; None: of no band that is known here."""
    return next((f"B{band}" for first, last, band in _LTE if first <= earfcn <= last), None)


def nr_band(arfcn: int) -> str | None:
    """Such as "n78"; None: of no band that is known here."""
    return next((f"n{band}" for first, last, band in _NR if first <= arfcn <= last), None)
