"""`exact which`: from a file or a hash to the commits, people and versions that it comes from.

Most histories here are made of records alone, since nothing is built from them.
"""

import datetime
import hashlib
import json
import re
import shutil
import subprocess

import pytest
import yaml
from projects import OBSCURE, Project

pytestmark = pytest.mark.slow
MODEL = "models/model.joblib"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Records(Project):
    """A git repository in which each commit records what a text says its model is."""

    def __init__(self, built, root, folder="."):
        super().__init__(root)
        self.built, self.home = built, root / folder
        self.home.mkdir(parents=True)
        self.run("git", "init", "--quiet", "--initial-branch", "main", cwd=root)
        for name in ("dvc.yaml", "requirements.lock", ".python-version"):
            (self.home / name).write_bytes((built.root / name).read_bytes())
        (self.home / ".dvc").mkdir()
        (self.home / ".dvc/config").write_text("")

    def run(self, *command, **more):
        path = f"{self.built.root}/.venv/bin:/usr/local/bin:/usr/bin:/bin"
        return super().run(*command, **{"cwd": self.root, **more, "PATH": path})

    def model(self, text: str, message: str | None = None, data: str = "rows", **params) -> str:
        """Commit a record of a model that is `text`, trained from `data`; returns the commit."""
        raw = {"path": "data/raw/rows.csv", "hash": "md5", "md5": md5(data)}
        lock = {"path": "requirements.lock", "hash": "md5", "md5": md5("lock")}
        train = {
            "cmd": "exact run python -m altruism.train",
            "deps": [raw, lock],
            "params": {"params.yaml": {"train": params}},
            "outs": [{"path": MODEL, "hash": "md5", "md5": md5(text)}],
        }
        content = {"schema": "2.0", "stages": {"train": train}}
        (self.home / "dvc.lock").write_text(yaml.safe_dump(content, sort_keys=False))
        (self.home / "data/raw").mkdir(parents=True, exist_ok=True)
        tracked = {"outs": [{"md5": md5(data), "hash": "md5", "path": "rows.csv"}]}
        (self.home / "data/raw/rows.csv.dvc").write_text(yaml.safe_dump(tracked))
        return self.commit(message or text)

    def git(self, *words, **environ):
        return self.run("git", *words, **environ).stdout.strip()

    def which(self, what, status=0, *words, **more):
        done = self.run("exact", "which", what, *words, check=False, cwd=self.home, **more)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def known(self, text: str) -> dict:
        """What is known of the model that is `text`."""
        return json.loads(self.which(md5(text), 0, "--json").stdout)


@pytest.fixture
def records(built, tmp_path):
    return Records(built, tmp_path / OBSCURE)


def made(known: dict) -> list[str]:
    return [one["subject"] for one in known["made"]]


# -- where it is


def test_the_commit_that_made_it_and_all_that_have_it(records):
    records.model("old")
    first = records.model("new", "Make it", C=0.5)
    records.write("other", "x")
    second = records.commit("Something else")
    known = records.known("new")
    assert known["commits"] == [first, second] and made(known) == ["Make it"]
    (one,) = known["made"]
    assert one["as"] == [{"record": "dvc.lock", "role": "output", "stage": "train", "path": MODEL}]
    assert one["parameters"] == {"train": {"C": 0.5}}
    assert one["data"] == {"data/raw/rows.csv": md5("rows")}
    assert one["environment"] == {"requirements.lock": md5("lock")}
    assert (one["author"], one["email"]) == ("Test", "test@example.org")
    assert one["python"] == "3.11"
    assert known["branches"] == ["main"] and known["tags"] == known["releases"] == []


def test_two_branches_a_rebase_a_squash_merge_and_a_tag(records):
    records.model("base")
    records.git("switch", "--quiet", "-c", "rebased")
    records.model("on a branch")
    records.git("switch", "--quiet", "-c", "squashed", "main")
    records.model("step")
    records.model("squashed")
    records.git("switch", "--quiet", "main")
    records.write("other", "x")
    records.commit("Main goes on")
    old = records.known("on a branch")["commits"]
    records.git("rebase", "--quiet", "main", "rebased")
    new = records.known("on a branch")["commits"]
    assert len(new) == 2 and set(old) < set(new)  # The one before the rebase is in the reflog.
    records.git("switch", "--quiet", "main")
    records.git("merge", "--quiet", "--squash", "squashed")
    squash = records.commit("Squash")
    records.git("tag", "--annotate", "--message", "x", "altruism@v1.0.0")
    known = records.known("squashed")
    assert made(known) == ["squashed", "Squash"] and squash in known["commits"]
    assert set(known["branches"]) == {"main", "squashed"}
    assert known["releases"] == ["altruism@v1.0.0"]
    assert "squashed" not in known["releases"] and records.known("step")["releases"] == []


def test_a_branch_that_was_deleted_but_its_tag_kept(records):
    records.model("base")
    records.git("switch", "--quiet", "-c", "idea")
    records.model("idea")
    records.git("tag", "kept")
    records.git("switch", "--quiet", "main")
    records.git("branch", "-D", "idea")
    records.git("reflog", "expire", "--expire=now", "--all")
    known = records.known("idea")
    assert known["tags"] == ["kept"] and known["branches"] == [] and made(known) == ["idea"]
    records.git("tag", "--delete", "kept")
    assert "no commit here names" in records.which(md5("idea"), 1).stdout


def test_a_commit_that_a_branch_goes_on_from_is_kept(records):
    records.model("old")
    records.model("new")
    records.git("branch", "older", "HEAD^")
    told = records.which(md5("old")).stdout
    assert "branches main, older" in told and "kept by" not in told


def test_a_later_tag_keeps_an_older_model(records):
    records.git("switch", "--quiet", "-c", "side")
    records.model("base")
    records.model("old")
    records.model("new")
    records.git("tag", "altruism@v2.0.0")
    records.git("checkout", "--quiet", "--detach")
    records.git("branch", "-D", "side")
    assert "kept by" not in records.which(md5("old")).stdout


def test_of_another_project_in_the_same_repository(built, tmp_path):
    one = Records(built, tmp_path / "top", "one")
    one.model("of one")
    other = Records(built, tmp_path / "unused", "two")
    other.root, other.home = one.root, one.root / "two"
    shutil.copytree(one.home, other.home)
    other.model("of two")
    told = one.which(md5("of two")).stdout
    assert "project      that in two/ of this repository; go there first" in told
    assert "project  " not in other.which(md5("of two")).stdout
    file = tmp_path / "two.joblib"
    file.write_text("of two")
    done = one.run("exact", "compare", file, "HEAD", cwd=one.home, check=False)
    assert (
        done.returncode == 2
        and "is of another project, whose record is two/dvc.lock" in done.stderr
    )


def test_of_a_project_in_a_folder_of_this_one(built, tmp_path):
    top = Records(built, tmp_path / "top")
    top.model("of the top")
    inner = Records(built, tmp_path / "unused")
    inner.root, inner.home = top.root, top.root / "inner"
    shutil.copytree(top.home, inner.home, ignore=shutil.ignore_patterns(".git"))
    inner.model("of the inner")
    file = tmp_path / "inner.joblib"
    file.write_text("of the inner")
    done = top.run("exact", "compare", file, "HEAD", cwd=top.home, check=False)
    assert done.returncode == 2 and "whose record is inner/dvc.lock" in done.stderr
    assert top.run("exact", "compare", file, "HEAD", cwd=inner.home).returncode == 0


def test_a_model_made_many_times_is_told_in_a_few_lines(records):
    for number in range(12):
        records.model("again", f"Made {number}")
        records.model(f"between {number}")
    told = records.which(md5("again")).stdout
    assert told.count("Made ") == 8 and "4 more commits (--json lists them)" in told
    assert len(records.known("again")["made"]) == 12


def test_what_only_the_reflog_holds_says_how_to_keep_it(records):
    records.model("base")
    lost = records.model("lost")
    records.git("reset", "--quiet", "--hard", "HEAD^")
    assert f"git branch kept {lost[:12]}" in records.which(md5("lost")).stdout


HOLDERS = {
    "refs/stash": "git stash",
    "refs/notes/dvc": "git notes",
    "refs/original/refs/heads/main": "the backup of git filter-branch",
    "refs/bisect/bad": "git bisect",
    f"refs/exps/ab/{'c' * 38}/tonic-bomb": "DVC's experiment tonic-bomb",
    "refs/exps/stash": "DVC's queue of experiments",
    "refs/pull/7/head": "refs/pull/7/head",
    None: "the reflog",
}


@pytest.mark.parametrize("ref", HOLDERS)
def test_what_no_branch_has_is_not_called_committed(ref, records):
    records.model("base")
    held = records.model("held", "WIP on main")
    records.git("reset", "--quiet", "--hard", "HEAD^")
    if ref:
        records.git("update-ref", ref, held)
        records.git("reflog", "expire", "--expire=now", "--all")
    told = records.which(md5("held")).stdout
    assert f"recorded     in {HOLDERS[ref]} only: {held[:12]} on " in told
    assert f"named by     {HOLDERS[ref]} only\n" in told and "committed " not in told
    assert f"kept by      {HOLDERS[ref]} only; `git branch kept {held[:12]}`" in told
    known = records.known("held")
    assert known["holders"] == {held: HOLDERS[ref]} and known["kept"] is False
    # A branch that has it too comes first.
    records.git("branch", "later", held)
    told = records.which(md5("held")).stdout
    assert "committed    " in told and "in branches later" in told and "kept by" not in told


def test_each_entry_of_the_stash(records):
    records.model("base")
    for name in ("first", "second"):
        lock = records.read("dvc.lock")
        records.write("dvc.lock", lock.replace(md5("base"), md5(name)))
        records.git("add", "--all")
        records.git("stash")
    for name in ("first", "second"):
        told = records.which(md5(name)).stdout
        assert "in git stash only: " in told and "named by     git stash only" in told
    # The same model, committed afterwards, is what comes first.
    later = records.model("first", "Made again")
    told = records.which(md5("first")).stdout
    assert f"committed    {later[:12]} on " in told and "named by     1 commit; in" in told
    assert re.search(r"also         in git stash only: .*\n", told) and "also git stash" in told


def test_what_only_the_checked_out_commit_has(records):
    records.model("base")
    records.git("checkout", "--quiet", "--detach")
    records.model("detached")
    records.git("reflog", "expire", "--expire=now", "--all")
    assert "in the checked-out commit only: " in records.which(md5("detached")).stdout


def test_parameters_are_those_that_were_chosen(records):
    records.model(
        "model",
        estimator="sgd",
        sgd={"alpha": 0.001},
        forest={"trees": 200},
        none={},
        seed=7,
    )
    told = records.which(md5("model")).stdout
    wanted = 'train: estimator sgd, sgd {"alpha": 0.001}, seed 7, 2 others not chosen'
    assert f"parameters   {wanted}" in told and "trees" not in told
    # Without a choice there is nothing to leave out.
    records.model("plain", texts={"min_df": 5}, numbers={"scale": True})
    assert 'texts {"min_df": 5}, numbers {"scale": true}\n' in records.which(md5("plain")).stdout
    assert records.known("model")["made"][0]["parameters"]["train"]["forest"] == {"trees": 200}


def processes(records, file, *words, **more) -> tuple[int, str]:
    """How many processes of git a command starts, and what it prints."""
    file.unlink(missing_ok=True)
    # Git's own variables for that do not reach it, since `exact` drops them.
    shim = file.with_name("shim") / "git"
    shim.parent.mkdir(exist_ok=True)
    git = shutil.which("git")
    shim.write_text(f'#!/bin/sh\necho >> "{file}"\nexec {git} "$@"\n')
    shim.chmod(0o755)
    command = 'PATH="$0:$PATH"; exec "$@"'
    done = records.run("sh", "-c", command, shim.parent, *words, cwd=records.home, **more)
    return len(file.read_text().splitlines()), done.stdout


@pytest.mark.long
def test_ten_thousand_tags(records, tmp_path):
    """Neither are there more processes than with sixty, nor is there more to read."""
    commits = [records.model(name) for name in ("old", "new")]
    answers = []
    for first, last in ((0, 60), (60, 10_000)):
        tags = (
            f"create refs/tags/altruism@v1.{number}.0 {commits[number % 2]}"
            for number in range(first, last)
        )
        file = tmp_path / "tags"
        file.write_text("\n".join(tags) + "\n")
        records.run("sh", "-c", f"git update-ref --stdin < '{file}'")
        which = processes(records, tmp_path / "trace", "exact", "which", md5("new"))
        logged = processes(records, tmp_path / "trace", "exact", "compare", "--log")
        answers.append((which, logged))
    for (few, told), (many, more) in zip(*answers, strict=True):
        assert many <= few and len(more.splitlines()) == len(told.splitlines())
        assert len(more) < 1.1 * len(told) < 10_000
    (_, which), (_, logged) = answers[-1]
    assert "altruism@v1.15.0 and 4,992 more\n" in which
    assert "and 9,950 older releases (--json lists all)\n" in logged
    known = records.known("new")
    assert len(known["releases"]) == 5000


def test_many_records_of_a_commit_are_cut_with_a_word(records):
    records.model("model")
    for number in range(12):
        records.git("branch", f"later-{number:02}")
    told = records.which(md5("model")).stdout
    assert "later-07 and 5 more\n" in told


def test_a_fetched_branch(records, built, tmp_path):
    records.model("base")
    records.git("clone", "--quiet", ".", tmp_path / "clone")
    theirs = Records(built, tmp_path / "unused")
    theirs.root = theirs.home = tmp_path / "clone"
    records.model("pushed since")
    assert "git fetch --all --tags" in theirs.which(md5("pushed since"), 1).stdout
    theirs.git("fetch", "--quiet")
    assert theirs.known("pushed since")["branches"] == ["origin/main"]


def test_a_merge_that_takes_one_side_is_not_where_it_was_made(records):
    records.model("base")
    records.git("switch", "--quiet", "-c", "side")
    records.model("side")
    records.git("switch", "--quiet", "main")
    records.write("other", "x")
    records.commit("Main goes on")
    records.git("merge", "--quiet", "--no-edit", "side")
    assert made(records.known("side")) == ["side"]


def test_the_same_model_made_twice(records):
    records.model("same", "First time")
    records.model("other")
    records.model("same", "Second time")
    known = records.known("same")
    assert made(known) == ["First time", "Second time"] and len(known["commits"]) == 2
    assert "Second time" in records.which(md5("same")).stdout


def test_in_a_folder_of_a_repository_and_after_it_moved(built, tmp_path):
    records = Records(built, tmp_path / "top", "team/ä b")
    records.model("before")
    records.git("mv", "team/ä b", "moved")
    records.home = records.root / "moved"
    records.commit("Move")
    records.model("after")
    before, after = records.known("before"), records.known("after")
    assert before["made"][0]["folder"] == "team/ä b/" and after["made"][0]["folder"] == "moved/"
    assert before["made"][0]["data"] == after["made"][0]["data"] != {}
    assert len(before["commits"]) == 2


def test_in_a_worktree_and_a_shallow_clone(records, built, tmp_path):
    records.model("old")
    records.model("new")
    tree = Records(built, tmp_path / "unused")
    records.git("worktree", "add", "--quiet", tmp_path / "tree", "HEAD^")
    tree.root = tree.home = tmp_path / "tree"
    assert made(tree.known("new")) == ["new"]
    records.git("clone", "--quiet", "--depth", "1", f"file://{records.root}", tmp_path / "shallow")
    tree.root = tree.home = tmp_path / "shallow"
    assert made(tree.known("new")) == ["new"]
    assert "git fetch --unshallow --tags" in tree.which(md5("old"), 1).stdout


# -- what may be asked


@pytest.mark.long
def test_a_file_anywhere_and_standard_input(records, tmp_path):
    records.model("the bytes")
    file = tmp_path / "-- an 'odd' näme.bin"
    file.write_text("the bytes")
    assert records.which(file).stdout == records.which(md5("the bytes")).stdout
    done = subprocess.run(
        [records.built.root / ".venv/bin/exact", "which", "-"],
        cwd=records.root, input=b"the bytes", capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.decode() == records.which(file).stdout


@pytest.mark.parametrize("count", [4, 12, 32])
def test_the_first_characters_of_a_hash(count, records):
    records.model("model")
    assert records.which(md5("model")[:count].upper()).stdout == records.which(md5("model")).stdout


def test_a_data_set_is_one_of_its_dvc_file(records):
    records.model("model", data="these rows")
    (one,) = json.loads(records.which(md5("these rows"), 0, "--json").stdout)["made"]
    record, path = "data/raw/rows.csv.dvc", "data/raw/rows.csv"
    assert one["as"][0] == {"record": record, "role": "data", "path": path}
    assert one["as"][1] == {"record": "dvc.lock", "role": "input", "stage": "train", "path": path}
    assert (
        one["folder"] == "" and one["python"] == "3.11" and one["data"] == {path: md5("these rows")}
    )
    told = records.which(md5("these rows")).stdout
    assert f"{path}, data set of {record}" in told and "Python 3.11" in told


REFUSED = {
    "": "there is no file , and it is no md5",
    "no\033]0;x\007": "there is no file no\\x1b]0;x\\x07",
    "xyz": "there is no file xyz, and it is no md5",
    "abc": "there is no file abc, and it is no md5",
    "f" * 33: "and it is no md5",
    ".": ". is a folder",
    "models/none.joblib": "there is no file models/none.joblib",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_asked(what, records):
    records.model("model")
    assert REFUSED[what] in records.which(what, 2).stderr


def test_a_beginning_that_several_hashes_share(records):
    texts = {}
    for number in range(2000):
        hashed = md5(f"model {number}")
        if hashed[:4] in texts:
            break
        texts[hashed[:4]] = f"model {number}"
    records.model(texts[hashed[:4]])
    records.model(f"model {number}")
    done = records.which(hashed[:4], 2)
    assert hashed in done.stderr and md5(texts[hashed[:4]]) in done.stderr


def test_broken_records_are_no_obstacle(records):
    records.model("good")
    records.write("dvc.lock", "stages: [")
    records.write("data/raw/rows.csv.dvc", f"outs: 7\n# md5: {md5('odd')}\n")
    records.commit("Broken")
    assert made(records.known("good")) == ["good"]
    assert records.which(md5("odd")).stdout  # It is named there, though not as anything.


ODD = {
    "dvc.lock": [
        "stages: {1: 2, train: [3]}",
        "[" * 5000,
        "stages: {a: {outs: [{path: x, md5: }]}}",
    ],
    "dvc.yaml": ["[1]", "stages: [1]", "stages: {train: {metrics: 5, outs: [{}]}}", "[" * 5000],
    "params.yaml": ["when: 2013-07-01", "[", "7"],
}


@pytest.mark.long
@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in ODD.items() for t in texts])
def test_odd_files_are_no_obstacle(name, text, records):
    records.model("good", when=datetime.date(2013, 7, 1))
    records.write(name, text)
    records.write("data/raw/odd\nname.dvc", "outs: [{md5: 1, path: odd}]")
    records.commit("Odd")
    assert made(records.known("good")) == ["good"]
    records.which(md5("good"))
    for words in (["HEAD^", "HEAD"], ["HEAD", "HEAD^", "--json"], ["--log"]):
        done = records.run("exact", "compare", *words, cwd=records.home)
        assert "Traceback" not in done.stderr


SETTINGS = [
    "log.showRoot=false",
    "column.ui=always",
    "log.showSignature=true",
    "color.ui=always",
    "core.quotePath=true",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_user_change_nothing(setting, records):
    records.model("one")
    records.git("tag", "--annotate", "--message", "x", "altruism@v1.0.0")
    records.model("two")
    records.git("tag", "--annotate", "--message", "x", "altruism@v1.1.0")
    wanted = records.which(md5("one")).stdout
    logged = records.run("exact", "compare", "--log", cwd=records.home).stdout
    records.git("config", *setting.split("="))
    assert records.which(md5("one")).stdout == wanted and logged.count("altruism@v") >= 2
    assert records.run("exact", "compare", "--log", cwd=records.home).stdout == logged


def test_a_terminal_gets_text_alone(records):
    records.model("model", "Subject \033]0;evil\007")
    assert "\033" not in records.which(md5("model")).stdout


def test_a_copied_git_directory_runs_nothing(records, tmp_path):
    """Git's settings of the repository must not run what they name."""
    records.model("model")
    records.git("config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    records.which(md5("model"))
    assert not (tmp_path / "ran").exists()


# -- with real models


@pytest.fixture(scope="module")
def saved(built, tmp_path_factory):
    """The model as somebody saved it anew, and one that is another."""
    folder = tmp_path_factory.mktemp("saved")
    code = f"""
import joblib
model = joblib.load({MODEL!r})
joblib.dump(model, r"{folder}/again.joblib", compress=3)
model[-1].intercept_ += 1e-9
joblib.dump(model, r"{folder}/other.joblib")
"""
    built.run("exact", "run", "python", "-c", code)
    return folder


def test_the_bundled_model_and_how_to_get_it_back(built, tmp_path):
    told = built.run("exact", "which", MODEL).stdout
    assert "models/model.joblib, output of stage train" in told and "roc_auc 0.724782" in told
    # The commands that it tells are run as they stand.
    (get,) = re.findall(r"dvc get .*?--out recovered", told)
    copied = built.copy(tmp_path / "altruism")
    copied.run("sh", "-c", get)
    assert (copied.root / "recovered").read_bytes() == (built.root / MODEL).read_bytes()
    (checkout,) = re.findall(r"git checkout \w+ && make pull", told)
    copied.run("make", "push")
    (copied.root / MODEL).unlink()
    copied.run("sh", "-c", checkout)
    assert (copied.root / MODEL).read_bytes() == (built.root / MODEL).read_bytes()


def test_a_model_that_was_saved_anew_is_found_by_its_arrays(built, saved):
    done = built.run("exact", "which", saved / "again.joblib", check=False)
    assert done.returncode == 1 and "no commit here names this file" in done.stdout
    assert "its fitted arrays equal this model's" in done.stdout
    assert MODEL in done.stdout
    head = built.run("git", "rev-parse", "--short=12", "HEAD").stdout.strip()
    assert f"committed    {head}" in done.stdout
    done = built.run("exact", "which", saved / "again.joblib", "--json", check=False)
    (same,) = json.loads(done.stdout)["same_model"]
    assert same["made"][0]["as"][0]["path"] == MODEL


@pytest.mark.long
def test_a_model_that_was_tracked_by_hand_is_compared_too(built, saved, tmp_path):
    project = built.copy(tmp_path / "altruism")
    shutil.copy(saved / "other.joblib", project.root / "old model.pkl")
    project.run("dvc", "add", "--quiet", "old model.pkl")
    project.commit("A pickle from a bucket")
    code = "import joblib, sys; joblib.dump(joblib.load(sys.argv[1]), sys.argv[2], compress=1)"
    project.run("exact", "run", "python", "-c", code, saved / "other.joblib", tmp_path / "x")
    done = project.run("exact", "which", tmp_path / "x", check=False)
    assert "old model.pkl, data set of old model.pkl.dvc" in done.stdout
    # What only the remote has is asked for by an option.
    project.run("make", "push")
    shutil.rmtree(project.root / ".dvc/cache/files")
    done = project.run("exact", "which", tmp_path / "x", check=False)
    assert "0 of 4 recorded models were compared with it; --fetch looks" in done.stdout
    done = project.run("exact", "which", tmp_path / "x", "--fetch", check=False)
    assert "old model.pkl, data set of" in done.stdout
    assert not (project.root / ".dvc/cache/files").exists()


def test_a_model_with_other_arrays_is_not(built, saved):
    done = built.run("exact", "which", saved / "other.joblib", check=False)
    assert done.returncode == 1 and "were compared with it" in done.stdout
    assert MODEL not in done.stdout
    done = built.run("exact", "which", "README.md", check=False)
    assert done.returncode == 1 and "is not a model that can be read" in done.stdout
