# Checks for scripts that run the command line: `. checks.sh` in a folder of its own that goes at the end.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0
checks=0

# expect STATUS WORDS COMMAND...: the command ends with that status and says WORDS (a grep -E pattern) on either stream.
expect() {
  local status=$1 words=$2 got
  shift 2
  "$@" >out 2>err
  got=$?
  checks=$((checks + 1))
  if [ "$got" -ne "$status" ]; then
    echo "FAILED: $*: exit status $got, not $status"
    head -5 out err
    failed=$((failed + 1))
  elif [ -n "$words" ] && ! cat out err | grep -qE -- "$words"; then
    echo "FAILED: $*: does not say '$words'"
    head -5 out err
    failed=$((failed + 1))
  fi
}

# holds WHAT COMMAND...: the command succeeds.
holds() {
  local what=$1
  shift
  checks=$((checks + 1))
  "$@" || {
    echo "FAILED: $what"
    failed=$((failed + 1))
  }
}

is_json() { python3 -m json.tool "$1" >/dev/null; }
is_empty() { [ ! -s "$1" ]; }

# The last command of a script.
finish() {
  echo "$checks checks, $failed failed"
  [ $failed -eq 0 ]
}
