#!/bin/sh
# Pin the newest versions for the generated projects: `make lock` in one with all DVC plugins, so that
# one lock of the tools suits every kind of remote, then for each plugin alone what it adds to that.
set -eu
cd "$(dirname "$0")/.."
template='{{cookiecutter.project_slug}}'
plugins='azure gdrive gs hdfs oss s3 ssh webdav webhdfs'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cookiecutter --no-input --accept-hooks no --output-dir "$work" . \
    project_slug=all dvc_remote=s3://store/path >/dev/null
project=$work/all
# What each plugin has now is where its versions stay, if UPGRADE does not name them.
cat "$template"/*requirements-remote.lock* > "$project/requirements-remote.lock" 2>/dev/null || true
sed -i "s/dvc\[s3\]/dvc[$(echo $plugins | tr ' ' ,)]/" "$project/pyproject.toml"
make -s -C "$project" lock UPGRADE="${UPGRADE-all}"
for name in requirements.lock requirements-dev.lock requirements-notebook.lock requirements-uv.lock; do
    cp "$project/$name" "$template"
done
cp "$project/requirements-remote.lock" "$work/all.lock"
for plugin in $plugins; do
    cp "$work/all.lock" "$project/requirements-remote.lock"
    sed -i "s/dvc\[.*\]\"/dvc[$plugin]\"/" "$project/pyproject.toml"
    make -s -C "$project" lock
    cp "$project/requirements-remote.lock" \
        "$template/{% if cookiecutter.__plugin == '$plugin' %}requirements-remote.lock{% endif %}"
done
