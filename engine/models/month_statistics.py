"""Tests whether a month of a group differs from its other months and from the same month of its peers. Arrays only.

There are two kinds of measure. A volume is the number of the group's claims in a month: its share of the group's claims
in all months with claims is compared with the month's share of the other groups' claims in these months. A part is the
number of a month's claims that are far out among comparable claims in one measure: their share is compared with that of
the group's other months, and with that of the other groups' claims in the month; the weaker comparison counts.

The evidence is the logarithm of the likelihood ratio of a two-by-two table (half of G; Wilks 1938), in natural log
units. It accounts for small counts on either side. exp(-evidence) is used as a p-value: it is above the tail of the
chi-squared distribution with one degree of freedom. Months of one group vary more than independent claims would
(refills follow each other); the evidence is divided by that factor, the dispersion.

Executors import this module: it imports nothing but numpy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

# Shares of a part are taken to be at least this: far-out claims are the outermost tenth by definition.
LEAST_SHARE = 0.1
_MEDIAN_CHI_SQUARED = 0.4549364  # one degree of freedom
_DECIMALS, _DIGITS = 9, 9


def share_evidence(hits: Numbers, of: Numbers, peer_hits: Numbers, peer_of: Numbers) -> Numbers:
    """Evidence that the share `hits` of `of` differs from `peer_hits` of `peer_of`; negative if it is the smaller one,
    0 if a side is empty. All arguments are counts.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (hits + peer_hits) / (of + peer_of)
        ratio = sum(
            _part(observed, expected)
            for observed, expected in (
                (hits, of * share),
                (of - hits, of * (1 - share)),
                (peer_hits, peer_of * share),
                (peer_of - peer_hits, peer_of * (1 - share)),
            )
        )
        is_smaller = hits * peer_of < peer_hits * of
    ratio = np.where((of > 0) & (peer_of > 0), np.maximum(ratio, 0.0), 0.0)
    return np.asarray(np.round(np.where(is_smaller, -ratio, ratio), _DECIMALS) + 0.0)


def volume(hits: Numbers, own: Numbers, month: Numbers, all_months: Numbers) -> tuple[Numbers, Numbers]:
    """Evidence and expected claims. `hits`, `own`: the group's claims of the month and of all its months; `month`,
    `all_months`: those of all other groups in the month and in all these months.
    """
    expected = (own - hits) * np.maximum(month, 1.0) / np.maximum(all_months - month, 1.0)
    return share_evidence(hits, own, month, all_months), rounded(expected)


def part(
    hits: Numbers, of: Numbers, own_hits: Numbers, own_of: Numbers, month_hits: Numbers, month_of: Numbers
) -> tuple[Numbers, Numbers]:
    """Evidence and expected far-out claims. `hits` of `of`: the group's claims of the month; `own_...`: its other
    months; `month_...`: other groups in the month.
    """
    of_own = share_evidence(hits, of, own_hits, own_of)
    of_month = share_evidence(hits, of, month_hits, month_of)
    of_peers = ((own_hits, own_of), (month_hits, month_of))
    shares = [peer_hits / np.maximum(peer_of, 1.0) for peer_hits, peer_of in of_peers]
    expected = of * np.maximum(np.maximum(*shares), LEAST_SHARE)
    return np.minimum(of_own, of_month), rounded(expected)


def dispersion(evidence: Numbers, months: Numbers) -> float:
    """Factor by which months vary more than independent claims would: the median of twice the absolute evidence,
    divided by the median of the chi-squared distribution with one degree of freedom; at least 1.

    `months`: number of months with each evidence. The median is robust: unusual months hardly change it.
    """
    if not len(evidence):
        return 1.0
    order = np.argsort(np.abs(evidence), kind="stable")
    below = np.cumsum(months[order])
    median = np.abs(evidence)[order][np.searchsorted(below, below[-1] / 2)]
    return max(1.0, float(np.round(2 * median / _MEDIAN_CHI_SQUARED, 6)))


def rounded(values: Numbers) -> Numbers:
    """Round away the last digits, in which functions of libraries may differ."""
    return np.asarray(np.round(values, _DIGITS) + 0.0)


def _part(observed: Numbers, expected: Numbers) -> Numbers:
    return np.where(observed > 0, observed * np.log(observed / expected), 0.0)
