"""params.yaml, read as DVC reads it and checked by name and kind before any work starts."""

import ast
import difflib
import json
import math
import os
import re
import site
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from .problems import Refused, shown

# The file in scikit-learn and the class of each estimator.
ESTIMATORS = {
    "logistic_regression": ("linear_model/_logistic.py", "LogisticRegression"),
    "multinomial_nb": ("naive_bayes.py", "MultinomialNB"),
    "complement_nb": ("naive_bayes.py", "ComplementNB"),
    "random_forest": ("ensemble/_forest.py", "RandomForestClassifier"),
    "hist_gradient_boosting": (
        "ensemble/_hist_gradient_boosting/gradient_boosting.py",
        "HistGradientBoostingClassifier",
    ),
    "sgd": ("linear_model/_stochastic_gradient.py", "SGDClassifier"),
}
TEXT = ("feature_extraction/text.py", "TfidfVectorizer")
CATEGORICAL = ("preprocessing/_encoders.py", "OneHotEncoder")
# The lines between which git leaves two versions that it could not merge.
MARKER = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
# Options of TfidfVectorizer and OneHotEncoder that params.yaml cannot mean: code, types, layout.
NOT_OPTIONS = {
    *("input", "encoding", "decode_error", "preprocessor", "tokenizer", "dtype", "vocabulary"),
    *("categories", "sparse_output", "feature_name_combiner"),
}


def argument_names(file: str, name: str) -> set[str]:
    """The arguments of the class `name` in `file`, read without importing it.

    The import takes two seconds, and `prepare` has no other need of it. `file` is a path in
    scikit-learn or, with the package's name in front, in another package.
    """
    at = f"src/{__package__}/params.py: ESTIMATORS names {file}"
    folders = [Path(folder) for folder in site.getsitepackages()]
    paths = [path for folder in folders for path in (folder / "sklearn" / file, folder / file)]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        if not any((folder / "sklearn").is_dir() for folder in folders):
            raise Refused("scikit-learn is not installed; run `make env`")
        fix = "fix the path, or add its package to pyproject.toml and run `make lock env`"
        raise Refused(f"{at}, which no installed package has; {fix}")
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
    start = [
        method.args
        for node in found
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__"
    ]
    if not start:
        lacks = "takes no arguments of its own" if found else "is not in it"
        classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
        public = ", ".join(one for one in classes if not one.startswith("_"))
        raise Refused(f"{at}, but the class {name} {lacks}; name one of: {shown(public, 200)}")
    return {argument.arg for argument in start[0].args + start[0].kwonlyargs} - {"self"}


def is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_names(value: object) -> bool:
    return isinstance(value, list) and bad_names(value) is None


def label_name(value: object) -> str | None:
    """A label as text, the same for a CSV and a JSON file: true is 'true'; None for no label."""
    if isinstance(value, str):
        return composed(value) or None
    return json.dumps(value) if isinstance(value, bool | int) else None


def classes(labels: list) -> list:
    """The labels as a model answers them: booleans or whole numbers as such, all others as text.

    A mixture of kinds is made text, because numpy has no array for it.
    """
    kinds = {type(label) for label in labels}
    if kinds == {bool} or (kinds == {int} and all(-(2**63) <= label < 2**63 for label in labels)):
        return labels
    return [label_name(label) for label in labels]


# What leaks.py may find in a column, by the name that leaks.allow has for it.
CHECKS = ("filled", "value", "number")


def is_allowance(value: object) -> bool:
    """Whether `value` is an entry of leaks.allow: {column: check}, or a column for its `filled`."""
    pairs = [*value.items()] if isinstance(value, dict) else [(value, CHECKS[0])]
    return len(pairs) == 1 and is_text(pairs[0][0]) and pairs[0][1] in CHECKS


def allowances(values: list) -> list[tuple[str, str]]:
    """The entries of leaks.allow as pairs of a column and a check."""
    return [next(iter(v.items())) if isinstance(v, dict) else (v, CHECKS[0]) for v in values]


def composed(name: str) -> str:
    """`name` in Unicode's normal form C, in which two names that look equal are equal."""
    return unicodedata.normalize("NFC", name)


def bad_member(values: list, name: Callable[[object], str | None]) -> str | None:
    """Which member of a list is not one that has a `name`, or names what an earlier one does."""
    seen: dict[str, object] = {}
    for value in values:
        named = name(value)
        if named is None:
            return f"it holds {shown(value)}; {quotes(value)}"
        if named in seen:
            told = f"it holds {shown(seen[named])} and {shown(value)}"
            return f"{told}, which are the same one; keep one"
        seen[named] = value
    return None


def quotes(value: object) -> str:
    """What to do where `value` stands instead of a text."""
    if value in (None, ""):
        return "remove what is empty, or put a word such as 'null' in quotes"
    if isinstance(value, list | dict):
        return "write each value alone"
    return f"put it in quotes, as the file has it, such as '{shown(value)}'"


def bad_names(value: object) -> str | None:
    return bad_member(value, lambda one: composed(one) if is_text(one) else None)


def bad_labels(value: object) -> str | None:
    return bad_member(value, label_name)


def is_labels(value: object) -> bool:
    return isinstance(value, list) and len(value) >= 2 and bad_labels(value) is None


Check = tuple[Callable[[object], bool], str]
NAME: Check = (is_text, "a name")
SENTENCE: Check = (
    lambda value: value is None or is_text(value),
    "a sentence, or null as long as nobody has said it",
)
OPTIONAL_NAME: Check = (lambda value: value is None or is_text(value), "a name or null")
NAMES: Check = (is_names, "a list of different names, such as [title, body]")
SHARE: Check = (lambda value: is_number(value) and 0 < value <= 1, "a number above 0 and up to 1")
MAPPING: Check = (lambda value: isinstance(value, dict), "a mapping, such as {alpha: 0.5}")


def choice(*words: str) -> Check:
    return lambda value: value in words, "one of: " + ", ".join(words)


# Every key of params.yaml, each with what its value must be.
SPEC: dict[str, dict[str, Check]] = {
    "exact": {"cpu": choice("x86-64-v3", "x86-64-v2")},
    "data": {
        "file": NAME,
        "id": NAME,
        "label": NAME,
        "labels": (is_labels, "a list of two or more different labels, the positive one last"),
        "text": NAMES,
        "numeric": NAMES,
        "categorical": NAMES,
        "timestamp": OPTIONAL_NAME,
    },
    "split": {
        "by": choice("id", "group", "time", "column"),
        "column": OPTIONAL_NAME,
        "test": (
            lambda value: is_number(value) or is_text(value),
            "a share such as 0.25, or a moment in quotes such as '2012-06-01'",
        ),
        "same_text": choice("keep", "drop", "together"),
    },
    "leaks": {
        "max_auc": SHARE,
        "max_chance": SHARE,
        "allow": (
            lambda value: isinstance(value, list) and all(map(is_allowance, value)),
            "a list of columns, each with filled, value or number, such as [{karma: number}]",
        ),
    },
    "features": {
        "text": MAPPING,
        "text_by_column": MAPPING,
        "lengths": (lambda value: isinstance(value, bool), "true or false"),
        "numeric": choice("quantile", "standard", "none"),
        "categorical": MAPPING,
        "timestamp": (
            lambda value: is_names(value) and {*value} <= {"trend", "day", "week", "year"},
            "a list of some of: trend, day, week, year",
        ),
    },
    "train": {"estimator": choice(*ESTIMATORS), **dict.fromkeys(ESTIMATORS, MAPPING)},
    "card": {"intended_use": SENTENCE, "not_for": SENTENCE},
}
# What is meant where a params.yaml does not have the parameter, because it is older.
MISSING = {"split": {"same_text": "keep"}}


def is_pattern(value: object) -> bool:
    try:
        return re.compile(value) is not None
    except (re.error, TypeError, OverflowError, RecursionError):
        return False


# Options with values that scikit-learn would take, only to fail or to mislead in a later stage.
OPTIONS: dict[tuple[str, str], dict[str, Check]] = {
    TEXT: {
        "ngram_range": (
            lambda value: (
                isinstance(value, list)
                and [type(one) for one in value] == [int, int]
                and 0 < value[0] <= value[1]
            ),
            "two whole numbers such as [1, 2]",
        ),
        "token_pattern": (is_pattern, "a regular expression of Python's re"),
        "max_features": (
            lambda value: value is None or (type(value) is int and value > 0),
            "a whole number above 0, or null",
        ),
        "stop_words": (
            lambda value: value in (None, "english") or is_names(value),
            "english, null or a list of different words",
        ),
    },
    CATEGORICAL: {"handle_unknown": choice("ignore", "infrequent_if_exist", "warn")},
    ESTIMATORS["sgd"]: {"loss": choice("log_loss", "modified_huber")},
}


def load(*sections: str, path: Path = Path("params.yaml")) -> dict[str, dict]:
    """These sections of params.yaml: of a stage, those that dvc.yaml says it depends on.

    All of the file is checked; `Refused` with one sentence for the first thing wrong. Labels are
    made text; beside them, `classes` has what a model answers for each and `quoted` those that were
    text. The names of columns are brought into the form in which `files` reads them.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if marker := MARKER.search(text):
            line = text.count("\n", 0, marker.start()) + 1
            fix = "keep one side of each conflict and remove the markers"
            raise Refused(f"{path}, line {line}: git left conflict markers here; {fix}")
        values = YAML(typ="safe", pure=True).load(text)
    except FileNotFoundError:
        raise Refused(f"{path} is not here; run this in the project's own folder") from None
    except (YAMLError, ValueError, RecursionError) as error:  # A 13th month is a ValueError.
        raise Refused(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    check_names(values, SPEC, str(path))
    for section, keys in SPEC.items():
        if isinstance(values[section], dict):
            values[section] = {**MISSING.get(section, {}), **values[section]}
        check_names(values[section], keys, f"{path}: {section}")
        for key, check in keys.items():
            check_value(values[section][key], check, f"{section}.{key}")
    compose_names(values)
    check_together(values)
    check_options(values)
    values["data"]["classes"] = classes(values["data"]["labels"])
    values["data"]["quoted"] = [one for one in values["data"]["labels"] if isinstance(one, str)]
    values["data"]["labels"] = [label_name(label) for label in values["data"]["labels"]]
    return {name: values[name] for name in sections}


def check_names(values: object, known: dict, where: str) -> None:
    """Refuse a mapping whose keys are not exactly the `known` ones."""
    if not isinstance(values, dict):
        raise Refused(f"{where} is {shown(values)}; it must have the keys {', '.join(known)}")
    for key in values:
        check_name(key, known, where)
    for key in known:
        if key not in values:
            first = "the project's first commit has it"
            example = f"`{key}: {{}}`" if known[key] is MAPPING else first
            raise Refused(f"{where} has no {key!r}; add it: {example}")


def check_name(key: object, known: Iterable[str], where: str) -> None:
    """Refuse a key that is not `known`, naming the nearest that is."""
    if key not in known:
        folded = {name.lower(): name for name in sorted(known)}
        near = difflib.get_close_matches(str(key).lower(), folded, n=1)
        hint = f"it has {', '.join(sorted(known)) or 'none'}"
        if near:
            hint = f"did you mean {folded[near[0]]!r}?"
        raise Refused(f"{where} has no parameter {shown(key)}; {hint}")


def check_value(value: object, check: Check, where: str) -> None:
    """Refuse a value that is not of the kind that `check` wants."""
    accepts, wanted = check
    if accepts(value):
        return
    told = f"params.yaml: {where} is {shown(value)}; it must be {wanted}"
    if isinstance(value, list) and "list" in wanted:
        reason = (bad_labels if where == "data.labels" else bad_names)(value)
        told += f", and {reason}" if reason else ""
    elif value == "" and check in (NAME, OPTIONAL_NAME):
        told += "; if a column has none, write one into the first line of its file"
    elif value is not None and check in (NAME, OPTIONAL_NAME):
        told += f"; {quotes(value)}"
    raise Refused(told)


def compose_names(values: dict) -> None:
    """Bring every name of a column into Unicode's normal form C, where two that look alike are."""
    data, split, leaks, features = (values[key] for key in ("data", "split", "leaks", "features"))
    for section, key in ((data, "id"), (data, "label"), (data, "timestamp"), (split, "column")):
        section[key] = section[key] and composed(section[key])
    for key in ("text", "numeric", "categorical"):
        data[key] = [*map(composed, data[key])]
    leaks["allow"] = [{composed(name): check} for name, check in allowances(leaks["allow"])]
    by_column = features["text_by_column"]
    if reason := bad_names([*by_column]):
        raise Refused(f"params.yaml: features.text_by_column names no columns: {reason}")
    features["text_by_column"] = {composed(name): value for name, value in by_column.items()}


def check_together(values: dict) -> None:
    """Refuse values that are each of the right kind but do not go together."""
    data, split, leaks = values["data"], values["split"], values["leaks"]
    features = feature_columns(data)
    used = [*features, data["id"], data["label"]]
    twice = [name for name in used if used.count(name) > 1]
    if twice:
        told = f"params.yaml: data uses {shown(min(twice))} twice"
        raise Refused(f"{told}; every column belongs to one list at most")
    if features == [data["timestamp"]] and not values["features"]["timestamp"]:
        raise Refused("params.yaml: features.timestamp is empty, and there is no other feature")
    if not features:
        raise Refused("params.yaml: data names no feature column; name one in text or numeric")
    for name, _ in allowances(leaks["allow"]):
        check_name(name, features, "params.yaml: leaks.allow")
    for name in values["features"]["text_by_column"]:
        check_name(name, data["text"], "params.yaml: features.text_by_column")
    if (split["by"] == "id") != (split["column"] is None):
        raise Refused("params.yaml: split.column must be null for `by: id` and a name otherwise")
    if split["by"] in ("id", "group") and not (is_number(split["test"]) and 0 < split["test"] < 1):
        raise Refused("params.yaml: split.test must be the share held out, such as 0.25")
    if split["same_text"] != "keep" and not data["text"]:
        told = f"split.same_text is {split['same_text']} but data.text names no column"
        raise Refused(f"params.yaml: {told}; set it to keep")
    # Equal texts of two groups or moments would have to be on both sides.
    if split["same_text"] == "together" and split["by"] != "id":
        told = f"split.same_text: together does not go with split.by: {split['by']}"
        raise Refused(f"params.yaml: {told}, only with id; set it to keep or drop")
    # `exact run` reads exact.cpu without a YAML parser; the two readings must never part.
    if os.environ.get("EXACT_CPU", values["exact"]["cpu"]) != values["exact"]["cpu"]:
        raise Refused("params.yaml: exact.cpu must stand on a line of its own below `exact:`")


def check_options(values: dict) -> None:
    """Refuse an option that scikit-learn's classes do not have."""
    features, train = values["features"], values["train"]
    text = {"features.text": features["text"]}
    for column, chosen in features["text_by_column"].items():
        check_value(chosen, MAPPING, f"features.text_by_column.{column}")
        text[f"features.text_by_column.{column}"] = chosen
    for where, chosen, source in [
        *((where, chosen, TEXT) for where, chosen in text.items()),
        ("features.categorical", features["categorical"], CATEGORICAL),
        *((f"train.{name}", train[name], source) for name, source in ESTIMATORS.items()),
    ]:
        known = argument_names(*source) - NOT_OPTIONS if chosen else ()
        for key in chosen:
            check_name(key, known, f"params.yaml: {where}")
            if key in OPTIONS.get(source, {}):
                check_value(chosen[key], OPTIONS[source][key], f"{where}.{key}")
        if chosen.get("random_state", 0) is None:
            raise Refused(f"params.yaml: {where}.random_state is null; give it a number")


def feature_columns(data: dict) -> list[str]:
    """All columns that the model sees, in a fixed order."""
    moment = [data["timestamp"]] if data["timestamp"] else []
    return [*data["text"], *data["numeric"], *data["categorical"], *moment]


def check_unchanged() -> None:
    """Refuse to go on if an input of the running stage changed since the stage began.

    DVC records the inputs that it finds at the end, so an edited one would be recorded as what the
    output was made from. A stage calls this before it writes, and once more when it has written.
    """
    # The clock of a file system lags by some milliseconds.
    started = int(os.environ.get("EXACT_STARTED", time.time_ns())) - 10_000_000
    for path in (Path("params.yaml"), *map(Path, dependencies())):
        if path.exists() and path.stat().st_ctime_ns > started:
            raise Refused(f"{path} changed while this ran; run `make` again")


def dependencies() -> list[str]:
    """The paths that dvc.yaml says the running stage depends on; none for another program."""
    spec = sys.modules["__main__"].__spec__
    if not spec:
        return []
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
    for stage in yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"].values():
        if spec.name in str(stage["cmd"]).split():
            reference = re.compile(r"\$\{(\w+)\.(\w+)\}")
            return [reference.sub(lambda at: values[at[1]][at[2]], path) for path in stage["deps"]]
    return []
