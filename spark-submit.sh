#!/usr/bin/env bash
# Runs a job of the engine with spark-submit, in an environment that it makes on first use.
#   ./spark-submit.sh <job> [options]       ./spark-submit.sh --help       ./spark-submit.sh <job> --help
#   ./spark-submit.sh setup [dev] [--wheels FOLDER | --index-url URL]
# On a cluster: SPARK_SUBMIT_OPTIONS="--master yarn --num-executors 8 ..." ./spark-submit.sh detect ...
set -euo pipefail
# Claims, logs and results are for the owner and the group only.
umask 027
home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv="$home/.venv"
export ENGINE_LOGS="${ENGINE_LOGS:-$home/logs}"

fail() { printf '%s\n' "$@" >&2; exit 2; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      echo "$candidate"; return
    fi
  done
  fail 'Python 3.11 is needed and was not found.' \
       '  do: install Python 3.11 (Debian/Ubuntu: apt install python3.11 python3.11-venv), or name it in PYTHON'
}

prepare_environment() {  # $1: run or dev; the rest: options of pip
  local kind=$1; shift
  local requirements="$home/requirements" stamp="$venv/.made-from" log="$ENGINE_LOGS/setup.log" made wanted
  # the packages too: the editable install finds those that it was made with
  wanted=$({ cat "$requirements/build.txt" "$requirements/run.txt" "$requirements/dev.txt"
             grep '^include = ' "$home/pyproject.toml"; } | cksum)
  made=$(cat "$stamp" 2>/dev/null || true)
  # whatever the tests need holds what a run needs
  case $made in "$kind $wanted"|"dev $wanted") return ;; esac
  local python pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@")
  python=$(find_python)
  mkdir -p "$ENGINE_LOGS"
  echo "Making the environment in .venv (once; about two minutes, 2 GB) ..."
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" ||
    fail "Python's module venv does not work here." '  do: install it (Debian/Ubuntu: apt install python3.11-venv)'
  # PySpark comes as source; it is built with the setuptools of build.txt.
  if ! { "${pip[@]}" --requirement "$requirements/build.txt" &&
         "${pip[@]}" --requirement "$requirements/$kind.txt" --no-build-isolation &&
         "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable "$home"; } > "$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "The packages of requirements/$kind.txt could not be installed. The whole output is in $log" \
         '  do: if this machine reaches no package index, see "setup" in docs/installing.md'
  fi
  printf '%s %s\n' "$kind" "$wanted" > "$stamp"
}

if [ "${1:-}" = setup ]; then
  shift
  kind=run
  pip_options=()
  while [ $# -gt 0 ]; do
    case $1 in
      dev) kind=dev; shift ;;
      --wheels) pip_options+=(--no-index --find-links "${2:?the folder of the packages}"); shift 2 ;;
      --index-url) pip_options+=(--index-url "${2:?the address of the index}"); shift 2 ;;
      *) fail "usage: ./spark-submit.sh setup [dev] [--wheels FOLDER | --index-url URL]" ;;
    esac
  done
  prepare_environment "$kind" ${pip_options[@]+"${pip_options[@]}"}
  exit 0
fi
prepare_environment run
mkdir -p "$ENGINE_LOGS"
# This checkout first: the environment may have been made for another one.
export PYTHONPATH="$home${PYTHONPATH:+:$PYTHONPATH}"
exec "$venv/bin/python" "$home/jobs/launcher.py" "$@"
