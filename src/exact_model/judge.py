"""Whether what was rebuilt is what a commit's dvc.lock records."""

from exact_model.dvcfiles import outputs
from exact_model.rebuild import Made
from exact_model.reports import COULD_NOT_RUN, DIFFERS, IDENTICAL, Line


def compare(stages: dict[str, dict], made: Made) -> list[Line]:
    """A line for each recorded output, in the order in which the stages ran."""
    order = [name for name in made.stages if name in stages]
    order += [name for name in stages if name not in made.stages]
    lines = []
    for name in order:
        now = outputs(made.stages.get(name, {}))
        for path, md5 in outputs(stages[name]).items():
            new = now.get(path)
            verdict = IDENTICAL if new and new == md5 else DIFFERS if new else COULD_NOT_RUN
            lines.append(Line(name, path, verdict, md5, new, made.seconds.get(name)))
    return lines


def failure(stages: dict[str, dict], made: Made) -> str | None:
    """The first stage that did not come to its end, and the last thing it said."""
    if made.status == 0:
        return None
    lost = [name for name in stages if name not in made.stages]
    begun = [name for name in made.seconds if name in lost]
    said = [line for line in made.output if line.strip() and not line.startswith(("ERROR", ">"))]
    told = [line for line in made.output if line.startswith("ERROR")]
    last = ending(said if begun else told or said)
    stage = f"stage {(begun or lost)[0]}" if begun or lost else "`dvc repro`"
    return f"{stage} failed: {last[:400]}"


def ending(said: list[str]) -> str:
    """The last line that was said, or all of an exception's message."""
    count = 1
    if any(line.startswith("Traceback ") for line in said):
        while count < len(said) and not said[-count - 1].startswith((" ", "Traceback ")):
            count += 1
    return " ".join(said[-count:]) or "it said nothing"
