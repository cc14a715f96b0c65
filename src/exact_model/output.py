"""Standard output and standard error of the command, which may be closed, full or read no more."""

import io
import os
import sys

from exact_model.errors import Refused


class Output(io.FileIO):
    """A file that takes all, and writes nothing, once it cannot be written any more.

    That its reader has gone is not an error: what is to be done is done, and the exit status is
    that of the work. Where the disk is full, standard output raises Refused, once.
    """

    def write(self, content) -> int:
        try:
            return super().write(content)
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            # Of the programs that are called, too.
            os.dup2(null, self.fileno())
            os.close(null)
            if self.fileno() == 1 and not isinstance(error, BrokenPipeError):
                told = f"cannot write to standard output: {error.strerror}"
                raise Refused(f"{told}; make room and run this again") from error
            return len(content)


def take_over() -> None:
    """Let this process print by way of Output, unless a test has put something in its place."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Else the next file that is opened would get what is printed.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif stream is getattr(sys, f"__{name}__"):
            stream.flush()
            setattr(
                sys,
                name,
                io.TextIOWrapper(
                    io.BufferedWriter(Output(stream.fileno(), "w", closefd=False)),
                    encoding=stream.encoding,
                    errors=stream.errors,
                    line_buffering=stream.line_buffering,
                ),
            )
