#!/bin/sh
# The whole story on the bundled sample: release a model, change it, release again, get the first one
# back in a fresh clone, ask which it is, rebuild both and compare. Exits non-zero if a byte is not as it was.
set -eu
template=$(cd "$(dirname "$0")/.." && pwd)
# Not in this repository: a project has one of its own.
folder=$(mktemp -d "${TMPDIR:-/tmp}/demo-XXXXXX")
cd "$folder"
# The demo's commits need an author, and a new machine has none.
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.org
export GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.org

say() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
quietly() { printf '$ %s\n' "$*"; "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }; }
model() { md5sum models/model.joblib | cut -d' ' -f1; }

say "Start a project"
quietly cookiecutter --no-input "$template"
cd altruism

say "Build its model and release it as v1.0.0"
show make --silent
quietly git add --all
quietly git commit -m "First model"
quietly make push
show make --silent release VERSION=v1.0.0
first=$(model)

say "Change a parameter, build, and release v2.0.0"
show sed -i.old 's/estimator: logistic_regression/estimator: multinomial_nb/' params.yaml
rm params.yaml.old
show make --silent
show make --silent metrics
quietly git add --all
quietly git commit -m "Naive Bayes instead"
quietly make push
show make --silent release VERSION=v2.0.0
second=$(model)

say "Go back to v1.0.0 in a fresh clone"
cd ..
quietly git clone altruism recovered
cd recovered
quietly git checkout altruism@v1.0.0
quietly make pull
recovered=$(model)

say "Which model is this?"
show make --silent which FILE=models/model.joblib

say "Rebuild both releases from their raw data, and compare"
show make --silent verify REV="--tags --jobs 2"

say "The models' md5"
printf 'v1.0.0    %s\nv2.0.0    %s\nrecovered %s\n' "$first" "$second" "$recovered"
[ "$first" != "$second" ] || { echo "demo: both releases have the same model" >&2; exit 1; }
[ "$first" = "$recovered" ] || { echo "demo: the recovered model is not the first one" >&2; exit 1; }
grep -q "md5: $recovered" dvc.lock || { echo "demo: dvc.lock names another model" >&2; exit 1; }
say "The recovered model is the first one, and both can be made again, byte for byte"
# What fills the disk is made again by the next `make`; KEEP=yes leaves it, for tools/pictures.py.
[ "${KEEP-}" = yes ] || make --silent clean
[ "${KEEP-}" = yes ] || make --silent -C ../altruism clean
printf '(the projects are in %s: %s MB, which may be deleted)\n' "$folder" "$(du -sm "$folder" | cut -f1)"
