"""Refuse answers that would make a broken or unsafe project: one sentence each, all at once."""

import sys

# Hooks run from the shared folder of temporary files, where anybody may have put a json.py.
sys.path.pop(0)

import builtins
import json
import keyword
import re

# Jinja renders this file first, and tojson escapes every ', <, > and &, so that an answer is
# data here and cannot end the string that holds it.
ANSWERS = json.loads(r'''{{ cookiecutter | tojson }}''')  # fmt: skip

# This template's own folders, then modules that only some of the supported Pythons have, then
# the top-level modules of all that a project can install, its tools and DVC's plugins included.
NAMES = """
exact tests test src data models reports notebooks conftest setup
aifc annotationlib asynchat asyncore audioop cgi cgitb chunk compression crypt distutils imghdr imp
lib2to3 mailcap msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
adlfs aiobotocore aiohappyeyeballs aiohttp aiohttp_retry aioitertools aiooss2 aiosignal
aliyunsdkcore aliyunsdkkms amqp annotated_doc annotated_types antlr4 anyio apiclient appdirs
argcomplete argon2 arrow asttokens async_lru asyncssh attr attrs azure babel bcrypt billiard
binaryornot bleach botocore bs4 celery certifi cffi charset_normalizer click click_didyoumean
click_plugins click_repl cloudpickle colorama comm configobj contourpy cookiecutter crcmod cruft
cryptography cycler dateutil debugpy decorator defusedxml dictdiffer diskcache distro docker dotenv
dpath dulwich dvc dvc_azure dvc_data dvc_gdrive dvc_gs dvc_hdfs dvc_http dvc_objects dvc_oss
dvc_render dvc_s3 dvc_ssh dvc_studio_client dvc_task dvc_webdav dvc_webhdfs entrypoints executing
fastjsonschema filelock flatten_dict flufl fqdn frozenlist fsspec funcy gcsfs git gitdb google
google_auth_httplib2 google_auth_oauthlib google_crc32c googleapiclient grandalf grpc grpc_status
gto h11 hatchling httpcore httplib2 httpx hydra idna images iniconfig ipykernel ipykernel_launcher
ipython_pygments_lexers isodate isoduration iterative_telemetry jedi jinja2 jmespath joblib json5
jsonpointer jsonschema jsonschema_specifications jupyter jupyter_builder jupyter_client jupyter_core
jupyter_events jupyter_lsp jupyter_server jupyter_server_terminals jupyterlab jupyterlab_pygments
jupyterlab_server jwt kiwisolver knack kombu lark markdown_it markupsafe matplotlib
matplotlib_inline mdurl mistune mpl_toolkits msal msal_extensions multidict narwhals nbclient
nbconvert nbformat nbstripout nest_asyncio2 networkx notebook_shim numpy oauth2client oauthlib
omegaconf opentelemetry orjson oss2 ossfs overrides packaging pandas pandocfilters parso pathspec
pexpect pip pkg_resources platformdirs pluggy prometheus_client prompt_toolkit propcache proto
psutil ptyprocess public pure_eval py pyarrow pyasn1 pyasn1_modules pycparser pydantic pydantic_core
pydantic_settings pydevd_plugins pydot pydrive2 pygit2 pygments pygtrie pylab pyparsing pytest
pythonjsonlogger referencing requests requests_oauthlib rfc3339_validator rfc3986_validator
rfc3987_syntax rich rpds rsa ruamel ruff s3fs scipy scmrepo semver send2trash setuptools shellingham
shortuuid shtab six sklearn slugify smmap soupsieve sqltrie sshfs stack_data tabulate terminado
text_unidecode threadpoolctl tinycss2 tomlkit tornado tqdm traitlets trove_classifiers typer
typing_extensions typing_inspection tzdata tzlocal uri_template uritemplate urllib3 validate vine
voluptuous wcwidth webcolors webdav4 webencodings websocket wrapt yaml yarl zc zmq
"""
STANDARD = {*getattr(sys, "stdlib_module_names", ()), *keyword.kwlist, *dir(builtins)}
TAKEN = "|".join({*NAMES.split(), *STANDARD, "match", "case", "type"})
WINDOWS = "con|prn|aux|nul|com[0-9]|lpt[0-9]"
SCHEMES = "s3|gs|azure|ssh|webdav|webdavs|hdfs|webhdfs|oss|gdrive|http|https"
NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))

# A rule is a pattern that is found in a bad answer only, and what is then wrong with the answer.
TEXT = (
    (r"\A[\s\u00ad\u180e\u200b-\u200d\u2060-\u2064\u3164]*\Z", "is empty"),
    (r"(?s)\A.{121}", "is over 120 characters long"),
    # Text without these can stand between double quotes in TOML, YAML, Python, INI and Docker.
    (
        r'[\x00-\x1f\x7f-\x9f"\\`$<>{}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069'
        r"\ud800-\udfff\ufdd0-\ufdef\ufeff" + NONCHARACTERS + "]",
        "holds {}, which the files of a project cannot hold",
    ),
)
SLUG = (
    (r"(?s)\A.{65}", "is over 64 characters long"),
    (
        r"(?s)\A(?![a-z][a-z0-9]*([-_][a-z0-9]+)*\Z).*",
        "is {}, which is not lower-case letters a-z and digits, joined by single - or _",
    ),
    (rf"\A({WINDOWS})\Z", "is {}, a name that Windows reserves"),
)
PACKAGE = (
    SLUG[0],
    (r"(?s)\A(?![a-z][a-z0-9_]*\Z).*", "is {}, which is not lower-case letters a-z, digits and _"),
    (rf"\A({TAKEN}|{WINDOWS})\Z", "is {}, which Python, a dependency or the template already uses"),
)
EMAIL = (
    *TEXT,
    (r"\A(?![^@\s,;:()\[\]]+@[^@\s,;:()\[\]]+\Z)", "is not of the form name@domain"),
)
REMOTE = (
    (r"\A(\s|\Z)|\s\Z", "is empty, or has white space at one of its ends"),
    (r"(?s)\A.{251}", "is over 250 characters long"),
    # A colon before an @ begins a password, unless a port number and a path follow it.
    (
        r"://[^@]*:(?![0-9]+/)[^@]*@|\Ahttps?://[^/]*@|://.*[?#]",
        "holds a password, a token or a query, for which there is dvc remote modify --local",
    ),
    (r"[^A-Za-z0-9 !#%&'()+,./:;=@^_~-]|%\(", "holds {}, which DVC cannot keep unchanged"),
    (
        rf"\A(?!({SCHEMES})://).*://",
        "begins with {}, which is none of " + SCHEMES.replace("|", ", ") + " (a folder is a path)",
    ),
    (r"://(/|\Z)", "names no bucket and no host"),
    (r"\A(?![^:]+://)(?![A-Za-z]:/[^:]*\Z).*:", "has a colon but is no URL"),
)


def one_of(*choices):
    return [(rf"\A(?!({'|'.join(choices)})\Z)", "is none of " + ", ".join(choices))]


RULES = {
    "project_name": (TEXT, "Free Pizza"),
    "project_slug": (SLUG, "free-pizza"),
    "package_name": (PACKAGE, "free_pizza"),
    "description": (TEXT, "Predicts whether a request succeeds"),
    "author": (TEXT, "Ada Lovelace"),
    "email": (EMAIL, "ada@example.com"),
    "license": (one_of("MIT", "BSD-3-Clause", "Apache-2.0", "proprietary"), "MIT"),
    "dvc_remote": (REMOTE, "../free-pizza-store or s3://bucket/free-pizza"),
    "ci": (one_of("GitHub Actions", "GitLab CI", "none"), "none"),
}


def refuse_old_versions():
    try:
        from cookiecutter import __version__ as version
    except ImportError:
        return
    if sys.version_info[:2] < (3, 10) or [int(part) for part in version.split(".")[:2]] < [2, 4]:
        sys.exit(
            "This template needs cookiecutter 2.4 or newer on Python 3.10 or newer, and this is "
            f"{version} on {sys.version.split()[0]}: run pip install --upgrade cookiecutter."
        )


def sentence(question, value):
    rules, example = RULES[question]
    for pattern, complaint in rules:
        found = re.search(pattern, value)
        if found:
            what = complaint.format(ascii(found.group()[:70]))
            return f"{question} {what}; an answer that works: {example}"
    return None


def main():
    refuse_old_versions()
    # cookiecutter.json replaces a slug that could lead out of the output folder, and keeps it here.
    kept = {"project_slug": "__slug_as_typed"}
    answers = [
        (name, ANSWERS.get(key, "")) for name in RULES for key in (name, kept.get(name, name))
    ]
    sentences = [sentence(name, str(answer)) for name, answer in answers]
    if any(sentences):
        sys.exit("\n".join(filter(None, dict.fromkeys(sentences))))


main()
