#!/bin/sh
# Builds a project twice under Debian's reprotest, all its variations on, and compares every output.
# usage: sh tools/reprotest.sh PROJECT     (a fresh one, for reprotest copies all that lies in it)
# It needs root or sudo, a writable /dev/fuse, and reprotest 0.7.30 or newer (Debian 13):
#   apt-get install reprotest disorderfs faketime locales-all sudo fuse3
# Older ones cannot change the user; VARY="-user_group,-domain_host" leaves that out.
set -eu
[ $# = 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
vary=${VARY:-user_group.available+=nobody:nogroup,domain_host.use_sudo=1}
build='set -e
export UV_CACHE_DIR=/var/tmp/uv-$(id -u)
# The certificates of the package index are of the true time.
env -u LD_PRELOAD make env
# `exact run` drops the library that changes the clock; this Python takes it back.
mv .venv/bin/python .venv/bin/real
printf "#!/bin/sh\nLD_PRELOAD=\047%s\047 exec \"%s/.venv/bin/real\" \"\$@\"\n" "${LD_PRELOAD-}" "$PWD" >.venv/bin/python
chmod +x .venv/bin/python
make'
exec reprotest --verbose --min-cpus 1 --vary="$vary" -c "$build" "$1" \
    'dvc.lock models reports data/prepared data/features'
