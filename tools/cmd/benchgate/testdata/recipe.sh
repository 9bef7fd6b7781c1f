#!/bin/sh
# Follows docs/benchgate.md in an empty module of somebody else, with the benchgate in PATH: run it in the root of the repository,
#   go run ./tools/cmd/rehearse -install tools/cmd/benchgate -then tools/cmd/benchgate/testdata/recipe.sh
set -eu
doc=$PWD/docs/benchgate.md
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# The blocks of the page that name a file, without the indentation of the list they stand in.
awk '/^ *```.* file=/ { file = $0; sub(/.*file=/, "", file); match($0, /^ */); indent = RLENGTH; next }
     /^ *```/ { file = "" }
     file != "" { print substr($0, indent + 1) > file }' "$doc"
mv Makefile.recipe Makefile
test -s sum_test.go && test -s budgets.txt && test -s Makefile
printf 'module example.com/sum\n\ngo 1.25.0\n' >go.mod
git init -q
git add .
git -c user.name=recipe -c user.email=recipe@example.com commit -q -m base

echo "recipe: unchanged code"
make gate

echo "recipe: three times the work"
sed 's/total += v$/total += v; total ^= total >> 3; total -= v << 2/' sum_test.go >slow_test.go
if cmp -s sum_test.go slow_test.go; then
	echo "recipe: the example changed, nothing was made slower"
	exit 1
fi
mv slow_test.go sum_test.go
status=0
make gate >out.txt || status=$?
cat out.txt
if [ "$status" = 0 ] || ! grep -q 'over' out.txt; then
	echo "recipe: slower code passed, status $status"
	exit 1
fi
echo "recipe: ok"
