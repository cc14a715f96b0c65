"""The exceptions that end a command with one sentence, and the exit status of each."""

# The exit status when the environment is not this commit's (EX_CONFIG of sysexits.h).
WRONG_ENVIRONMENT = 78


class Refused(Exception):
    """The command must not run; the message is one sentence that says what to do about it."""


class WrongEnvironment(Refused):
    """The environment is another project's, or not what the locks say."""
