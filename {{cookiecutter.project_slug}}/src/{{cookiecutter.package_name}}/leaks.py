"""Columns that give the label away: what nobody can know when the model is asked."""

import json
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain, product

from .problems import shown

# What people write where there is nothing; compared without regard to case.
EMPTY = {"", "-", "?", "n/a", "na", "nan", "none", "null", "unknown"}
# A label that more of the rows have says little of a value that always goes with it.
COMMON = 0.9
# A value that fewer of a label's rows have is rare, as values of a good category are.
PART = 0.2
# Values that are too rare to judge each by itself have to hold this part of a label's rows: in real
# spam, half of it begins with two words that no other message begins with.
MANY = 0.7
# A value goes with a label, among others that do, if so many of its rows have it.
MOST = 0.9
# Rows of fewer sources may be copies of each other, and prove nothing.
SOURCES = 5
# A row's label, its raw value of the column and its source: rows of one source are not independent.
Seen = tuple[str, object, object]


def leaks(rows: list[Seen], bounds: dict, is_text: bool = False) -> dict[str, str]:
    """Why a column is a likely leak, by the check of `params.CHECKS` that says so.

    `bounds` has `max_chance`, the probability below which chance does not explain that a value
    always means one label (times how many values and labels were tried), and `max_auc`, above
    which a number, or a value against all others, is too good to be true. A text is judged by
    whether it is filled, and by nothing else, since texts repeat for many good reasons.
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
    # A number that is too good has values that tell the label, too.
    if not is_text and not found and (reason := spread(rows, shares, sources, bounds)):
        found["value"] = reason
    return found


def groups(rows: list[Seen], is_text: bool) -> Iterator[tuple[str, str, list[Seen]]]:
    """The rows that are judged together: the check, what they have in common, and they."""
    having = filled(rows)
    yield "filled", "being filled at all", having
    if len(having) < len(rows):
        yield "filled", "being empty", [row for row in rows if not is_filled(row[1])]
    if not is_text:
        values = by_value(having)
        yield from (("value", f"the value {shown(v)}", values[v]) for v in sorted(values))


def by_value(rows: list[Seen]) -> dict[str, list[Seen]]:
    """The rows of each value, which is named by its text."""
    values = defaultdict(list)
    for row in rows:
        value = row[1]
        values[value if isinstance(value, str) else json.dumps(value)].append(row)
    return values


def told(chosen: list[Seen], shares: Counter, sources: dict, bounds: dict) -> str | None:
    """What `chosen` rows tell too well to be an accident, or None.

    `shares` and `sources` have the number of rows and the sources of each label.
    """
    inside = Counter(label for label, _, _ in chosen)
    for label, count in inside.items():
        enough = count >= PART * shares[label] and no_accident(label, inside, shares, bounds)
        if enough and len({source for _, _, source in chosen}) >= min(SOURCES, len(sources[label])):
            return f"always means {shown(label)}, in {count} rows"
        area = area_of(count, len(chosen), label, shares)
        by_chance = math.exp(log_chance(area, shares[label], shares.total() - shares[label]))
        if area > bounds["max_auc"] and by_chance < bounds["max_chance"]:
            return alone(label, area)
    return None


def no_accident(label: str, inside: Counter, shares: Counter, bounds: dict) -> bool:
    """Whether the rows that `inside` counts all have this label, other than by chance."""
    share = shares[label] / shares.total()
    by_chance = share ** inside.total()
    return inside.total() == inside[label] and share <= COMMON and by_chance < bounds["max_chance"]


def area_of(count: int, size: int, label: str, shares: Counter) -> float:
    """The area under the ROC curve of being one of `size` rows, `count` of which have the label."""
    others = shares.total() - shares[label]
    if not others:
        return 0.5
    return 0.5 + abs(count / shares[label] - (size - count) / others) / 2


def alone(label: str, area: float) -> str:
    return f"alone tells {shown(label)} from the rest with an AUC of {area:.3f}"


def spread(rows: list[Seen], shares: Counter, sources: dict, bounds: dict) -> str | None:
    """What several values together tell too well to be an accident, or None.

    Ten codes may stand for one label, each of them rare. Two rules: chance explains none of the
    values by itself, or it does not explain all of them together. That is the chance of one choice
    of values, times the number of choices there are.
    The more common values are judged without the rarer, of which some fit by accident. What occurs
    once proves nothing.
    """
    values = {value: of for value, of in by_value(filled(rows)).items() if len(of) > 1}
    counts = {value: Counter(row[0] for row in values[value]) for value in sorted(values)}
    leasts = [2**n for n in range(1, max(map(len, values.values()), default=0).bit_length())]
    for label in sorted(shares):
        certain = [v for v in counts if no_accident(label, counts[v], shares, bounds)]
        sets = [(certain, PART, 0.0)]
        for least, purity in product(leasts, (1, MOST)):
            common = [value for value in counts if len(values[value]) >= least]
            of_label = [v for v in common if counts[v][label] >= purity * len(values[v])]
            sets.append((of_label, MANY, choices(len(common), len(of_label), 2 * len(leasts))))
        for chosen, part, tried in sets:
            inside = [row for value in chosen for row in values[value]]
            if len(chosen) > 1 and len(inside) >= part * shares[label]:
                most = math.log(bounds["max_chance"]) - tried
                if reason := together(label, inside, shares, sources, bounds["max_auc"], most):
                    some = ", ".join(map(shown, chosen[:3])) + ", …" * (len(chosen) > 3)
                    return f"being one of {len(chosen)} values ({some}) {reason}"
    return None


def together(
    label: str, inside: list[Seen], shares: Counter, sources: dict, max_auc: float, most: float
) -> str | None:
    """What rows tell that were chosen for a label, or None if the chance of it is above e**most.

    Rows of one source count once.
    """
    own, total = len(sources[label]), len({*chain(*sources.values())})
    others = len({*chain(*(sources[one] for one in sources if one != label))})
    count = sum(row[0] == label for row in inside)
    if count == len(inside):
        different = len({source for *_, source in inside})
        share = max(shares[label] / shares.total(), own / total)
        if different >= min(SOURCES, own) and different * math.log(share) < most:
            return f"always means {shown(label)}, in {count} rows" if share <= COMMON else None
        return None
    area = area_of(count, len(inside), label, shares)
    return alone(label, area) if area > max_auc and log_chance(area, own, others) < most else None


def choices(number: int, chosen: int, times: int) -> float:
    """The logarithm of how many choices of some of a number of values there are, times `times`."""
    ways = math.lgamma(number + 1) - math.lgamma(chosen + 1) - math.lgamma(number - chosen + 1)
    return ways + math.log(max(1, number) * times)


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
    return area, math.exp(log_chance(area, len(inside), len(outside)))


def log_chance(area: float, inside: int, outside: int) -> float:
    """How likely an area so far from one half is by chance: the normal approximation of it.

    Its logarithm, since it may be too small for a number.
    """
    if not inside or not outside:
        return 0.0
    deviation = math.sqrt((inside + outside + 1) / 12 / inside / outside)
    far = abs(area - 0.5) / deviation / math.sqrt(2)
    if far < 20:
        return math.log(math.erfc(far))
    return -(far**2) - math.log(far * math.sqrt(math.pi))
