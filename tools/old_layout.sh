#!/bin/sh
# Make tests/fixtures/old_layout.bundle: a project whose src/exact still holds the whole tool, with two releases.
# Its branches: main, the project; store, its DVC remote; template, what it was made from, with few rows and locks.
# usage: sh tools/old_layout.sh [ROWS], in a clone that has the commit aca6813
set -eu
rows=${1:-200}
here=$(cd "$(dirname "$0")/.." && pwd)
PATH=$here/.venv/bin:$PATH
folder=$(mktemp -d "${TMPDIR:-/tmp}/old-layout-XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GIT_AUTHOR_NAME=Test GIT_AUTHOR_EMAIL=test@example.org GIT_COMMITTER_NAME=Test GIT_COMMITTER_EMAIL=test@example.org

mkdir template.git
git -C "$here" archive aca6813 hooks cookiecutter.json '{{cookiecutter.project_slug}}' | tar -x -C template.git
(
    cd template.git/*project_slug*
    rm -- *'__plugin == '"'"[a-z]*  # Only the lock of a project without a plugin.
    cd data/raw
    head -n "$rows" requests.jsonl >few && mv few requests.jsonl
    md5=$(md5sum requests.jsonl | cut -c-32) size=$(wc -c <requests.jsonl | tr -d ' ')
    sed -i "s/md5: [0-9a-f]\{32\}/md5: $md5/; s/size: [0-9]*/size: $size/" requests.jsonl.dvc
)
git -C template.git init --quiet --initial-branch=template
git -C template.git add --all --force
git -C template.git commit --quiet --message "The template before its tool moved out"

cruft create --no-input template.git
cd altruism
# Where the template is from the project's folder, on any machine.
sed -i "s|\"$folder/template.git\"|\"../template.git\"|" .cruft.json
release() {
    make
    git add --all
    git commit --quiet --message "$2"
    make push
    make release VERSION="$1"
}
release v1.0.0 "First model"
sed -i 's/estimator: logistic_regression/estimator: multinomial_nb/' params.yaml
release v2.0.0 "Naive Bayes instead"

cd ../altruism-store
git init --quiet --initial-branch=store
git add --all --force
git commit --quiet --message "What the releases are made of, and what they made"
cd ../altruism
git fetch --quiet ../altruism-store store:store
git fetch --quiet ../template.git template:template
mkdir -p "$here/tests/fixtures"
git bundle create --quiet "$here/tests/fixtures/old_layout.bundle" --branches --tags
ls -l "$here/tests/fixtures/old_layout.bundle"
