#!/bin/sh
# Pin the newest versions for the generated projects: `make lock` in one project for each DVC plugin.
set -eu
cd "$(dirname "$0")/.."
template='{{cookiecutter.project_slug}}'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$template/requirements.lock" "$template/requirements-uv.lock" "$template/requirements-notebook.lock"
for plugin in '' s3 gs azure ssh webdav hdfs webhdfs oss gdrive; do
    name="{% if cookiecutter.__plugin == '$plugin' %}requirements-dev.lock{% endif %}"
    touch "$template/$name"
    remote=${plugin:+$plugin://store/path}
    cookiecutter --no-input --accept-hooks no --output-dir "$work" . \
        project_slug="lock-${plugin:-none}" dvc_remote="${remote:-../store}" >/dev/null
    make -s -C "$work/lock-${plugin:-none}" lock UPGRADE=all
    cp "$work/lock-${plugin:-none}/requirements-dev.lock" "$template/$name"
done
for name in requirements.lock requirements-notebook.lock requirements-uv.lock; do
    cp "$work/lock-none/$name" "$template/$name"
done
