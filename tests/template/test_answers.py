"""Answers that must be refused, beside answers that must be accepted; each really generated."""

import configparser
import json
import shutil
import tempfile
import tomllib

import pytest
import yaml
from bake import CHOICES, bake, files, home
from cookiecutter.exceptions import CookiecutterException
from jinja2.exceptions import TemplateError

# CANARY is a file that a payload would make, and NEAR the folder that holds the output folder.
SLUGS = {
    "parent": "../evil",
    "far parent": "../../../evil",
    "inner parent": "a/../../evil",
    "subfolder": "sub/folder",
    "trailing slash": "altruism/",
    "absolute": "NEAR/evil",
    "dot": ".",
    "dots": "..",
    "home": "~/evil",
    "backslash": "..\\evil",
    "drive": "C:\\evil",
    "UNC": "\\\\server\\evil",
    "file URL": "file:///evil",
    "git folder": ".git",
    "hidden": ".hidden",
    "dot inside": "a.b",
    "empty": "",
    "blank": " ",
    "inner space": "a b",
    "leading space": " altruism",
    "trailing space": "altruism ",
    "tab": "a\tb",
    "newline": "altruism\nevil",
    "trailing newline": "altruism\n",
    "carriage return": "a\rb",
    "NUL": "a\0b",
    "escape": "a\x1b[31m",
    "dash": "-",
    "short option": "-rf",
    "long option": "--help",
    "trailing dash": "altruism-",
    "double dash": "a--b",
    "underscore": "_",
    "leading underscore": "_altruism",
    "trailing underscore": "altruism_",
    "double underscore": "a__b",
    "dunder": "__init__",
    "mixed joints": "a-_b",
    "leading digit": "1altruism",
    "upper case": "Altruism",
    "camel case": "myProject",
    "65 long": "a" * 65,
    "256 long": "a" * 256,
    "5000 long": "a" * 5000,
    "command": "$(touch CANARY)",
    "backticks": "`touch CANARY`",
    "semicolon": "a;touch CANARY",
    "and": "a&&touch CANARY",
    "pipe": "a|touch CANARY",
    "redirection": "a>CANARY",
    "star": "*",
    "question mark": "a?",
    "brackets": "[a]",
    "braces": "{a,b}",
    "single quote": "a'b",
    "double quote": 'a"b',
    "variable": "$HOME",
    "percent variable": "%PATH%",
    "history": "!x",
    "comment": "#x",
    "at": "@x",
    "colon": "a:b",
    "plus": "a+b",
    "equals": "a=b",
    "comma": "a,b",
    "Latin accent": "naïve",
    "Cyrillic": "модель",
    "Japanese": "モデル",
    "ligature": "ﬁle",
    "homoglyph": "аpple",
    "combining": "cafe\u0301",
    "zero width": "a\u200bb",
    "right to left": "a\u202eb",
    "Kelvin": "\u212a",
    "long s": "\u017f",
    "fullwidth": "ａ",
    "emoji": "pizza🍕",
    "byte order mark": "\ufeffaltruism",
    "no-break space": "a\u00a0b",
    "Arabic digit": "a\u0663",
    "lone surrogate": "a\ud800",
    "Windows con": "con",
    "Windows CON": "CON",
    "Windows nul": "nul",
    "Windows aux": "aux",
    "Windows prn": "prn",
    "Windows com1": "com1",
    "Windows lpt9": "lpt9",
    "Windows suffix": "con.txt",
    "trailing dot": "name.",
    "Python string": "x\"; open('CANARY', 'w'); \"",
    "Python sum": "\"+str(open('CANARY','w'))+\"",
    "triple double quotes": '"""+open("CANARY","w").name+"""',
    "triple single quotes": "'''+open('CANARY','w').name+'''",
    "Python statement": "x'''); open('CANARY', 'w'); ('''",
    "trailing backslash": "x\\",
    "Jinja expression": "{% raw %}{{ 7 * 7 }}{% endraw %}",
    "Jinja rendered": "{{ 7 * 7 }}",
    "Jinja statement": "{% raw %}{% raw %}{% endraw %}",
}
RESERVED = """
class import None match case type print list json random test tests email string site types
code io this tomllib distutils imp telnetlib compression annotationlib sklearn numpy pandas scipy
joblib dvc gto pytest matplotlib yaml ruamel docker s3fs exact src data models reports notebooks
conftest setup con nul aux prn com1 lpt9 _ _x __init__ 1abc Altruism
"""
PACKAGES = {
    **{name: name for name in RESERVED.split()},
    "empty": "",
    "dash": "a-b",
    "dot": "a.b",
    "subfolder": "a/b",
    "parent": "../../evil",
    "space": "a b",
    "newline": "altruism\n",
    "accent": "modèle",
    "ligature": "ﬁle",
    "homoglyph": "аpple",
    "65 long": "a" * 65,
    "Python statement": "x; open('CANARY', 'w')",
    "Jinja": "{% raw %}{{ x }}{% endraw %}",
}
TEXTS = {
    "empty": "",
    "blank": "   ",
    "invisible": "\u200b\u200d",
    "121 long": "a" * 121,
    "5000 long": "a" * 5000,
    "double quote": 'a "b"',
    "backslash": "a\\b",
    "backtick": "`touch CANARY`",
    "command": "$(touch CANARY)",
    "expression": "${{ secrets.TOKEN }}",
    "tab": "a\tb",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "vertical tab": "a\vb",
    "NUL": "a\0b",
    "next line": "a\u0085b",
    "escape colour": "\x1b[31mred",
    "delete": "a\x7f",
    "TOML table": 'x"\n[tool.evil]',
    "Dockerfile line": 'x"\nRUN touch CANARY',
    "Python string": '"""\nopen(\'CANARY\', \'w\')\n"""',
    "tag": "</script>",
    "entity": "<b>",
    "braces": "{x}",
    "closing brace": "x}",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "right to left override": "a\u202eb",
    "left to right mark": "a\u200eb",
    "isolate": "a\u2066b",
    "Arabic letter mark": "a\u061cb",
    "byte order mark": "a\ufeffb",
    "lone surrogate": "a\ud800b",
    "noncharacter": "a\uffffb",
    "noncharacter FDD0": "a\ufdd0b",
    "astral noncharacter": "a\U0001fffeb",
    "last code point": "a\U0010ffffb",
    "typed Jinja": "{% raw %}{{ cookiecutter }}{% endraw %}",
    "typed comment": "{% raw %}{# x #}{% endraw %}",
}
EMAILS = {
    "empty": "",
    "no at": "ada.example.com",
    "no name": "@example.com",
    "no domain": "ada@",
    "two ats": "ada@example@com",
    "space": "ada lovelace@example.com",
    "with name": "Ada <ada@example.com>",
    "two": "ada@example.com,bob@example.com",
    "double quote": '"ada"@example.com',
    "newline": "ada@example.com\n",
    "header": "ada@example.com\nBcc: bob@example.com",
    "mailto": "mailto:ada@example.com",
    "right to left": "ada@\u202eexample.com",
    "121 long": "a" * 120 + "@b",
}
REMOTES = {
    "empty": "",
    "blank": " ",
    "leading space": " s3://bucket",
    "trailing newline": "s3://bucket\n",
    "newline": "../store\n[core]\nno_scm = true",
    "unknown scheme": "ftp://host/path",
    "script scheme": "javascript://host/path",
    "memory": "memory://store",
    "git": "git://host/path",
    "another remote": "remote://other/path",
    "file URL": "file:///srv/store",
    "upper case scheme": "S3://bucket",
    "no bucket": "s3://",
    "no host": "ssh:///path",
    "one slash": "s3:/bucket",
    "no slash": "s3:bucket",
    "scp form": "user@host:path",
    "password": "ssh://user:SECRET@host/path",
    "password with slash": "https://user:SEC/RET@host/path",
    "empty user": "https://:SECRET@host/path",
    "keys": "s3://AKIAKEY:SECRET@bucket/path",
    "password after port": "ssh://user:22SECRET@host/path",
    "token user": "https://SECRET@host/path",
    "signature": "https://host/path?sig=SECRET",
    "signed": "s3://bucket/path?X-Amz-Signature=SECRET",
    "token in fragment": "https://host/path#token=SECRET",
    "path with query": "../store?token=SECRET",
    "double quote": '../store"',
    "backslash": "..\\store",
    "drive with backslash": "C:\\store",
    "variable": "$HOME/store",
    "command": "$(touch CANARY)",
    "backticks": "`touch CANARY`",
    "braces": "../{a,b}",
    "typed Jinja": "{% raw %}{{ x }}{% endraw %}",
    "interpolation": "../%(home)s",
    "star": "../*",
    "pipe": "../a|b",
    "accent": "../entrepôt",
    "ideographs": "/srv/李明",
    "emoji": "s3://bucket/🍕",
    "NUL": "../a\0b",
    "251 long": "../" + "a" * 248,
}
CHOICE = {"not offered": "Other", "lower case": "mit", "empty": "", "list": "[]"}
# Each answer is given to all the questions named before it, and each of these must be named.
REFUSED = [
    pytest.param(questions.split(), answer, id=f"{questions}: {name}")
    for questions, answers in (
        ("project_slug", SLUGS),
        ("package_name", PACKAGES),
        ("project_name description author", TEXTS),
        ("email", EMAILS),
        ("dvc_remote", REMOTES),
        ("license", CHOICE),
        ("ci", CHOICE),
        ("project_name", {"undefined Jinja": "{{ undefined.name }}"}),
    )
    for name, answer in answers.items()
]

WELCOME = {
    "accents": "José Ñandú",
    "apostrophe": "Miles O'Brien",
    "Chinese": "李明",
    "Arabic": "مشروع الإيثار",
    "Hebrew": "פרויקט",
    "Persian with its joiner": "می\u200cخواهم",
    "Hindi": "परोपकार",
    "ampersand": "A & B",
    "letters and digits": "X Æ A-12",
    "emoji": "Free 🍕 for all",
    "family emoji": "👩\u200d👩\u200d👧 pizza",
    "flag emoji": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f flag",
    "YAML directive": "%YAML 1.2",
    "YAML mapping": "key: value",
    "YAML anchor": "&anchor *alias",
    "comment": "# not a comment; nor this",
    "list": "- item",
    "boolean": "no",
    "number": "1e5",
    "date": "2024-01-01",
    "percent": "100 %(x)s %s",
    "brackets": "[a] (b)",
    "120 long": "a" * 120,
    "one letter": "x",
    "combining": "Cafe\u0301",
    "trailing dot": "Ends with a dot.",
}
ACCEPTED_SLUGS = ["a", "a-b", "a_b", "pizza-2", "a1-b2_c3", "build", "random", "data", "a" * 64]
ACCEPTED_PACKAGES = ["a", "a__b", "altruism2", "pizza_model", "data_model", "a" * 64]
ACCEPTED_EMAILS = [
    "a@b",
    "first.last+tag@sub.example.org",
    "o'neill@example.com",
    "josé@exämple.fr",
]
ACCEPTED_REMOTES = {
    "../store": "../../store",
    "store": "../store",
    "./a/b": ".././a/b",
    "/srv/store": "/srv/store",
    "~/store": "~/store",
    "C:/store": "C:/store",
    "//server/share": "//server/share",
    "../with space": "../../with space",
    "../it's #1, 50% @ a=b; (c)": "../../it's #1, 50% @ a=b; (c)",
}
ACCEPTED_URLS = """
s3://bucket/path gs://bucket azure://container/path ssh://user@host:22/p@th webdav://host/a
webdavs://host/a ssh://host:22/p@th hdfs://user@host:8020/a
webhdfs://host:9870/a oss://bucket/a gdrive://root/a http://host/a
https://host:8443/a azure://container@account.example.net/a s3://bucket/50%20off
"""
ACCEPTED_REMOTES |= {url: url for url in ACCEPTED_URLS.split()}


def texts(text):
    return {"project_name": text, "project_slug": "altruism", "description": text, "author": text}


ACCEPTED = [
    pytest.param(answers(answer), id=f"{name}: {answer if name != 'text' else label}")
    for name, answers, offered in (
        ("text", texts, WELCOME),
        ("slug", lambda slug: {"project_slug": slug, "package_name": "altruism"}, ACCEPTED_SLUGS),
        ("package", lambda package: {"package_name": package}, ACCEPTED_PACKAGES),
        ("email", lambda email: {"email": email}, ACCEPTED_EMAILS),
        ("remote", lambda remote: {"dvc_remote": remote}, ACCEPTED_REMOTES),
    )
    for label, answer in (offered.items() if name == "text" else enumerate(offered))
]


@pytest.fixture
def output(tmp_path, monkeypatch):
    folder = tmp_path / "near" / "output"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder.parent)
    return folder


def refuse(output, capfd, **answers):
    """Give answers that must be refused, and return what the user is told."""
    everything = output.parent.parent
    before = set(everything.rglob("*"))
    with pytest.raises((CookiecutterException, TemplateError, ValueError)) as refusal:
        bake(output, **answers)
    assert set(everything.rglob("*")) == before, "something was left on disk"
    # The name of the test's own folder holds the name of the answer.
    return f"{refusal.value}\n{capfd.readouterr().err}".replace(str(everything), "")


@pytest.mark.parametrize(("questions", "answer"), REFUSED)
def test_refused(questions, answer, output, capfd):
    answer = answer.replace("CANARY", str(output.parent / "canary"))
    answer = answer.replace("NEAR", str(output.parent))
    told = refuse(output, capfd, **dict.fromkeys(questions, answer))
    assert all(question in told for question in questions)
    assert "SECRET" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("answers", ACCEPTED)
def test_accepted(answers, output):
    made = files(bake(output, **answers))
    made = {name: content for name, content in made.items() if not name.endswith(".whl")}
    text = {name: content.decode("utf-8") for name, content in made.items()}
    for question in ("project_name", "description", "author", "email"):
        if question in answers:
            assert any(answers[question] in content for content in text.values()), question
    for name, content in text.items():
        parse(name, content)
    if "description" in answers:
        about = tomllib.loads(text["pyproject.toml"])["project"]
        assert about["description"] == answers["description"]
        assert about["authors"][0]["name"] == answers["author"]
    if "dvc_remote" in answers:
        remote = parse(".dvc/config", text[".dvc/config"])["'remote \"storage\"'"]
        assert remote["url"] == f'"{ACCEPTED_REMOTES[answers["dvc_remote"]]}"'
        plugin = answers["dvc_remote"].partition("://")[0].replace("webdavs", "webdav")
        if plugin.startswith("http") or "://" not in answers["dvc_remote"]:
            assert "dvc-http==" in text["requirements-dev.lock"]
            assert "requirements-remote.lock" not in text
        else:
            assert f"dvc-{plugin}==" in text["requirements-remote.lock"]
        # DVC rejects the whole configuration when an hdfs remote has this option.
        assert ("verify" in remote) == (not answers["dvc_remote"].startswith("hdfs:"))


def parse(name, content):
    """Read a generated file as what its name says that it is."""
    assert "\r" not in content and (content.endswith("\n") or not content), name
    if name == ".dvc/config":
        reader = configparser.ConfigParser(interpolation=None)
        reader.read_string(content)
        return reader
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in content.split("\n")[:-1]]
    readers = {
        "toml": tomllib.loads,
        "yaml": lambda text: list(yaml.safe_load_all(text)),
        "json": json.loads,
        "py": lambda text: compile(text, name, "exec"),
    }
    suffix = name.rpartition(".")[2]
    same = {"yml": "yaml", "dvc": "yaml", "ipynb": "json", "cff": "yaml"}
    suffix = "yaml" if name == "dvc.lock" else same.get(suffix, suffix)
    return readers.get(suffix, str)(content)


def test_all_problems_are_told_at_once(output, capfd):
    bad = {
        "project_name": "",
        "project_slug": "../A b",
        "package_name": "class",
        "description": "two\nlines",
        "author": "$(whoami)",
        "email": "nobody",
        "dvc_remote": "ftp://host",
    }
    told = refuse(output, capfd, **bad)
    sentences = [line for line in told.splitlines() if line.partition(" ")[0] in bad]
    assert [line.partition(" ")[0] for line in sentences] == [*bad]
    assert all("; an answer that works: " in line for line in sentences)


def test_a_slug_cannot_leave_the_output_folder_even_without_hooks(output):
    for slug in ("../evil", f"{output.parent}/evil", "a/b", "..", ""):
        project = bake(output, accept_hooks=False, project_slug=slug, package_name="altruism")
        assert project == output / "refused"
        shutil.rmtree(project)
    assert not any(output.parent.glob("evil"))


@pytest.mark.parametrize("question", ["project_slug", *CHOICES])
def test_a_replay_is_checked_like_typed_answers(question, output, tmp_path, capfd):
    replay = tmp_path / "replay.json"
    replay.write_text(json.dumps({"cookiecutter": {**answers_of_a_run(output), question: "No"}}))
    told = refuse(output, capfd, replay=str(replay))
    assert f"{question} is " in told


def answers_of_a_run(output):
    """All answers and derived variables, as cookiecutter keeps them for a replay."""
    shutil.rmtree(bake(output))
    return json.loads((home() / "replay" / "template.json").read_bytes())["cookiecutter"]


@pytest.mark.parametrize("module", ["json", "re", "builtins", "keyword", "shutil", "subprocess"])
def test_a_module_in_the_shared_temporary_folder_is_not_run(module, output, monkeypatch):
    temporary = output.parent / "tmp"
    temporary.mkdir()
    (temporary / f"{module}.py").write_text("raise SystemExit('a stranger ran this')\n")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert bake(output).is_dir()
