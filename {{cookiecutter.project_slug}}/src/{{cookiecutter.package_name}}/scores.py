"""What a model answers, row by row."""


def answers(labels: list[str], names: list[str], scores, actual=None) -> list[dict]:
    """One answer a row: its id, its label where that is known, the predicted one and the score.

    The score is the probability of the positive label, or of each label where there are more.
    """
    found = []
    for index, (name, row) in enumerate(zip(names, scores.tolist(), strict=True)):
        known = {} if actual is None else {"label": actual[index]}
        score = row[1] if len(labels) == 2 else dict(zip(labels, row, strict=True))
        predicted = labels[row.index(max(row))]
        found.append({"id": name, **known, "predicted": predicted, "score": score})
    return found


def ordered_scores(model, rows, labels: list[str]):
    """The model's probabilities with a column for each of `labels`, in their order."""
    classes = model.classes_.tolist()
    return model.predict_proba(rows)[:, [classes.index(label) for label in labels]]
