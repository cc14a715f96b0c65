"""The exceptions that end a command with one sentence, and the exit status of each.

`exact_model.cli.main` maps them; no command prints an error and chooses a status by itself.
"""

OK, NO, COULD_NOT = 0, 1, 2
# EX_CONFIG of sysexits.h, which `exact run` of every project uses, too.
WRONG_ENVIRONMENT = 78
STOPPED = 130
# The status of a word that was refused, where it is not NO.
REFUSED = {
    "verify": COULD_NOT,
    "vary": COULD_NOT,
    "which": COULD_NOT,
    "compare": COULD_NOT,
    "update": COULD_NOT,
    "venv": WRONG_ENVIRONMENT,
}
# All of them, as `exact --help` and docs/commands.md have them.
STATUSES = {
    "0": "done, and the answer is yes: identical, found, whole",
    "1": "the answer is no: something differs, is not found or is missing on the remote, or an "
    "update left a conflict; "
    "data, image, merge, pre-push, pull, push, release, run, setup: refused, or it failed",
    "2": "compare, update, vary, verify, which: refused, or it could not run; "
    "any command: its arguments are wrong",
    "78": "run, venv: the environment is not what the locks name",
    "126, 127": "run: the command cannot be run, or is not on PATH",
    "130": "stopped by Ctrl-C or a signal",
}


class Refused(Exception):
    """The command must not run; the message is one sentence that says what to do about it.

    What is added by `add_note` is a further sentence.
    """


class WrongEnvironment(Refused):
    """The environment is another project's, or not what the locks say."""


class Misused(Refused):
    """The arguments do not go together; the usage is printed with the message."""
