"""Put the new project under git and say what comes next; the files are complete without it.

Where the template is a git repository, .cruft.json says which commit of it the project is of, in
the form of cruft (https://cruft.github.io), so that `exact update` can bring what changes later.
"""

import sys

# Hooks run from the shared folder of temporary files, where anybody may have put a json.py.
sys.path.pop(0)

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

# Jinja renders this file first, and tojson escapes every ', <, > and &, so that an answer is
# data here and cannot end the string that holds it.
ANSWERS = json.loads(r'''{{ cookiecutter | tojson }}''')  # fmt: skip

# Their order, which tojson does not keep.
NAMES = json.loads(r'''{{ cookiecutter | list | tojson }}''')  # fmt: skip

PERSON = {"user.name": ANSWERS["author"], "user.email": ANSWERS["email"]}
# Others, as those of a git that is running already, would send these commands elsewhere.
TEXT = Path("src/exact/kept_variables.txt").read_text(encoding="utf-8")
KEPT = re.compile("|".join(re.sub("#.*", "", TEXT).replace("%", ".*").split()))
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("GIT_") or KEPT.fullmatch(name)
}
# DVC reads no other format of repository, whatever a newer git's default is.
ENVIRONMENT.update(GIT_DEFAULT_HASH="sha1", GIT_DEFAULT_REF_FORMAT="files")


class GitError(Exception):
    """What git said when it failed."""


def git(*arguments, check=True):
    done = subprocess.run(
        ["git", *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise GitError(said)
    return done.stdout.strip()


def template_folder():
    """Where cookiecutter read the template, which it may know from where it was started only."""
    for start in (os.environ.get("PWD", "/"), ANSWERS["_output_dir"]):
        folder = os.path.join(start, ANSWERS["_repo_dir"])
        if os.path.isfile(os.path.join(folder, "cookiecutter.json")):
            return os.path.realpath(folder)
    raise OSError("the template is not found")


def without_secrets(url):
    """A URL without a password, a token or a query; SSH needs its user name."""
    if not re.match(r"\w[\w+.-]*://", url):
        return url
    if re.match(r"(git\+)?https?:", url):
        url = re.sub(r"[?#].*", "", url)
        return re.sub(r"://[^/]*@", "://", url)
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1@", url)


def origin():
    """The template's address, commit and checkout, and the folder in it, as cookiecutter got it."""
    folder = template_folder()
    # A folder that is in no commit, such as an unpacked archive, may lie inside a repository.
    git("-C", folder, "cat-file", "-e", "HEAD:./cookiecutter.json")
    top, inner = (git("-C", folder, "rev-parse", f"--show-{x}") for x in ("toplevel", "prefix"))
    url = top
    if not ANSWERS["_repo_dir"].startswith(ANSWERS["_template"]):
        url = git("-C", folder, "config", "remote.origin.url", check=False) or top
    return {
        "template": without_secrets(url),
        "commit": git("-C", folder, "rev-parse", "HEAD"),
        "checkout": ANSWERS["_checkout"],
        "directory": inner.strip("/") or None,
    }


def created_by_cruft():
    """What `cruft create` was asked for. It writes the same file, but after the first commit."""
    words = Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8").split("\0")
    if "create" not in words:
        raise OSError("cruft compares two new projects, and neither has a record")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--checkout", "-c")
    parser.add_argument("--directory")
    parser.add_argument("--skip", action="append")
    asked = vars(parser.parse_known_args(words)[0])
    return {
        "template": without_secrets(ANSWERS["_template"]),
        "commit": ANSWERS["_commit"],
        **{name: value for name, value in asked.items() if value or name != "skip"},
    }


def record():
    """Write .cruft.json, where the template is a commit of a git repository."""
    try:
        found = origin() if "_repo_dir" in ANSWERS else created_by_cruft()
    except (GitError, OSError):
        return
    own = ("_template", "_commit", "_output_dir", "_repo_dir", "_checkout")
    context = {name: ANSWERS[name] for name in NAMES if name not in own}
    context.update(_template=found["template"], _commit=found["commit"])
    order = ("template", "commit", "checkout", "context", "directory", "skip")
    found["context"] = {"cookiecutter": context}
    text = json.dumps(
        {name: found[name] for name in order if name in found}, ensure_ascii=False, indent=2
    )
    Path(".cruft.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def introduction():
    """Commands that tell git who commits here: the answers, unless it knows already."""
    roles = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    if shutil.which("git") and all(git("var", role, check=False) for role in roles):
        return []
    return [f"git config {key} {shlex.quote(value)}" for key, value in PERSON.items()]


def by_hand():
    """What makes the first commit where this hook did not."""
    return " && ".join(["git init", *introduction(), "git add -A", 'git commit -m "First commit"'])


def way_in():
    """The project's folder, as the shell that started this finds it."""
    name = ANSWERS["project_slug"]
    beside = os.path.realpath(os.path.join(os.environ.get("PWD", "/"), name))
    return name if beside == os.path.realpath(".") else shlex.quote(os.getcwd())


def identity():
    """Flags that lend the answers to one commit, where the user has told git no name."""
    missing = {key: value for key, value in PERSON.items() if not git("config", key, check=False)}
    return [flag for key, value in missing.items() for flag in ("-c", f"{key}={value}")]


def first_commit():
    git("-c", "init.defaultBranch=main", "init", "--quiet")
    # A git older than 2.28 has no other way to name the first branch.
    git("symbolic-ref", "HEAD", "refs/heads/main")
    # What the user ignores, signs or checks elsewhere must not keep a file or the commit out.
    git("-c", f"core.excludesFile={os.devnull}", "add", "--all")
    unhindered = ("-c", "commit.gpgSign=false", "-c", f"core.hooksPath={os.devnull}")
    git(
        *unhindered, *identity(), "commit", "--quiet", "--message", "Project made from the template"
    )


def reason_to_skip():
    if shutil.which("git") is None:
        return f"git is not installed: install it, then run in the project: {by_hand()}"
    if os.path.exists(".git"):
        return "the folder already is a git repository: commit the new files when they suit you."
    for folder in Path.cwd().parents:
        # One that ignores this folder will never hold it, so the project gets its own.
        if os.path.exists(folder / ".git") and not git("check-ignore", ".", check=False):
            return f"the project lies inside another git repository, {folder}: commit it there."
    return ""


def main():
    # A console that cannot show a character of a path gets its escape, not an error.
    sys.stdout.reconfigure(errors="backslashreplace")
    record()
    skipped = reason_to_skip()
    try:
        if not skipped:
            first_commit()
    except (GitError, OSError) as error:
        skipped = f"git failed with {error!s:.500}: fix that, then run in the project: {by_hand()}"
    if skipped:
        print(f"No first commit was made, because {skipped}\n")
    print(f"The project is in {Path.cwd()}. Next:\n")
    print(f"  cd {way_in()}")
    print("  make")
    for command in introduction():
        print(f"  {command}")
    # Not --all, which would take along what others changed in a repository of several projects.
    print('  git add . && git commit -m "First model" && make push')


main()
