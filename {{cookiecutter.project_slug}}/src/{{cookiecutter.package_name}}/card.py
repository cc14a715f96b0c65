"""The model card: what the model is for, what it was made from, how good it is, how to get it."""

import json
import re

UNSAID = "Not said yet: nobody has written it in params.yaml, section card."
# The bundled sample, and what the template says that a model of it is for.
SAMPLE_MD5 = "e4978e952499648518c8fcbbccb963b4"
SAMPLE_USE = "Predicts whether a request for a free pizza succeeds"
OF_SAMPLE = "Not said yet: params.yaml, section card, still has the words for the bundled sample."
MARKUP = re.compile(r"([\\`*_<>|\[\]#&])")


def card(values: dict, found: dict, hashes: dict[str, str]) -> str:
    """The card in Markdown, from the sections of params.yaml and the metrics of `evaluate`.

    `hashes` is path to md5 of the raw data, the environment's lock and the model.
    """
    data, split, train = values["data"], values["split"], values["train"]
    use = values["card"]["intended_use"] or UNSAID
    if of_sample(values["card"], hashes[data["file"]]):
        use = OF_SAMPLE
    chosen = train["estimator"]
    known = f"{found['rows_with_a_text_trained_on']} of these have the text of a row trained on"
    sections = {
        "Intended use": paragraph(use),
        "Not for": paragraph(values["card"]["not_for"] or UNSAID),
        "Data": table(
            ("file", code(data["file"])),
            ("md5", code(hashes[data["file"]])),
            ("label", f"{code(data['label'])}: {', '.join(map(code, data['labels']))}"),
            ("trained on", f"{found['train_rows']} rows"),
            ("held out", f"{found['rows']} rows, {split_text(split)}"),
            ("same text", f"{known} ({code('split.same_text: ' + split['same_text'])})"),
        ),
        "Model": table(
            ("estimator", f"{code(chosen)} {code(dumped(train[chosen]))}"),
            *((kind, columns(data[kind])) for kind in ("text", "numeric", "categorical")),
            ("timestamp", columns([data["timestamp"]] if data["timestamp"] else [])),
            ("features", code(dumped(values["features"]))),
            ("CPU level", code(values["exact"]["cpu"])),
            *((code(path), code(md5)) for path, md5 in hashes.items() if path != data["file"]),
        ),
        "Metrics on the held-out rows": metrics(found),
        "Get it, make it again, prove it": HOW,
    }
    text = "".join(f"\n## {title}\n\n{body}\n" for title, body in sections.items())
    return f"# Model card\n{text}"


def of_sample(words: dict, md5: str) -> bool:
    """Whether `words`, section card, speak of the sample while the raw data is something else."""
    return md5 != SAMPLE_MD5 and SAMPLE_USE in (words["intended_use"] or "")


HOW = """```console
$ exact which models/model.joblib     # the commit and the version that made this file, and who
$ git checkout VERSION && make pull   # recover the file that was stored
$ make verify REV=VERSION             # rebuild it from the raw data, and compare every byte
```"""


def metrics(found: dict) -> str:
    """The numbers, and the line that every one of them must be read beside."""
    skipped = ("commonest_label_accuracy", "rows", "train_rows", "rows_with_a_text_trained_on")
    numbers = [
        (name.replace("_", " "), f"{value:.6g}")
        for name, value in found.items()
        if type(value) in (int, float) and name not in skipped
    ]
    always = f"always answering {code(found['commonest_label'])}: accuracy"
    heading = ["", *map(code, found["labels"])]
    confusion = [
        (f"actual {code(label)}", *map(str, row))
        for label, row in zip(found["labels"], found["confusion_matrix"], strict=True)
    ]
    return "\n".join(
        [
            table(*sorted(numbers), (always, f"{found['commonest_label_accuracy']:.6g}")),
            "",
            lines([[h and f"answered {h}" for h in heading], *confusion]),
        ]
    )


def split_text(split: dict) -> str:
    """How the held-out rows were chosen."""
    column = code(split["column"]) if split["column"] else ""
    hashed = "texts" if split["same_text"] == "together" else "id"
    return {
        "id": f"a share of {split['test']} by a hash of the row's {hashed}",
        "group": f"a share of {split['test']} by a hash of {column}",
        "time": f"those whose {column} is {split['test']} or later",
        "column": f"those that {column} names",
    }[split["by"]]


def columns(names: list[str]) -> str:
    return ", ".join(map(code, names)) or "none"


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def code(text: str) -> str:
    """`text` as it is, whatever it holds, in a cell of a table."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`".replace("|", "\\|")


def paragraph(text: str) -> str:
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def table(*rows: tuple[str, str]) -> str:
    """Rows of a name and what there is to it."""
    return lines([("", ""), *rows])


def lines(rows: list) -> str:
    """A table in Markdown, whose first row is its heading."""
    text = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([text[0], "|---" * len(rows[0]) + "|", *text[1:]])
