#!/bin/sh
# The main path on the model that ships with zoo: find it, fetch it, look inside, recognise digits.
set -eu
zoo=$1
here=$(dirname "$0")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# A cache of its own, so that the demo changes nothing of yours.
export ZOO_HOME="$out/home"

say() { printf '\n$ zoo %s\n' "$*"; "$zoo" "$@"; }

say list
say info lenet_digits
say fetch lenet_digits
say inspect lenet_digits
say classify lenet_digits "$here/digits" --top 2

printf '\n$ python examples/finetune_digits.py five_to_nine\n'
"$(dirname "$zoo")/python" "$here/finetune_digits.py" "$out/five_to_nine"
