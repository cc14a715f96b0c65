"""What a command is doing, on standard error, for whoever waits for it."""

import shutil
import sys
import threading
import time
from collections.abc import Callable

from exact_model.text import printable

CLEAR = "\r\033[K"


class Progress:
    """What is being done: on a terminal one line that is redrawn, in a log a line for each step.

    Used as a context, which takes the line away at its end, however that comes. With a `total`,
    what is done is counted, several may be at work at once, and a log has a line for each that is
    `done`. Nothing is ever written to standard output but by `say`.
    """

    def __init__(self, total: int | None = None):
        self.total, self.finished = total, 0
        self.terminal = sys.stderr is not None and sys.stderr.isatty()
        self.lock, self.doing, self.start = threading.RLock(), {}, time.monotonic()
        self.ended = self.drawn = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        with self.lock:
            self.ended = True
            self.clear()

    def step(self, text: str) -> None:
        """A step begins."""
        with self.lock:
            if not self.terminal:
                self.write(printable(text) + "\n")
        self.detail(text)

    def detail(self, text: str) -> None:
        """What a terminal shows of the step, and a log would be filled by."""
        with self.lock:
            self.doing = {"": text}
            self.draw()

    def of(self, name: str) -> Callable[[str], None]:
        """The function that takes what is being done for `name`, one of several."""

        def on_progress(text: str) -> None:
            with self.lock:
                self.doing[name] = text
                self.draw()

        return on_progress

    def done(self, name: str, text: str, shown: bool = False) -> None:
        """One of several is done: `text` goes to the log or, if it is `shown`, standard output."""
        with self.lock:
            self.finished += 1
            self.doing.pop(name, None)
            if shown:
                self.say(text)
            elif not self.terminal:
                self.write(f"{self.finished}/{self.total} {text}\n")
            if self.finished < self.total:
                self.draw()
            else:
                self.clear()

    def say(self, text: str) -> None:
        """Print a line of the result to standard output, out of the way of the progress."""
        with self.lock:
            self.clear()
            print(text, flush=True)

    def draw(self) -> None:
        """Write the line anew."""
        if self.terminal and not self.ended:
            now = "; ".join(
                f"{name}: {text}" if name else text for name, text in self.doing.items()
            )
            at = "" if self.total is None else f"{self.finished}/{self.total} done, "
            at += f"{time.monotonic() - self.start:.0f} s; "
            width = shutil.get_terminal_size().columns - 1
            self.write(CLEAR + printable(at + now)[:width])
            self.drawn = True

    def clear(self) -> None:
        """Take the line away, if there is one."""
        if self.drawn:
            self.write(CLEAR)
            self.drawn = False

    def write(self, text: str) -> None:
        if sys.stderr is not None:
            print(text, end="", file=sys.stderr, flush=True)
