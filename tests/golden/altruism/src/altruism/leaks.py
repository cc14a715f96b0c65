"""Columns that give the label away: what nobody can know when the model is asked."""

import json
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict

from .problems import shown

# What people write where there is nothing; compared without regard to case.
EMPTY = {"", "-", "?", "n/a", "na", "nan", "none", "null", "unknown"}
Pair = tuple[str, object]


def leak(pairs: list[Pair], bounds: dict) -> str | None:
    """Why a column is a likely leak, or None.

    `pairs` has the label and the column's raw value of each training row. `bounds` has `max_auc`,
    above which a number alone is too good to be true, and `max_chance`, the probability below
    which it is no accident that a value always meant one label.
    """
    filled = [(label, value) for label, value in pairs if is_filled(value)]
    shares = {label: count / len(pairs) for label, count in Counter(x for x, _ in pairs).items()}
    groups = defaultdict(list)
    for label, value in pairs:
        groups[value if isinstance(value, str) else json.dumps(value)].append(label)
    candidates = [("being filled at all", [label for label, _ in filled])]
    candidates += [(f"the value {shown(value)}", found) for value, found in sorted(groups.items())]
    for what, found in candidates:
        if len({*found}) == 1 and shares[found[0]] ** len(found) < bounds["max_chance"]:
            return f"{what} always means {shown(found[0])}, in {len(found)} rows"
    return too_good(filled, bounds)


def is_filled(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in EMPTY
    return value is not None and value != []


def too_good(filled: list[Pair], bounds: dict) -> str | None:
    """Why a column of numbers tells one label from the rest too well, or None."""
    try:
        numbers = [(label, float(value)) for label, value in filled]
    except (OverflowError, TypeError, ValueError):
        return None
    if not all(math.isfinite(value) for _, value in numbers):
        return None
    for label in sorted({label for label, _ in numbers}):
        inside = [value for one, value in numbers if one == label]
        outside = [value for one, value in numbers if one != label]
        area, chance = auc(inside, outside)
        area = max(area, 1 - area)
        if area > bounds["max_auc"] and chance < bounds["max_chance"]:
            return f"alone it tells {shown(label)} from the rest with an AUC of {area:.3f}"
    return None


def auc(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """The area under the ROC curve of a number, and the chance of one so far from one half.

    The area is Mann and Whitney's statistic: how often a number of `inside` is the larger one of
    a pair, ties counting half. Its chance is that of the normal approximation.
    """
    if not inside or not outside:
        return 0.5, 1.0
    ordered = sorted(outside)
    below = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in inside)
    pairs = len(inside) * len(outside)
    area = below / 2 / pairs
    deviation = math.sqrt((len(inside) + len(outside) + 1) / 12 / pairs)
    return area, math.erfc(abs(area - 0.5) / deviation / math.sqrt(2))
