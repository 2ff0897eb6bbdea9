#!/bin/sh
# Runs the tool `groundplan` of this workspace. The first run makes its environment in .venv from
# cli/requirements.lock; later runs start it at once and need no network.
set -eu

self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
  esac
done
root=$(cd "$(dirname "$self")" && pwd -P)
venv=$root/.venv
lock=$root/cli/requirements.lock

say() { printf '%s\n' "$*" >&2; }
die() {
  say "Error: $1"
  shift
  for line; do say "  $line"; done
  exit 1
}

find_python() {
  for name in "${GP_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$name" ] || continue
    path=$(command -v "$name") || continue
    if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      "$path" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  die "Python 3.11 or newer was not found." "Install it (Debian: apt-get install python3), then run this again."
}

# pip as a list of words in "$@" order: of the new environment, of the machine, or from a package of
# the distribution that is unpacked without root (Debian's python3 comes without pip).
make_venv() {
  python=$1
  if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
    pip="$venv/bin/python -m pip"
    return
  fi
  "$python" -m venv --clear --without-pip "$venv"
  if "$python" -m pip --version >/dev/null 2>&1; then
    pip="$python -m pip --python $venv/bin/python"
    return
  fi
  command -v apt-get >/dev/null || die "Python has no pip." "Install it (Debian: apt-get install python3-venv)."
  say "  Python has no pip here: unpacking the package python3-pip-whl"
  apt=$venv/apt
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
  options="-qq -oDir::State=$apt/state -oDir::State::status=/var/lib/dpkg/status -oDir::Cache=$apt/cache
    -oDebug::NoLocking=1 -oAPT::Sandbox::User= -oAcquire::Languages=none"
  # shellcheck disable=SC2086 # the options are words
  (cd "$apt" && { apt-get $options update || :; } && apt-get $options download python3-pip-whl && dpkg-deb -x ./*.deb .) ||
    die "pip could not be fetched." "Install it (as root: apt-get install python3-venv), then run this again."
  pip="$venv/bin/python $(echo "$apt"/usr/share/python-wheels/pip-*.whl)/pip"
}

install() {
  case $root in *[[:space:]]*) die "The path of this workspace has a space in it: $root" "Move it to one without." ;; esac
  python=$(find_python)
  say "Making the tool's environment in .venv with $python"
  make_venv "$python"
  say "  installing $(grep -c == "$lock") packages from cli/requirements.lock"
  # shellcheck disable=SC2086 # $pip is several words
  $pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement "$lock" ||
    die "The packages could not be installed." "Check the network, then run this again."
  rm -rf "$venv/apt"
  packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf '%s\n' "$root/cli/src" >"$packages/groundplan.pth"
  printf '%s\n' "$root" >"$venv/root"
  cp "$lock" "$venv/installed.lock"
}

# Ready when the lock file is the one that was installed, and the workspace was not moved since.
is_ready() {
  cmp -s "$lock" "$venv/installed.lock" && [ "$(cat "$venv/root" 2>/dev/null)" = "$root" ]
}

if ! is_ready; then
  # Two first runs at once would write the same folder: the second waits for the first.
  if command -v flock >/dev/null; then
    mkdir -p "$root/tmp"
    exec 9>"$root/tmp/gp.lock"
    flock 9
  fi
  is_ready || install
  exec 9>&-
fi

# Where Python may not keep its bytecode, each command and each service takes up to twice as long to start.
unset PYTHONDONTWRITEBYTECODE
export GROUNDPLAN_ROOT="$root"
exec "$venv/bin/python" -m groundplan "$@"
