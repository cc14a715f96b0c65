"""Columns that give the label away: what nobody can know when the model is asked."""

import json
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

from .problems import shown

# What people write where there is nothing; compared without regard to case.
EMPTY = {"", "-", "?", "n/a", "na", "nan", "none", "null", "unknown"}
# A label that more of the rows have says little of a value that always goes with it.
COMMON = 0.9
# A value that fewer of a label's rows have is rare, as values of a good category are.
PART = 0.2
# Rows of fewer sources may be copies of each other, and are no proof.
SOURCES = 5
# A row's label, its raw value of the column and its source: rows of one source are not independent.
Seen = tuple[str, object, object]


def leaks(rows: list[Seen], bounds: dict, is_text: bool = False) -> dict[str, str]:
    """Why a column is a likely leak, by the check of `params.CHECKS` that says so.

    `bounds` has `max_chance`, the probability below which it is no accident that a value always
    means one label (times how many values and labels were tried), and `max_auc`, above which a
    number, or a value against all others, is too good to be true. A text is judged by whether it is
    filled, and by nothing else, since texts repeat for many good reasons.
    """
    sources = defaultdict(set)
    for label, _, source in rows:
        sources[label].add(source)
    shares = Counter(label for label, _, _ in rows)
    tried = list(groups(rows, is_text))
    bounds = {**bounds, "max_chance": bounds["max_chance"] / len(tried) / max(1, len(shares))}
    found: dict[str, str] = {}
    for check, what, chosen in tried:
        reason = told(chosen, shares, sources, bounds) if check not in found else None
        if reason:
            found[check] = f"{what} {reason}"
    if not is_text and (reason := too_good(filled(rows), bounds)):
        found["number"] = reason
    return found


def groups(rows: list[Seen], is_text: bool) -> Iterator[tuple[str, str, list[Seen]]]:
    """The rows that are judged together: the check, what they have in common, and they."""
    having = filled(rows)
    yield "filled", "being filled at all", having
    if len(having) < len(rows):
        yield "filled", "being empty", [row for row in rows if not is_filled(row[1])]
    if not is_text:
        values = defaultdict(list)
        for row in having:
            value = row[1]
            values[value if isinstance(value, str) else json.dumps(value)].append(row)
        yield from (("value", f"the value {shown(v)}", values[v]) for v in sorted(values))


def told(chosen: list[Seen], shares: Counter, sources: dict, bounds: dict) -> str | None:
    """What `chosen` rows tell too well to be an accident, or None.

    `shares` and `sources` have the number of rows and the sources of each label.
    """
    inside = Counter(label for label, _, _ in chosen)
    for label, count in inside.items():
        others = shares.total() - shares[label]
        if always(label, len(chosen), shares, bounds) and len(inside) == 1:
            enough = min(SOURCES, len(sources[label]))
            if len({source for _, _, source in chosen}) >= enough:
                return f"always means {shown(label)}, in {len(chosen)} rows"
        if others:
            area = 0.5 + abs(count / shares[label] - (len(chosen) - count) / others) / 2
            by_chance = chance(area, shares[label], others)
            if area > bounds["max_auc"] and by_chance < bounds["max_chance"]:
                return f"alone tells {shown(label)} from the rest with an AUC of {area:.3f}"
    return None


def always(label: str, size: int, shares: Counter, bounds: dict) -> bool:
    """Whether it is no accident, and no small matter, that `size` rows all have this label."""
    share = shares[label] / shares.total()
    by_chance = share**size
    return share <= COMMON and size >= PART * shares[label] and by_chance < bounds["max_chance"]


def filled(rows: list[Seen]) -> list[Seen]:
    return [row for row in rows if is_filled(row[1])]


def is_filled(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in EMPTY
    return value is not None and value != []


def too_good(rows: list[Seen], bounds: dict) -> str | None:
    """Why a column of numbers tells one label from the rest too well, or None."""
    try:
        numbers = [(label, float(value)) for label, value, _ in rows]
    except (OverflowError, TypeError, ValueError):
        return None
    if not all(math.isfinite(value) for _, value in numbers):
        return None
    for label in sorted({label for label, _ in numbers}):
        inside = [value for one, value in numbers if one == label]
        outside = [value for one, value in numbers if one != label]
        area, by_chance = auc(inside, outside)
        area = max(area, 1 - area)
        if area > bounds["max_auc"] and by_chance < bounds["max_chance"]:
            return f"alone it tells {shown(label)} from the rest with an AUC of {area:.3f}"
    return None


def auc(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """The area under the ROC curve of a number, and the chance of one so far from one half.

    The area is Mann and Whitney's statistic: how often a number of `inside` is the larger one of
    a pair, ties counting half.
    """
    if not inside or not outside:
        return 0.5, 1.0
    ordered = sorted(outside)
    below = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in inside)
    area = below / 2 / len(inside) / len(outside)
    return area, chance(area, len(inside), len(outside))


def chance(area: float, inside: int, outside: int) -> float:
    """How likely an area so far from one half is by chance: the normal approximation of it."""
    deviation = math.sqrt((inside + outside + 1) / 12 / inside / outside)
    return math.erfc(abs(area - 0.5) / deviation / math.sqrt(2))
