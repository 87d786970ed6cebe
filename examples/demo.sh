#!/bin/sh
# The main path on the model that ships with zoo: find it, fetch it, look inside, recognise digits,
# and tune it to other ones. What that makes is left in the folder that is named second.
set -eu
zoo=$1
made=$2
here=$(dirname "$0")
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
# A cache of its own, so that the demo changes nothing of yours.
export ZOO_HOME="$home"

say() { printf '\n$ zoo %s\n' "$*"; "$zoo" "$@"; }

say list
say info lenet_digits
say fetch lenet_digits
say inspect lenet_digits
say classify lenet_digits "$here/digits" --top 2

rm -rf "$made"
printf '\n$ python examples/finetune_digits.py %s\n' "$made"
"$(dirname "$zoo")/python" "$here/finetune_digits.py" "$made"
