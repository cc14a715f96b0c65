"""The held-out rows whose answer is another in the second of two commits, and what that means."""

import json

from exact_model.changed_data import HELD_OUT
from exact_model.dvcfiles import looked_up
from exact_model.errors import Refused
from exact_model.sides import Side

# Of two classes, what an answer that was right and is wrong now has become, and the reverse.
KINDS = {
    ("broken", False): "false positives gained",
    ("broken", True): "false negatives gained",
    ("fixed", False): "false positives lost",
    ("fixed", True): "false negatives lost",
}
OTHERS = {
    "broken": "right before, wrong now",
    "fixed": "wrong before, right now",
    "moved": "wrong before and now, in another way",
    "relabelled": "relabelled, and predicted differently",
}


def flips(a: Side, b: Side) -> dict:
    """The held-out rows of both whose answer changed, by what that means."""
    before, after = a.lines(a.predictions()), b.lines(b.predictions())
    if not before and not after:
        return {"compared": 0, "only_before": 0, "only_after": 0, "flipped": 0, "rows": {}}
    if not all(
        isinstance(row.get("predicted"), str) for row in (*before.values(), *after.values())
    ):
        raise Refused(
            f"{b.predictions()} has answers without a `predicted`, so none can be matched"
        )
    if not before or not after:
        without = a.name if not before else b.name
        raise Refused(f"{without} records no {b.predictions()}, so no rows can be matched")
    labels = [one.metrics().get("labels") or [] for one in (a, b)]
    positive = labels[0][-1] if labels[0] == labels[1] and len(labels[0]) == 2 else None
    both = [name for name in after if name in before]
    found: dict[str, list] = {}
    texts = {}
    for name in both:
        if before[name]["predicted"] != after[name]["predicted"]:
            texts = texts or {**a.lines(HELD_OUT), **b.lines(HELD_OUT)}
            kind = kind_of(before[name], after[name], positive)
            found.setdefault(kind, []).append(flip(before[name], after[name], texts.get(name), b))
    return {
        "compared": len(both),
        "only_before": len(before) - len(both),
        "only_after": len(after) - len(both),
        "flipped": sum(map(len, found.values())),
        "rows": {
            kind: found[kind] for kind in (*KINDS.values(), *OTHERS.values()) if kind in found
        },
    }


def kind_of(before: dict, after: dict, positive: str | None) -> str:
    """What it means that the answer to a row changed; `positive` is the label, if one of two is."""
    if before["label"] != after["label"]:
        return OTHERS["relabelled"]
    right = [row["predicted"] == row["label"] for row in (before, after)]
    what = "broken" if right[0] else "fixed" if right[1] else "moved"
    known = KINDS.get((what, after["label"] == positive)) if positive else None
    return known or OTHERS[what]


def flip(before: dict, after: dict, row: dict | None, b: Side) -> dict:
    """One row whose answer changed; `text` is what the model read of it."""
    values = (row or {}).get("row", {})
    columns = looked_up(b.records.params, "data.text") or []
    columns = [columns] if isinstance(columns, str) else columns
    # Where there is no text, all that the row holds tells it from others.
    texts = [str(values[key]) for key in columns if values.get(key)] or [
        json.dumps(values, ensure_ascii=False)
    ]
    return {
        "id": after["id"],
        "label": [before["label"], after["label"]],
        "predicted": [before["predicted"], after["predicted"]],
        "score": [before["score"], after["score"]],
        "text": "\n".join(texts),
    }


def answer(row: dict, which: int) -> str:
    """What one of the two models says of a row, and how sure it is."""
    score, predicted = row["score"][which], row["predicted"][which]
    score = score.get(predicted) if isinstance(score, dict) else score
    return f"{predicted} ({score:.3f})" if isinstance(score, float | int) else f"{predicted}"
