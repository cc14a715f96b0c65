"""Which model is this, and does its commit reproduce it? The `exact` command, as a package.

It knows git, DVC and files. Of a project's code it imports nothing: only `exact run` and the stages
of a rebuild run that, in processes of their own.

The three functions here are its interface for other programs; they print nothing and change
nothing but what lies in .dvc/tmp and DVC's cache. All raise `errors.Refused`, whose text is one
sentence, where the folder is not in a project, git does not know the commit, or DVC cannot open it.

>>> import exact_model
>>> report = exact_model.verify("path/of/the/project", "v1.0.0")
>>> report.verdict
'identical'
>>> exact_model.which("path/of/the/project", "model.joblib")["releases"]
['altruism@v1.0.0']
"""

import os

# As type checkers know it; typing itself would cost `exact run` some milliseconds.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from exact_model.reports import Report

__version__ = "0.1.0"
__all__ = ["compare", "verify", "which"]


def verify(root: str | os.PathLike, revision: str = "HEAD", quick: bool = False) -> "Report":
    """Rebuild a commit of the project at `root`, and compare every output with its dvc.lock.

    `revision` is a commit, tag, branch or version. With `quick` nothing is rebuilt: what is stored
    is read back from the cache and the remote, and hashed.

    Of the Report, `verdict` is the worst of all: "identical", "same model" (other bytes, same
    fitted arrays and predictions), "could not run" or "differs". `lines` has a Line for each
    output, with its stage, path, verdict and md5s (32 hexadecimal digits; None where there is no
    file) and the seconds of its stage. `problem` says why it could not run; `notes` is a list of
    sentences; `seconds` is the time of all. A rebuild that fails is a verdict, not an exception.
    """
    import functools

    from exact_model import git, verifying
    from exact_model import quick as stored
    from exact_model.objects import Store

    place = _project(root)
    commit = git.resolved(place, revision)
    releases = git.releases_with_texts(place).values()
    task = functools.partial(stored.check if quick else verifying.verify, Store(place))
    return verifying.judged(task, releases, [revision], place, revision, commit, len)


def compare(root: str | os.PathLike, a: str = "HEAD^", b: str = "HEAD") -> dict:
    """What changed from `a` to `b`: each a commit, tag, version, model file or image.

    The dict is that of `exact compare --json`. "a" and "b" say which commits they are; "data",
    "code", "parameters", "environment", "outputs", "metrics" and "flips" have what changed, most
    as name to [before, after], where "(none)" stands for what one has not. A section that cannot
    be told is {"problem": sentence}. Times are ISO 8601, hashes md5s.
    """
    from exact_model.commands.compare import compared

    return compared(_project(root), a, b)


def which(root: str | os.PathLike, what: str | os.PathLike, fetch: bool = False) -> dict:
    """Which commits a file, an md5 (or its first digits, at least 4) or an image comes from.

    `what` is a path from the current folder. The dict is that of `exact which --json`: "made" has
    a dict for each commit where the hash first appears (who, when, parameters, metrics, data),
    "releases" the names of release tags, "commits" all hashes of commits. Where no commit names
    it, "made" is empty and "same_model" lists models with the same fitted arrays; with `fetch`
    models that only the DVC remote has are compared, too.
    """
    from exact_model.commands.which import known

    return known(_project(root), os.fspath(what), fetch, None)[0]


def _project(root: str | os.PathLike):
    """The folder of the project that `root` lies in."""
    from pathlib import Path

    from exact_model.packages import project_root

    return project_root(Path(root).resolve())
