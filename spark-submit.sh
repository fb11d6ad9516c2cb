#!/usr/bin/env bash
# Runs a job of the engine with spark-submit, in an environment that it makes itself on first use.
#   ./spark-submit.sh <job> [options]       ./spark-submit.sh --help       ./spark-submit.sh <job> --help
# On a cluster: SPARK_SUBMIT_OPTIONS="--master yarn --num-executors 8 ..." ./spark-submit.sh detect ...
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv="$home/.venv"
logs="${ENGINE_LOGS:-$home/logs}"

fail() { printf '%s\n' "$@" >&2; exit 2; }

usage() {
  local path name
  printf 'usage: ./spark-submit.sh <job> [options]\n\njobs:\n'
  for path in "$home"/jobs/*.py; do
    name=$(basename "$path" .py)
    case $name in _*|common) continue ;; esac
    printf '  %-12s %s\n' "$name" "$(sed -n '1s/^"""\(.*[^"]\)"*$/\1/p' "$path")"
  done
  printf '  %-12s %s\n' setup "Makes or refreshes .venv and stops; \`setup dev\` adds the tools of the tests."
}

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

check_java() {
  local java=${JAVA_HOME:+$JAVA_HOME/bin/}java version
  version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || true
  if [ -z "$version" ] || [ "$version" -lt 17 ]; then
    fail 'A Java runtime, version 17 or later, is needed to run Spark.' \
         "  found: ${version:+version $version at }$java${version:+}${version:- (no such program)}" \
         '  do:    install one (Debian/Ubuntu: apt install openjdk-17-jre-headless), or point JAVA_HOME at it'
  fi
}

prepare_environment() {  # $1: '' or 'dev'
  local extra=${1:-} wanted stamp="$venv/.made-from"
  wanted="$(cksum < "$home/setup.py")"
  if [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$wanted" ] \
     && { [ -z "$extra" ] || [ "$(tail -n 1 "$stamp")" = "$extra" ]; }; then
    return
  fi
  local python log="$logs/setup.log"
  python=$(find_python)
  mkdir -p "$logs"
  echo "Making the environment in .venv (once; about two minutes, 2 GB) ..."
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  if ! { "$venv/bin/python" -m pip install --quiet --upgrade pip setuptools wheel &&
         "$venv/bin/python" -m pip install --quiet --editable "$home${extra:+[$extra]}"; } > "$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "Could not install the packages that setup.py names. The whole output is in $log"
  fi
  printf '%s\n%s\n' "$wanted" "${extra:-run}" > "$stamp"
}

job=${1:-}
case $job in
  ''|-h|--help) usage; [ -n "$job" ] || exit 2; exit 0 ;;
  setup) check_java; prepare_environment "${2:-}"; exit 0 ;;
esac
[ -f "$home/jobs/$job.py" ] && [ "$job" != common ] || { usage >&2; fail '' "There is no job named $job."; }
shift

check_java
prepare_environment
mkdir -p "$logs"

# Spark makes one method of a chain of joins; without this the JVM would interpret the long ones (engine/session.py).
jvm='-XX:-DontCompileHugeMethods -XX:ReservedCodeCacheSize=512m'
options=()
read -r -a options <<< "${SPARK_SUBMIT_OPTIONS:-}"
case " ${options[*]:-} " in
  *' --master '*) ;;
  *) options+=(--master 'local[*]' --driver-memory "${SPARK_DRIVER_MEMORY:-4g}"); jvm+=' -XX:+UseParallelGC' ;;
esac
case " ${options[*]} " in
  *' --master local'*) export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}" ;;
  *) # executors get the code as a zip
     "$venv/bin/python" - "$home" "$logs/engine.zip" <<'PY'
import pathlib, sys, zipfile
home, target = pathlib.Path(sys.argv[1]), sys.argv[2]
with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
    for folder in ("engine", "jobs"):
        for path in sorted((home / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(home))
PY
     options+=(--py-files "$logs/engine.zip") ;;
esac

case " ${options[*]} " in
  *spark.executor.extraJavaOptions*) ;;
  *) options+=(--conf "spark.executor.extraJavaOptions=$jvm") ;;
esac

export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$venv/bin/python}"
export PYSPARK_DRIVER_PYTHON="$venv/bin/python"
unset SPARK_HOME
exec 3>&2
# Spark writes to a log file (conf/log4j2.properties); the JVM's own note on incubator modules has no switch.
"$venv/bin/spark-submit" "${options[@]}" \
  --driver-java-options "$jvm -Dlog4j2.configurationFile=file:$home/conf/log4j2.properties -Dengine.logs=$logs" \
  "$home/jobs/$job.py" "$@" 2> >(grep --line-buffered -v 'jdk.incubator.vector' >&3 || true)
